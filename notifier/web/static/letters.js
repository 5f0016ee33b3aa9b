import { ask } from "./api.js";
import { ago, armed, byId, element } from "./dom.js";
import { t } from "./words.js";

const REASONS = {
  destination_dead: t("the destination is dead"), payload_refused: t("the chat refused the rich form; the plain one was sent"),
  payload_refused_plain: t("the chat refused even the plain form"), attempts_exhausted: t("given up after many attempts"),
  outcome_unknown: t("sent so often without an answer that it was given up"), json: t("no JSON"), payload: t("not understood"),
  too_large: t("too large"),
};
const MOST = 200;
const items = new Map();

export async function loadLetters(changed) {
  const letters = (await ask("/api/v1/dead-letters")).dead_letters;
  const count = byId("letters-count");
  count.hidden = letters.length === 0;
  count.textContent = String(letters.length);
  byId("no-letters").hidden = letters.length > 0;
  const known = new Set(letters.map((letter) => letter.id));
  for (const id of items.keys()) if (!known.has(id)) items.delete(id);
  const list = letters.slice(0, MOST).map((letter) => {
    if (!items.has(letter.id)) items.set(letter.id, item(letter, changed));
    return items.get(letter.id);
  });
  const box = byId("letters");
  showAll(letters, changed);
  if (list.length !== box.children.length || list.some((each, place) => box.children[place] !== each)) box.replaceChildren(...list);
}

function showAll(letters, changed) {
  const box = byId("letters-all");
  box.hidden = letters.length < 2;
  if (box.dataset.count === String(letters.length)) return;
  box.dataset.count = String(letters.length);
  const each = (method, suffix) => async (button) => {
    button.disabled = true;
    // one after the other: a letter that cannot be replayed must not hold the others up
    for (const letter of letters) {
      await ask(`/api/v1/dead-letters/${encodeURIComponent(letter.id)}${suffix}`, { method }).catch(() => null);
    }
    delete box.dataset.count;
    changed();
  };
  box.replaceChildren(armed(t("Replay all {0}", letters.length), t("Replay all now?"), each("POST", "/replay")),
    armed(t("Drop all {0}", letters.length), t("Drop all for good?"), each("DELETE", "")));
}

function item(letter, changed) {
  const problem = element("p", { class: "problem", role: "alert", hidden: true });
  const payload = element("pre", { tabindex: "0", hidden: true });
  const path = `/api/v1/dead-letters/${encodeURIComponent(letter.id)}`;
  const act = async (button, target, method) => {
    button.disabled = true;
    problem.hidden = true;
    try {
      await ask(target, { method });
      changed();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
    button.disabled = false;
  };
  const show = element("button", { type: "button", "aria-expanded": "false" }, t("Show"));
  show.addEventListener("click", async () => {
    if (payload.hidden) payload.textContent = readable((await ask(path)).payload);
    payload.hidden = !payload.hidden;
    show.textContent = payload.hidden ? t("Show") : t("Hide");
    show.setAttribute("aria-expanded", String(!payload.hidden));
  });
  const replay = element("button", { type: "button" }, t("Replay"));
  replay.addEventListener("click", () => act(replay, `${path}/replay`, "POST"));
  return element("li", {},
    element("h2", {}, letter.kind === "ingest" ? t("Received, but not understood") : t("Not delivered to {0}", letter.channel)),
    element("p", { class: "soft" }, REASONS[letter.reason] || letter.reason, " · ", ago(letter.created_at),
      letter.attempts ? ` · ${letter.attempts === 1 ? t("1 attempt") : t("{0} attempts", letter.attempts)}` : "",
      ...(letter.incident_id ? [" · ", element("a", { href: `#${letter.incident_id}` }, t("the incident"))] : [])),
    element("p", { dir: "auto" }, letter.last_error || ""),
    element("p", { class: "actions" }, replay, show,
      armed(t("Drop"), t("Drop for good?"), (button) => act(button, path, "DELETE"))),
    problem, payload);
}

function readable(payload) {
  if (!payload) return t("(no payload: the message is made anew when it is sent)");
  try {
    return JSON.stringify(JSON.parse(payload), null, 2);
  } catch {
    return payload;
  }
}
