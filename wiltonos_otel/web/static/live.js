// The live page: reads /api/v1/phi once per connection, then one event a second.
import { Chart } from "./chart.js";
import { age, clock, duration, percent, phi, signed } from "./format.js";
import { fillMeters, fillLoops } from "./panels.js";

// events come each second: after so long without one the numbers say nothing about now
const LOST_AFTER_MS = 4000;
// the windows of Sustained-Good
const LABELS = { "5m": "5 min", "1h": "1 h", "24h": "24 h" };

const body = document.body;
const at = (id) => document.getElementById(id);
const chart = new Chart(at("chart"));
let policy = null;
let lastEvent = 0;
let lastContact = 0;

function state(now) {
  if (!now.ever_seen) return "waiting";
  if (now.phi === null) return "stale";
  if (now.now_ms - now.time_ms > policy.fresh_seconds * 1000) return "aging";
  return now.band === "in" ? "in" : "out";
}

function verdict(now, is) {
  const band = `${policy.band_low} – ${policy.band_high}`;
  if (is === "waiting") return "waiting for the first sample";
  if (is === "stale") return `no sample since ${clock(now.time_ms)}`;
  if (is === "aging") return `no sample for ${duration(now.now_ms - now.time_ms)}`;
  return is === "in" ? `in band ${band}` : `${now.band} the band ${band}`;
}

function show(now) {
  const is = state(now);
  body.dataset.state = is;
  at("phi").textContent = phi(now.phi);
  at("verdict").textContent = verdict(now, is);
  at("age").textContent = is === "waiting" || is === "aging" ? "\u00a0" : `last sample ${age(now.now_ms - now.time_ms)}`;
  at("simulated").hidden = !now.simulated;
  document.title = `${now.phi === null ? "–" : phi(now.phi)} Φ · WiltonOS`;
  showHint(now, is);
  fillMeters(at("derivatives"), policy.windows_seconds.map((seconds) => {
    const value = now.derivatives[`${seconds}s`] ?? null;
    return { label: duration(seconds * 1000), value, text: signed(value), limit: policy.rate };
  }));
  fillMeters(at("sustained"), Object.keys(LABELS).map((label) => {
    const value = now.sustained_good[label] ?? null;
    return { label: LABELS[label], value, text: percent(value) };
  }));
  fillLoops(now, policy.loop_pressure, { table: document.querySelector("table"), rows: at("loops"), none: at("no-loops"), more: at("more-loops") });
  showSource(now);
}

function showHint(now, is) {
  const hint = at("hint");
  hint.hidden = is !== "waiting";
  if (hint.hidden) return;
  const code = document.createElement("code");
  code.textContent = `${now.source.location}/quantum_state.json`;
  hint.replaceChildren("The page comes alive when a program writes ", code, ".");
}

function showSource(now) {
  const counts = Object.entries(now.source.errors).filter(([, count]) => count > 0);
  const refused = counts.map(([reason, count]) => `${count} × ${reason}`).join(", ");
  at("source").textContent = `${now.source.location}${refused ? ` · refused: ${refused}` : ""}`;
  const lines = [...now.source.problems];
  if (now.push?.failing) {
    lines.push(`push to ${now.push.target} fails: ${now.push.failing}; ${now.push.queued} waiting, ${now.push.lost} lost`);
  }
  at("problems").replaceChildren(...lines.map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
}

function linked(is, text) {
  body.dataset.link = is;
  at("link").textContent = text;
}

async function load() {
  const answer = await fetch("/api/v1/phi", { cache: "no-store" });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  const all = await answer.json();
  policy = all.policy;
  at("rate-limit").textContent = `±${policy.rate}`;
  at("pressure-limit").textContent = policy.loop_pressure;
  at("band-label").textContent = `band ${policy.band_low} – ${policy.band_high}`;
  chart.start(all.history, all.now_ms, policy);
  show(all);
}

function take(event) {
  const now = JSON.parse(event.data);
  lastEvent = performance.now();
  lastContact = Date.now();
  if (policy === null) return;
  linked("live", "live");
  chart.add(now.now_ms, now.point);
  show(now);
}

function watch() {
  const events = new EventSource("/api/v1/events");
  // what was missed between two connections is in the history
  events.onopen = () => load().catch(() => linked("lost", "reconnecting"));
  events.onmessage = take;
  events.onerror = () => {
    // a browser gives up for good when the answer was no stream
    if (events.readyState === EventSource.CLOSED) setTimeout(watch, 2000);
  };
}

setInterval(() => {
  if (lastEvent && performance.now() - lastEvent > LOST_AFTER_MS) {
    linked("lost", `no contact since ${clock(lastContact)}, reconnecting`);
    at("verdict").textContent = `no contact since ${clock(lastContact)}`;
  }
}, 500);

watch();
