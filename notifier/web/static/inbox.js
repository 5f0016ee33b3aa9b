// Every text of an alert is set with textContent: labels and annotations come from strangers.
const PAGE = 50;
const RANKS = { critical: 4, page: 4, fatal: 4, emergency: 4, error: 3, high: 3, warning: 2, info: 1 };
const byId = (id) => document.getElementById(id);
const state = { phase: "", find: "", incidents: [], cursor: null, pages: 1, loading: false, again: false };

async function ask(path, options) {
  const response = await fetch(path, { headers: { Accept: "application/json" }, ...options });
  if (response.status === 401) {
    location.reload();
  }
  const document = await response.json();
  if (!response.ok) {
    throw new Error(document.error || `HTTP ${response.status}`);
  }
  return document;
}

async function load() {
  if (state.loading) {
    state.again = true;
    return;
  }
  state.loading = true;
  try {
    await Promise.all([loadIncidents(), loadLetters(), loadReady()]);
  } catch (error) {
    say(`cannot load: ${error.message}`, true);
  } finally {
    state.loading = false;
    if (state.again) {
      state.again = false;
      load();
    }
  }
}

async function loadIncidents() {
  const found = [];
  let cursor = null;
  for (let page = 0; page < state.pages; page += 1) {
    const query = new URLSearchParams({ limit: PAGE });
    if (state.phase) query.set("phase", state.phase);
    if (cursor) query.set("cursor", cursor);
    const answer = await ask(`/api/v1/incidents?${query}`);
    found.push(...answer.incidents);
    cursor = answer.next_cursor;
    if (!cursor) break;
  }
  state.incidents = found;
  state.cursor = cursor;
  showIncidents();
}

function showIncidents() {
  const wanted = state.find.toLowerCase();
  const shown = state.incidents.filter((each) => !wanted || JSON.stringify(each).toLowerCase().includes(wanted));
  const open = new Set([...document.querySelectorAll(".alerts[open]")].map((each) => each.dataset.id));
  byId("incidents").replaceChildren(...shown.map((each) => incidentCard(each, open.has(each.id))));
  byId("empty").hidden = state.incidents.length > 0;
  byId("more").hidden = !state.cursor;
  document.title = titleOf(state.incidents);
  focusLinked();
}

function titleOf(incidents) {
  const firing = incidents.filter((each) => each.phase === "firing").length;
  return `${firing ? `(${firing}) ` : ""}Inbox · WiltonOS notifier`;
}

function worst(incident) {
  const firing = incident.alerts.filter((each) => each.status === "firing");
  const all = firing.length ? firing : incident.alerts;
  const rank = (each) => RANKS[(each.labels.severity || "").toLowerCase()] ?? 2;
  return [...all].sort((a, b) => rank(b) - rank(a))[0];
}

function incidentCard(incident, open) {
  const card = byId("incident-template").content.firstElementChild.cloneNode(true);
  const part = (selector) => card.querySelector(selector);
  const lead = worst(incident);
  const severity = ((lead && lead.labels.severity) || "").toLowerCase();
  const rank = RANKS[severity] ?? 2;
  const over = incident.phase === "resolved";
  card.id = incident.id;
  card.classList.add(over ? "resolved" : rank >= 4 ? "critical" : rank >= 2 ? "warning" : "info");
  const said = severity ? severity[0].toUpperCase() + severity.slice(1) : "Firing";
  part(".badge").textContent = over ? "Resolved" : clean(said.slice(0, 20));
  const firing = incident.alerts.filter((each) => each.status === "firing").length;
  part("h2").textContent = clean((lead && (lead.annotations.summary || lead.labels.alertname)) || incident.group_keys[0]);
  part(".when").textContent = whenOf(incident, firing);
  part(".summary").textContent = clean(lead && lead.annotations.summary && lead.labels.alertname);
  part(".description").textContent = clean(lead && lead.annotations.description);
  showLabels(part(".labels"), incident.labels);
  showAlerts(part(".alerts"), incident, open);
  part(".deliveries").replaceChildren(...incident.deliveries.map(delivery));
  return card;
}

function whenOf(incident, firing) {
  const times = incident.resolved_at
    ? `${clock(incident.opened_at)} – ${clock(incident.resolved_at)}`
    : `since ${clock(incident.opened_at)}`;
  const alerts = `${firing} of ${incident.alerts.length} firing`;
  const flaps = incident.reopened ? ` · fired again ${incident.reopened}×` : "";
  const left = incident.truncated_alerts ? ` · ${incident.truncated_alerts} more left out by the sender` : "";
  return `${times} · ${alerts}${flaps}${left}`;
}

function showLabels(list, labels) {
  list.replaceChildren(...Object.entries(labels).map(([name, value]) => {
    const pair = document.createElement("div");
    pair.append(element("dt", name), element("dd", value));
    return pair;
  }));
}

