import { byId, clock, duration, element } from "./dom.js";

// The server has escaped everything; what is not on this list is dropped all the same.
const TAGS = new Set(["DIV", "P", "H2", "B", "S", "A", "CODE", "MARK", "TIME", "SMALL"]);
const NAMES = { slack: "Slack", discord: "Discord" };
const KEPT = "wiltonos-look";

let chosen = localStorage.getItem(KEPT) === "discord" ? "discord" : "slack";

/** The message as a chat shows it, with a switch to the other chat. */
export function looks(incident) {
  const box = element("section", { "aria-label": "As it looks in the chats" });
  const show = (chat) => {
    chosen = chat;
    localStorage.setItem(KEPT, chat);
    box.replaceChildren(tabs(show), panel(incident, chat));
  };
  show(chosen);
  return box;
}

export function otherLook() {
  byId("detail").querySelector('.tabs [aria-selected="false"]')?.click();
}

function tabs(show) {
  return element("div", { class: "tabs", role: "tablist", "aria-label": "Chat" },
    Object.entries(NAMES).map(([chat, name]) => element("button", {
      type: "button", role: "tab", id: `tab-${chat}`, "aria-controls": "look",
      "aria-selected": String(chat === chosen), onclick: () => {
        show(chat);
        byId(`tab-${chat}`).focus();
      },
    }, name)));
}

function panel(incident, chat) {
  return element("div", { class: `look ${chat}`, id: "look", role: "tabpanel", "aria-labelledby": `tab-${chat}` },
    element("img", { class: "avatar", src: "/static/icon.svg", alt: "" }),
    element("p", { class: "sender" }, "WiltonOS", element("span", {}, "APP"),
      element("time", {}, clock(new Date(incident.since)))),
    message(incident.looks[chat]));
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
  if (node.dataset.since) timed(made, Number(node.dataset.since), (moment) => `${duration((Date.now() - moment) / 1000)} ago`);
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
