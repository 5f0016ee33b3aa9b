import { ask } from "./api.js";
import { ago, armed, at, byId, element } from "./dom.js";
import { t } from "./words.js";

const KEPT = "wiltonos-name";
const KINDS = { silence: t("Silence"), acknowledge: t("Acknowledge") };
let hours = { silence: 2, acknowledge: 0.25 };
let asked = null;
let signature = "";

export async function loadSilences(changed) {
  const answer = await ask("/api/v1/silences");
  hours = { silence: answer.silence_hours, acknowledge: answer.ack_minutes / 60 };
  const active = answer.silences.filter((each) => each.state !== "expired");
  const count = byId("silences-count");
  count.hidden = active.length === 0;
  count.textContent = String(active.length);
  const problem = byId("silences-error");
  problem.hidden = !answer.error;
  problem.textContent = answer.error || "";
  byId("new-silence").hidden = !answer.available;
  byId("no-silences").hidden = Boolean(answer.error) || answer.silences.length > 0;
  const text = JSON.stringify(answer.silences);
  if (text === signature) return;
  signature = text;
  byId("silence-list").replaceChildren(...answer.silences.map((each) => item(each, changed)));
}

function item(silence, changed) {
  const problem = element("p", { class: "problem", role: "alert", hidden: true });
  const end = async (button) => {
    button.disabled = true;
    try {
      await ask(`/api/v1/silences/${encodeURIComponent(silence.id)}`, { method: "DELETE" });
      changed();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      button.disabled = false;
    }
  };
  const over = silence.state === "expired";
  return element("li", {},
    element("h2", {}, element("code", { dir: "auto" }, silence.matchers)),
    element("p", { class: "soft" }, over ? t("ended") : silence.renews ? t("acknowledged, renews while it fires, at least until") : t("until"),
      " ", over ? ago(silence.ends_at) : at(silence.ends_at), ` · ${t("by {0}", silence.created_by || t("nobody"))}`,
      ...(silence.incident_id ? [" · ", element("a", { href: `#${silence.incident_id}` }, t("the incident"))] : [])),
    element("p", { dir: "auto" }, silence.comment),
    over ? null : element("p", { class: "actions" }, armed(t("End it"), t("End it now?"), end)),
    problem);
}

/** What a reader of an incident must know of its silence. */
export function quietNote(incident) {
  const quiet = incident.quiet;
  if (!quiet) return [];
  if (quiet.resolved_unseen) {
    return [element("p", { class: "note" }, t("It resolved while it was silenced: Alertmanager says nothing then, so this was read from its list of alerts."))];
  }
  const by = quiet.by || t("somebody");
  const acknowledged = quiet.kind === "acknowledged";
  return [element("p", { class: "note", dir: "auto" }, acknowledged ? t("Acknowledged by {0} until", by) : t("Silenced by {0} until", by),
    " ", at(quiet.until), acknowledged ? t(", and longer while it fires") : "", quiet.comment ? ` · ${quiet.comment}` : "")];
}

export function quietActions(incident) {
  const button = (action, words) => element("button", {
    type: "button", id: `do-${action}`, onclick: () => openForm(incident, action),
  }, words);
  const words = { acknowledge: t("Acknowledge"), silence: t("Silence…"), undo: t("Undo the silence") };
  return element("span", { class: "quieting" }, incident.actions.map((action) => button(action, words[action])));
}

export function pressQuiet(action) {
  byId(`do-${action}`)?.click();
}

function openForm(incident, action) {
  asked = { incident, action };
  const form = byId("quieten-form");
  const undo = action === "undo";
  byId("quieten-title").textContent = undo ? t("Undo the silence") : KINDS[action];
  byId("quieten-what").textContent = undo ? t("{0}: Alertmanager tells of it again.", incident.title)
    : action === "acknowledge"
      ? t("{0}: says that you are on it; no repetitions while it fires, and new alerts still ring.", incident.title)
      : t("{0}: Alertmanager says nothing more of exactly these alerts; new ones still ring.", incident.title);
  byId("quieten-hours").hidden = action !== "silence";
  form.elements.hours.value = hours.silence;
  form.elements.by.value = localStorage.getItem(KEPT) || "";
  form.elements.comment.value = "";
  form.querySelector("button.main").textContent = undo ? t("Undo it") : KINDS[action];
  byId("quieten-error").hidden = true;
  byId("quieten").showModal();
}

export function wireForms(changed) {
  byId("quieten-form").addEventListener("submit", async (event) => {
    if (event.submitter?.value === "cancel") return;
    event.preventDefault();
    const fields = event.target.elements;
    localStorage.setItem(KEPT, fields.by.value);
    const body = { by: fields.by.value, comment: fields.comment.value };
    if (asked.action === "silence") body.hours = Number(fields.hours.value);
    const problem = byId("quieten-error");
    try {
      await ask(`/api/v1/incidents/${asked.incident.id}/${asked.action}`, { method: "POST", body });
      byId("quieten").close();
      changed();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  });
  byId("new-silence").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const fields = form.elements;
    const output = form.querySelector("output");
    localStorage.setItem(KEPT, fields.by.value);
    try {
      await ask("/api/v1/silences", { method: "POST", body: {
        matchers: fields.matchers.value, hours: Number(fields.hours.value), by: fields.by.value, comment: fields.comment.value,
      } });
      output.textContent = t("Silenced.");
      fields.matchers.value = "";
      changed();
    } catch (error) {
      output.textContent = error.message;
    }
  });
  byId("new-silence").elements.by.value = localStorage.getItem(KEPT) || "";
}
