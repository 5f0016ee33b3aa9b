import { byId, clock, duration, element } from "./dom.js";
import { t } from "./words.js";

// The server has escaped everything; what is not on this list is dropped all the same.
const TAGS = new Set(["DIV", "P", "H2", "B", "S", "A", "CODE", "MARK", "TIME", "SMALL"]);
const NAMES = { slack: "Slack", discord: "Discord" };
const KEPT = "wiltonos-look";

const nameOf = (look) => look.channel || NAMES[look.chat];

/** The message as each channel shows it, made by what delivers it; one is seen, tabs lead to the others. */
export function looks(incident) {
  const box = element("section", { "aria-label": t("As it looks in the chats") });
  const show = (look) => box.replaceChildren(tabs(incident, look, choose), panel(incident, look), ...standing(incident, look));
  const choose = (look) => {
    localStorage.setItem(KEPT, nameOf(look));
    show(look);
    box.querySelector('[aria-selected="true"]').focus();
  };
  const kept = localStorage.getItem(KEPT);
  show(incident.looks.find((look) => nameOf(look) === kept) || incident.looks[0]);
  return box;
}

export function otherLook() {
  const all = [...byId("detail").querySelectorAll('.tabs [role="tab"]')];
  all[(all.findIndex((each) => each.ariaSelected === "true") + 1) % all.length]?.click();
}

function tabs(incident, shown, choose) {
  const all = incident.looks;
  const turn = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(all[(all.indexOf(shown) + step + all.length) % all.length]);
  };
  return element("div", { class: "tabs", role: "tablist", "aria-label": t("Channel"), onkeydown: turn },
    all.map((look, place) => element("button", {
      type: "button", role: "tab", id: `tab-${place}`, "aria-controls": "look", "aria-selected": String(look === shown),
      tabindex: look === shown ? "0" : "-1", onclick: () => choose(look),
    }, nameOf(look))));
}

function panel(incident, look) {
  return element("div", { class: `look ${look.chat}`, id: "look", role: "tabpanel", "aria-label": nameOf(look), lang: look.language },
    element("img", { class: "avatar", src: "/static/icon.svg", alt: "" }),
    element("p", { class: "sender" }, "WiltonOS", element("span", {}, "APP"),
      element("time", {}, clock(new Date(incident.since)))),
    message(look.html));
}

// What is drawn is what will be there; a chat that is behind shows something else.
function standing(incident, look) {
  const row = incident.deliveries.find((each) => each.channel === look.channel);
  if (!row || (row.state === "delivered" && row.revision === incident.revision)) return [];
  const words = row.state === "dead" ? t("This has not been delivered.")
    : row.revision ? t("This is on its way; the chat still shows an earlier state.") : t("This is on its way; the chat shows nothing yet.");
  return [element("p", { class: `note ${row.state}` }, words)];
}

function message(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
  return parsed ? copied(parsed) : element("p", {}, "");
}

function copied(node) {
  const made = element(node.tagName, { class: node.className || null });
  if (node.dataset.colour) made.dataset.colour = node.dataset.colour;
  if (node.tagName === "A") linked(made, node.getAttribute("href") || "");
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) made.append(child.data);
    else if (TAGS.has(child.tagName)) made.append(copied(child));
  }
  if (node.dataset.seconds) timed(made, Number(node.dataset.seconds), clock);
  if (node.dataset.since) timed(made, Number(node.dataset.since), (moment) => t("{0} ago", duration((Date.now() - moment) / 1000)));
  return made;
}

function linked(made, address) {
  if (!/^https?:\/\//.test(address)) return;
  made.href = address;
  if (made.origin !== location.origin) {
    made.target = "_blank";
    made.rel = "noreferrer noopener";
  }
}

function timed(made, seconds, say) {
  const moment = new Date(seconds * 1000);
  if (Number.isNaN(moment.getTime())) return;
  made.dateTime = moment.toISOString();
  made.textContent = say(moment);
}
