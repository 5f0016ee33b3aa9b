import { t } from "./words.js";

// Texts of alerts come from strangers: they become text nodes, never markup.
export const byId = (id) => document.getElementById(id);

/** An element with properties, data and children; strings become text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") made.className = value;
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== ""));
  return made;
}

const today = (moment) => moment.toDateString() === new Date().toDateString();
const short = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const long = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export function clock(moment) {
  return (today(moment) ? short : long).format(moment);
}

const UNITS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"]];

/** Two units at most, as the messages say it: 45 s, 4 min, 1 h 5 min, 2 d 3 h. */
export function duration(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  for (const [size, unit, minor, name] of UNITS) {
    if (whole >= size) {
      const rest = Math.floor((whole % size) / minor);
      return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${name}` : ""}`;
    }
  }
  return whole >= 60 ? `${Math.floor(whole / 60)} min` : `${whole} s`;
}

/** A moment, shown as the clock says it. */
export function at(text) {
  const moment = new Date(text);
  return element("time", { datetime: text, title: exact.format(moment) }, clock(moment));
}

/** A moment, shown as how long ago it was; kept true by `tick`. */
export function ago(text) {
  const made = element("time", { datetime: text, title: exact.format(new Date(text)), data: { ago: "" } });
  made.textContent = said(made);
  return made;
}

/** How long it has lasted since a moment; kept true by `tick`. */
export function lasting(text) {
  const made = ago(text);
  made.dataset.ago = "lasting";
  made.textContent = said(made);
  return made;
}

function said(time) {
  const seconds = (Date.now() - new Date(time.dateTime)) / 1000;
  if (time.dataset.ago === "lasting") return duration(seconds);
  return seconds < 0 ? t("in {0}", duration(-seconds)) : t("{0} ago", duration(seconds));
}

export function tick() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const now = said(time);
    if (time.textContent !== now) time.textContent = now;
  }
}

/** A button that asks once more before it does something that cannot be undone. */
export function armed(label, question, act) {
  const button = element("button", { type: "button" }, label);
  let timer = null;
  button.addEventListener("click", () => {
    if (timer) {
      clearTimeout(timer);
      act(button);
      return;
    }
    button.textContent = question;
    timer = setTimeout(() => {
      timer = null;
      button.textContent = label;
    }, 4000);
  });
  return button;
}