function showAlerts(details, incident, open) {
  details.hidden = incident.alerts.length < 2;
  details.open = open;
  details.dataset.id = incident.id;
  details.querySelector("summary").textContent = `${incident.alerts.length} alerts`;
  details.querySelector("ul").replaceChildren(...incident.alerts.slice(0, 200).map((each) => {
    const name = each.annotations.summary || each.labels.alertname || each.fingerprint;
    const end = each.ends_at ? ` – ${clock(each.ends_at)}` : "";
    return element("li", `${each.status === "firing" ? "●" : "○"} ${name} · ${clock(each.starts_at)}${end}`);
  }));
}

function delivery(row) {
  const item = element("li", "");
  item.classList.add(row.state);
  const tried = row.state === "pending" && row.attempts ? `, ${row.attempts} failed` : "";
  const next = row.next_attempt_at && row.attempts ? `, next ${clock(row.next_attempt_at)}` : "";
  const error = row.last_error && row.state !== "delivered" ? `: ${row.last_error}` : "";
  item.textContent = clean(`${row.channel} ${row.state}${tried}${next}${error}`);
  return item;
}

async function loadLetters() {
  const letters = (await ask("/api/v1/dead-letters")).dead_letters;
  const open = new Map([...document.querySelectorAll(".letter pre:not([hidden])")]
    .map((each) => [each.closest(".letter").dataset.id, each.textContent]));
  byId("letters-section").hidden = letters.length === 0;
  byId("letters-count").textContent = `(${letters.length})`;
  byId("letters").replaceChildren(...letters.slice(0, 200).map((each) => letterCard(each, open.get(each.id))));
}

function letterCard(letter, shown) {
  const card = byId("letter-template").content.firstElementChild.cloneNode(true);
  const part = (selector) => card.querySelector(selector);
  card.dataset.id = letter.id;
  const where = letter.channel ? `to ${letter.channel}` : "received";
  part(".what").textContent = `${letter.kind} · ${where} · ${letter.reason} · ${clock(letter.created_at)}`;
  part(".error").textContent = clean(letter.last_error);
  const pre = part("pre");
  if (shown !== undefined) {
    pre.textContent = shown;
    pre.hidden = false;
  }
  part(".replay").onclick = (event) => act(event.target, `/api/v1/dead-letters/${letter.id}/replay`, "POST");
  part(".drop").onclick = (event) => act(event.target, `/api/v1/dead-letters/${letter.id}`, "DELETE");
  part(".show").onclick = async () => {
    const whole = await ask(`/api/v1/dead-letters/${letter.id}`);
    pre.textContent = whole.payload || "(no payload: the message is made anew when it is sent)";
    pre.hidden = !pre.hidden;
  };
  return card;
}

async function act(button, path, method) {
  button.disabled = true;
  try {
    await ask(path, { method });
  } catch (error) {
    button.closest(".letter").querySelector(".error").textContent = error.message;
    button.disabled = false;
    return;
  }
  await load();
}

async function loadReady() {
  const response = await fetch("/-/ready");
  const answer = await response.json();
  const problems = answer.degraded || [answer.error];
  byId("degraded").replaceChildren(...problems.map((each) => element("li", each)));
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = clean(text);
  return made;
}

// characters that turn the direction of writing can make a text say something else
function clean(text) {
  return String(text ?? "").replace(/[\u202a-\u202e\u2066-\u2069\u200e\u200f]/g, "\ufffd");
}

function clock(text) {
  const time = new Date(text);
  const today = time.toDateString() === new Date().toDateString();
  const options = today ? { timeStyle: "medium" } : { dateStyle: "short", timeStyle: "short" };
  return new Intl.DateTimeFormat(undefined, options).format(time);
}

function say(text, lost) {
  byId("link").textContent = text;
  byId("link").classList.toggle("lost", lost);
}

function focusLinked() {
  const linked = location.hash.length > 1 && byId(location.hash.slice(1));
  if (linked && linked.id !== state.linked) {
    state.linked = linked.id;
    linked.scrollIntoView({ block: "center" });
  }
}

function listen() {
  const events = new EventSource("/api/v1/events");
  events.onopen = () => {
    say("live", false);
    load();
  };
  events.onerror = () => say("the notifier does not answer; trying again", true);
  events.addEventListener("changed", load);
}

for (const button of document.querySelectorAll("nav button")) {
  button.onclick = () => {
    for (const each of document.querySelectorAll("nav button")) {
      each.setAttribute("aria-pressed", String(each === button));
    }
    state.phase = button.dataset.phase;
    state.pages = 1;
    load();
  };
}
byId("find").oninput = (event) => {
  state.find = event.target.value;
  showIncidents();
};
byId("more").onclick = () => {
  state.pages += 1;
  load();
};
load();
listen();
