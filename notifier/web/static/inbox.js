import { ask } from "./api.js";
import { ring, wireBell } from "./bell.js";
import { showDetail, showNoDetail } from "./detail.js";
import { byId, clock, element, tick } from "./dom.js";
import { wireKeys } from "./keys.js";
import { loadLetters } from "./letters.js";
import { mark, neighbour, showEmpty, showRows } from "./list.js";
import { loadSilences, wireForms } from "./silences.js";
import { t, translate } from "./words.js";

const PAGE = 50;
const VIEWS = ["inbox", "dead-letters", "silences"];
const narrow = matchMedia("(max-width: 52rem)");
const state = { firing: 0, pages: 1, selected: "", loading: false, again: false, rows: [], seen: null };

const linked = () => {
  const hash = decodeURIComponent(location.hash.slice(1));
  return hash === "" || VIEWS.includes(hash) || hash.startsWith("token=") ? "" : hash;
};

async function load() {
  if (state.loading) {
    state.again = true;
    return;
  }
  state.loading = true;
  try {
    const told = (error) => say("lost", error.message);
    await Promise.all([loadRows().catch(told), loadLetters(load).catch(told), loadSilences(load).catch(told), loadReady().catch(told)]);
  } finally {
    state.loading = false;
    if (state.again) {
      state.again = false;
      load();
    }
  }
}

function filters() {
  const given = new FormData(byId("filters"));
  return Object.fromEntries([...given].filter(([, value]) => value.trim() !== ""));
}

async function loadRows() {
  const wanted = filters();
  const rows = [];
  let cursor = null;
  let answer;
  for (let page = 0; page < state.pages; page += 1) {
    const query = new URLSearchParams({ limit: PAGE, ...wanted, ...(cursor ? { cursor } : {}) });
    answer = await ask(`/api/v1/inbox?${query}`);
    rows.push(...answer.incidents);
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  if (JSON.stringify(filters()) !== JSON.stringify(wanted)) {
    state.again = true;
    return;
  }
  state.rows = rows;
  const filtered = Object.keys(wanted).length > 0;
  if (!filtered) ring(rows);
  const count = byId("firing-count");
  count.textContent = String(answer.firing);
  count.hidden = answer.firing === 0;
  state.firing = answer.firing;
  entitle();
  byId("empty").hidden = rows.length > 0;
  if (rows.length === 0) showEmpty(filtered, answer);
  byId("more").hidden = !cursor;
  byId("more").textContent = rows.length === 0 ? t("Look further back") : t("Show older ones");
  byId("bell").dataset.channels = String(answer.channels.length);
  await select();
  showRows(rows, state.selected);
}

async function select() {
  const asked = linked();
  state.selected = asked || (narrow.matches ? "" : state.rows.find((each) => each.id === state.selected)?.id || state.rows[0]?.id || "");
  byId("inbox").classList.toggle("reading", asked !== "");
  mark(state.selected);
  if (!state.selected) {
    showNoDetail("");
    return;
  }
  const wanted = state.selected;
  try {
    const incident = await ask(`/api/v1/inbox/${encodeURIComponent(wanted)}`);
    if (wanted === state.selected) showDetail(incident);
  } catch (error) {
    if (wanted === state.selected) showNoDetail(error.message);
  }
}

function entitle() {
  const view = document.querySelector(`nav a[data-view="${document.body.dataset.view}"]`);
  document.title = `${state.firing ? `(${state.firing}) ` : ""}${view.firstChild.data.trim()} · WiltonOS ${t("notifier")}`;
}

function route() {
  const hash = location.hash.slice(1);
  const view = VIEWS.includes(hash) ? hash : "inbox";
  document.body.dataset.view = view;
  for (const each of VIEWS) byId(each).hidden = each !== view;
  for (const link of document.querySelectorAll("nav a[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  entitle();
  if (view === "inbox") return select();
  return undefined;
}

async function loadReady() {
  const answer = await (await fetch("/-/ready")).json();
  const problems = answer.degraded || [answer.error];
  byId("degraded").replaceChildren(...problems.map((each) => element("li", {}, each)));
}

function say(link, words) {
  document.body.dataset.link = link;
  byId("link").textContent = words;
}

function listen() {
  let lost = null;
  const events = new EventSource("/api/v1/events");
  events.addEventListener("open", () => {
    lost = null;
    say("live", t("live"));
    load();
  });
  events.addEventListener("error", () => {
    lost ??= new Date();
    say("lost", t("no contact since {0}, trying again", clock(lost)));
    // a stream that was refused for good is not tried again by the browser
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
  events.addEventListener("changed", load);
}

function go(id, { replace = false } = {}) {
  if (!id) return;
  if (replace) history.replaceState(null, "", `#${id}`);
  else location.hash = id;
  route();
}

function refilter() {
  state.pages = 1;
  load();
}

translate();
wireForms(load);
wireBell();
wireKeys({
  move: (step) => {
    if (document.body.dataset.view !== "inbox") return;
    const id = neighbour(state.selected, step);
    if (!id) return;
    go(id, { replace: true });
    document.querySelector(`#rows li[data-id="${CSS.escape(id)}"] a`)?.focus();
  },
  enter: () => {
    if (document.body.dataset.view !== "inbox" || !state.selected) return;
    go(state.selected);
    byId("detail").focus();
  },
  leave: () => {
    go("inbox", { replace: true });
    document.querySelector(`#rows li[data-id="${CSS.escape(state.selected)}"] a`)?.focus();
  },
});
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("change", refilter);
let typing = null;
byId("find").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(refilter, 200);
});
byId("more").addEventListener("click", () => {
  state.pages += 1;
  load();
});
byId("signin-cancel").addEventListener("click", () => byId("signin-dialog").close());
document.addEventListener("signed-in", load);
addEventListener("hashchange", route);
narrow.addEventListener("change", route);
setInterval(tick, 15_000);
route();
listen();
