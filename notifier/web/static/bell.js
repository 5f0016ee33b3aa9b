import { byId } from "./dom.js";
import { t } from "./words.js";

const KEPT = "wiltonos-bell";
let known = null;

/** Lets this page ring like a chat, for whoever asks for it. */
export function wireBell() {
  const bell = byId("bell");
  if (!("Notification" in window)) return;
  const on = () => Notification.permission === "granted" && localStorage.getItem(KEPT) === "on";
  const show = () => {
    bell.setAttribute("aria-pressed", String(on()));
    bell.textContent = on() ? t("Notifies you here") : t("Notify me here");
  };
  bell.hidden = Notification.permission === "denied";
  bell.addEventListener("click", async () => {
    const wanted = !on() && (await Notification.requestPermission()) === "granted";
    localStorage.setItem(KEPT, wanted ? "on" : "off");
    show();
  });
  show();
}

/** Rings for what fires and was not there before. */
export function ring(incidents) {
  const firing = incidents.filter((each) => each.phase === "firing" && !each.quiet);
  const fresh = known === null ? [] : firing.filter((each) => !known.has(each.id));
  known = new Set([...(known || []), ...firing.map((each) => each.id)]);
  for (const each of incidents) if (each.phase === "resolved") known.delete(each.id);
  if (byId("bell").getAttribute("aria-pressed") !== "true") return;
  for (const each of fresh.slice(0, 3)) {
    const where = each.where.map((pair) => pair[1]).join(" · ");
    const note = new Notification(each.title, { body: where, tag: each.id, icon: "/static/icon.svg" });
    note.addEventListener("click", () => {
      window.focus();
      location.hash = each.id;
    });
  }
}
