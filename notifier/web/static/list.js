import { ago, byId, duration, element } from "./dom.js";
import { t } from "./words.js";

const LEVELS = { critical: t("Critical"), warning: t("Warning"), info: t("Info") };
const CHIPS = { pending: (count) => t("{0} being delivered", count), dead: (count) => t("{0} not delivered", count) };
const QUIET = { acknowledged: t("acknowledged"), silenced: t("silenced") };
const shown = new Map();

/** The state of an incident in a word, and the class that colours it. */
export function stateOf(incident) {
  const severity = LEVELS[incident.severity] || incident.severity || LEVELS[incident.level];
  const named = severity ? severity[0].toUpperCase() + severity.slice(1) : "";
  if (incident.phase === "resolved") return { word: t("Resolved"), tone: "resolved" };
  if (incident.quiet) return { word: `${named}, ${QUIET[incident.quiet.kind] || incident.quiet.kind}`, tone: "quieted" };
  return { word: named, tone: incident.level };
}

/** Brings the list to these incidents; rows that have not changed stay, with their focus. */
export function showRows(incidents, selected) {
  const list = byId("rows");
  const focused = document.activeElement?.closest("#rows li")?.dataset.id;
  const items = incidents.map((incident) => {
    const text = JSON.stringify(incident);
    const known = shown.get(incident.id);
    if (known?.text === text) return known.item;
    const item = row(incident);
    shown.set(incident.id, { text, item });
    return item;
  });
  if (items.length !== list.children.length || items.some((item, at) => list.children[at] !== item)) {
    list.replaceChildren(...items);
    if (focused) list.querySelector(`li[data-id="${focused}"] a`)?.focus({ preventScroll: true });
  }
  for (const id of shown.keys()) {
    if (!incidents.some((incident) => incident.id === id)) shown.delete(id);
  }
  mark(selected);
}

export function mark(selected) {
  for (const link of document.querySelectorAll("#rows a")) {
    if (link.hash === `#${selected}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

/** The id of the row so many places from the selected one. */
export function neighbour(selected, step) {
  const ids = [...document.querySelectorAll("#rows li")].map((item) => item.dataset.id);
  const here = ids.indexOf(selected);
  const there = here < 0 ? 0 : Math.min(Math.max(here + step, 0), ids.length - 1);
  return ids[there];
}

function row(incident) {
  const { word, tone } = stateOf(incident);
  const title = incident.measured ? `${incident.title}: ${incident.measured}` : incident.title;
  return element("li", { data: { id: incident.id } },
    element("a", { class: `row ${tone}`, href: `#${incident.id}` },
      element("span", { class: "top" },
        element("span", { class: "state" }, word),
        element("span", { class: "soft" }, lasted(incident)),
        ago(incident.ended || incident.since)),
      element("span", { class: "title", dir: "auto" }, title),
      element("span", { class: "where", dir: "auto" }, incident.where.map((pair) => pair[1]).join(" · ")),
      element("span", { class: "chips" }, chips(incident))));
}

function lasted(incident) {
  // not behind the title, which is cut where it is long
  const alerts = incident.firing > 1 ? t("{0} alerts", incident.firing) : "";
  const flaps = incident.flaps ? t("fired {0}×", incident.flaps + 1) : "";
  const length = incident.ended
    ? t("after {0}", duration((new Date(incident.ended) - new Date(incident.since)) / 1000)) : "";
  return [length, alerts, flaps].filter(Boolean).join(", ");
}

function chips(incident) {
  return ["pending", "dead"].filter((state) => incident.states[state]).map((state) => element("span",
    { class: `chip ${state}` }, CHIPS[state](incident.states[state])));
}

export function showEmpty(filtered, answer) {
  const box = byId("empty");
  if (filtered) {
    box.replaceChildren(element("p", {}, t("No incident fits.")));
    return;
  }
  box.replaceChildren(...(answer.heard_at ? calm(answer.heard_at) : unheard()),
    answer.channels.length === 0
      ? element("p", {}, t("No chat is configured, so this page is where everything arrives.")) : "");
}

const calm = (heard) => [
  element("p", { class: "calm" }, t("Nothing has happened.")),
  element("p", {}, t("Alertmanager’s heartbeat came"), " ", ago(heard), "."),
];

const unheard = () => [
  element("p", { class: "calm" }, t("Nothing has arrived yet.")),
  element("p", {}, t("Incidents appear here when Alertmanager sends them. Its configuration:")),
  element("pre", { tabindex: "0" }, [
    "receivers:", "  - name: notifier", "    webhook_configs:", `      - url: ${location.origin}/api/v1/alertmanager`,
    "        http_config:", "          authorization:", "            credentials_file: secrets/notifier_token",
  ].join("\n")),
  element("p", {}, t("The last three lines are for a notifier with a token.")),
];
