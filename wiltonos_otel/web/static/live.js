// The live page: reads /api/v1/phi once per connection, then one event a second.
import { Chart } from "./chart.js";
import { age, clock, duration, percent, phi, signed } from "./format.js";
import { fillMeters, fillLoops } from "./panels.js";
import { t, translate } from "./words.js";

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
  if (is === "waiting") return t("waiting for the first sample");
  if (is === "stale") return t("no sample since {0}", clock(now.time_ms));
  if (is === "aging") return t("no sample for {0}", duration(now.now_ms - now.time_ms));
  if (is === "in") return t("in band {0}", band);
  return now.band === "above" ? t("above the band {0}", band) : t("below the band {0}", band);
}

function show(now) {
  const is = state(now);
  body.dataset.state = is;
  at("phi").textContent = phi(now.phi);
  at("verdict").textContent = verdict(now, is);
  at("age").textContent = is === "waiting" || is === "aging" ? "\u00a0" : t("last sample {0}", age(now.now_ms - now.time_ms));
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
  hint.replaceChildren(t("The page comes alive when a program writes"), " ", code, ".");
}

function showSource(now) {
  const counts = Object.entries(now.source.errors).filter(([, count]) => count > 0);
  const refused = counts.map(([reason, count]) => `${count} × ${reason}`).join(", ");
  at("source").textContent = `${now.source.location}${refused ? ` · ${t("refused: {0}", refused)}` : ""}`;
  const lines = [...now.source.problems];
  if (now.push?.failing) {
    lines.push(t("push to {0} fails: {1}; {2} waiting, {3} lost", now.push.target, now.push.failing, now.push.queued, now.push.lost));
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
  at("band-label").textContent = t("band {0} – {1}", policy.band_low, policy.band_high);
  chart.start(all.history, all.now_ms, policy);
  show(all);
}

function take(event) {
  const now = JSON.parse(event.data);
  lastEvent = performance.now();
  lastContact = Date.now();
  if (policy === null) return;
  linked("live", t("live"));
  chart.add(now.now_ms, now.point);
  show(now);
}

function watch() {
  const events = new EventSource("/api/v1/events");
  // what was missed between two connections is in the history
  events.onopen = () => load().catch(() => linked("lost", t("reconnecting")));
  events.onmessage = take;
  events.onerror = () => {
    // a browser gives up for good when the answer was no stream
    if (events.readyState === EventSource.CLOSED) setTimeout(watch, 2000);
  };
}

setInterval(() => {
  if (lastEvent && performance.now() - lastEvent > LOST_AFTER_MS) {
    linked("lost", t("no contact since {0}, reconnecting", clock(lastContact)));
    at("verdict").textContent = t("no contact since {0}", clock(lastContact));
  }
}, 500);

translate();
watch();
