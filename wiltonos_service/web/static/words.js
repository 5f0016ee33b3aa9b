// A page speaks its reader's language: the first of the browser's in which there are words.
const wanted = navigator.languages.map((each) => each.slice(0, 2).toLowerCase());
export const LANGUAGE = wanted.find((each) => each === "en" || each === "pt") === "pt" ? "pt-BR" : "en";

const ATTRIBUTES = ["aria-label", "placeholder", "title"];

/** What a page says, named by its English words; `portuguese` has the others, {0} stands for a value. */
export function speaker(portuguese) {
  const words = LANGUAGE === "en" ? {} : portuguese;
  const t = (english, ...values) => (words[english] ?? english).replace(/\{(\d)\}/g, (_, place) => values[place]);
  return { t, translate: () => translated(t) };
}

// only what the page was served with: whatever a stranger wrote comes later, and stays as it is
function translated(t) {
  document.documentElement.lang = LANGUAGE;
  if (LANGUAGE === "en") return;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    const english = node.data.trim();
    if (english) node.data = node.data.replace(english, () => t(english));
  }
  for (const name of ATTRIBUTES) {
    for (const each of document.body.querySelectorAll(`[${name}]`)) each.setAttribute(name, t(each.getAttribute(name)));
  }
}
