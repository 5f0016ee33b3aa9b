import { byId } from "./dom.js";
import { otherLook } from "./look.js";
import { pressQuiet } from "./silences.js";

/** Wires the keyboard; `move(step)`, `enter()` and `leave()` change what is selected. */
export function wireKeys({ move, enter, leave }) {
  const keys = {
    j: () => move(1), k: () => move(-1), "/": () => byId("find").focus(), "?": () => byId("keys").showModal(),
    c: otherLook, a: () => pressQuiet("acknowledge"), s: () => pressQuiet("silence"), u: () => pressQuiet("undo"),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Escape") {
      typing?.blur();
      leave();
    } else if (!typing && event.key === "Enter" && !event.target.closest("a:not(.row), button, summary")) {
      enter();
      event.preventDefault();
    } else if (!typing && keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });
  byId("help").addEventListener("click", keys["?"]);
}
