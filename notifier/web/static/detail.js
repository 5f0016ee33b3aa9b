import { ago, at, byId, duration, element, lasting } from "./dom.js";
import { stateOf } from "./list.js";
import { looks } from "./look.js";
import { quietActions, quietNote } from "./silences.js";
import { t } from "./words.js";

const REASONS = {
  first: t("opened"), new_alert: t("new alert"), worse: t("became worse"), refired: t("an alert fired again"),
  partly_resolved: t("an alert resolved"), resolved: t("resolved"), reopened: t("fired again after its end"),
  truncated: t("Alertmanager left alerts out"), silenced: t("silenced"), acknowledged: t("acknowledged"),
  updated: t("told anew"), silence_changed: t("silence changed"), silence_ended: t("silence ended"),
};
const STATES = { delivered: t("delivered"), pending: t("on its way"), dead: t("not delivered") };
let shown = "";

/** Shows an incident; what has not changed is left alone, with its scroll and focus. */
export function showDetail(incident) {
  const text = JSON.stringify(incident);
  if (text === shown) return;
  const box = byId("detail");
  const open = new Set([...box.querySelectorAll("details[open]")].map((each) => each.dataset.key));
  const focused = box.contains(document.activeElement) ? document.activeElement.id : "";
  const same = box.dataset.id === incident.id;
  box.dataset.id = incident.id;
  box.replaceChildren(head(incident), ...quietNote(incident), looks(incident), alerts(incident, same ? open : new Set()),
    deliveries(incident), history(incident));
  box.hidden = false;
  if (!same) box.scrollTop = 0;
  if (focused && focused !== "detail") byId(focused)?.focus({ preventScroll: true });
  shown = text;
}

export function showNoDetail(words) {
  shown = "";
  const box = byId("detail");
  delete box.dataset.id;
  box.hidden = !words;
  box.replaceChildren(...(words ? [element("p", { class: "empty" }, words),
    element("p", { class: "empty" }, element("a", { href: "#inbox" }, t("All incidents")))] : []));
}

function head(incident) {
  const { word, tone } = stateOf(incident);
  const ended = incident.ended ? (new Date(incident.ended) - new Date(incident.since)) / 1000 : 0;
  return element("div", { class: `head ${tone}` },
    element("a", { class: "button back", href: "#inbox" }, t("‹ All")),
    element("span", { class: "state" }, word),
    element("span", { class: "soft" }, incident.ended ? [at(incident.ended), " ", t("after {0}", duration(ended))] : [t("for"), " ", lasting(incident.since)]),
    element("span", { class: "spring" }),
    quietActions(incident));
}

function alerts(incident, open) {
  const items = incident.alerts.map((alert) => {
    const key = alert.fingerprint;
    return element("li", {}, element("details", { data: { key }, open: open.has(key) },
      element("summary", { dir: "auto" }, alert.status === "firing" ? "● " : "○ ",
        clipped(alert.labels.alertname || alert.fingerprint), " · ", at(alert.starts_at),
        ...(alert.ends_at ? [" – ", at(alert.ends_at)] : [])),
      pairs(alert.labels), pairs(alert.annotations)));
  });
  const left = incident.alerts_left + incident.left_out;
  return element("section", { "aria-label": t("Alerts") },
    element("h2", {}, incident.total === 1 ? t("Alert") : t("{0} of {1} alerts firing", incident.firing, incident.total)),
    element("ul", { class: "alerts" }, items),
    left ? element("p", { class: "soft" }, left === 1 ? t("One more is not shown here.") : t("{0} more are not shown here.", left)) : null);
}

const clipped = (text) => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

function pairs(values) {
  // "__" begins what is meant for programs
  const entries = Object.entries(values).filter(([name]) => !name.startsWith("__"));
  return entries.length === 0 ? null : element("dl", { class: "labels", tabindex: "0" },
    entries.flatMap(([name, value]) => [element("dt", {}, name), element("dd", { dir: "auto" }, value)]));
}

function deliveries(incident) {
  if (incident.deliveries.length === 0) {
    return element("section", { "aria-label": t("Deliveries") }, element("h2", {}, t("Deliveries")),
      element("p", { class: "soft" }, t("No channel gets this incident; it is shown here only.")));
  }
  const rows = incident.deliveries.map((row) => element("tr", {},
    element("td", {}, row.channel),
    element("td", {}, element("span", { class: `chip ${row.state}` }, STATES[row.state]),
      row.state === "delivered" && row.revision === incident.revision ? null : element("small", {}, shownRevision(row, incident))),
    element("td", {}, reason(row))));
  return element("section", { "aria-label": t("Deliveries") }, element("h2", {}, t("Deliveries")),
    element("table", { class: "facts" },
      element("thead", {}, element("tr", {}, [t("Channel"), t("State"), t("Reason")].map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, rows)));
}

function shownRevision(row, incident) {
  return row.revision ? t("shows revision {0} of {1}", row.revision, incident.revision) : t("nothing shown yet");
}

function reason(row) {
  const parts = [];
  if (row.last_error && row.state !== "delivered") parts.push(row.last_error);
  if (row.attempts) parts.push(element("small", {}, row.attempts === 1 ? t("1 attempt failed") : t("{0} attempts failed", row.attempts)));
  if (row.next_attempt_at && row.attempts) parts.push(element("small", {}, t("next"), " ", ago(row.next_attempt_at)));
  return parts.length ? parts : "–";
}

// what opens an incident is a new alert, of course
const told = (reasons) => reasons.filter((word) => word !== "new_alert" || !reasons.includes("first"))
  .map((word) => REASONS[word] || word).join(", ");

function history(incident) {
  return element("section", { "aria-label": t("History") }, element("h2", {}, t("History")),
    element("ol", { class: "history" }, incident.history.map((each) => element("li", {},
      told(each.reasons), at(each.at)))),
    element("p", { class: "soft" }, t("Incident {0}, revision {1}, receiver {2}", incident.id, incident.revision, incident.receiver)));
}
