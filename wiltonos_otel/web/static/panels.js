// Meters and the table of loops. Rows are reused, so that bars move instead of jumping.
import { clock, phi } from "./format.js";
import { t } from "./words.js";

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function rail(...marks) {
  const track = element("div", "rail", element("div", "fill"));
  for (const percent of marks) {
    const mark = element("div", "mark");
    mark.style.setProperty("--at", `${percent}%`);
    track.append(mark);
  }
  return track;
}

// With a limit, zero is in the middle, the limit at a quarter and three quarters of the rail.
function draw(track, value, limit) {
  const share = value === null ? 0 : Math.min(1, Math.abs(value) / (limit === undefined ? 1 : 2 * limit));
  const size = limit === undefined ? share * 100 : share * 50;
  const from = limit === undefined ? 0 : value < 0 ? 50 - size : 50;
  track.firstChild.style.setProperty("--from", `${from}%`);
  track.firstChild.style.setProperty("--size", `${size}%`);
}

export function fillMeters(list, meters) {
  for (const { limit } of meters.slice(list.children.length)) {
    const track = limit === undefined ? rail() : rail(25, 50, 75);
    list.append(element("li", "", element("span", "label"), track, element("span", "value")));
  }
  meters.forEach(({ label, value, text, limit }, index) => {
    const item = list.children[index];
    item.classList.toggle("over", limit !== undefined && Math.abs(value ?? 0) > limit);
    item.children[0].textContent = label;
    draw(item.children[1], value, limit);
    item.children[2].textContent = text;
  });
}

function row() {
  const bar = element("div", "", rail(50), element("span", "value"));
  return element("tr", "", element("td", ""), element("td", ""), element("td", "star"), element("td", "bar", bar), element("td", ""));
}

function fillRow(made, loop, limit) {
  const [name, value, star, bar, collapses] = made.children;
  const stale = loop.phi === null;
  const over = !stale && loop.pressure > limit;
  made.classList.toggle("stale", stale);
  name.textContent = loop.name;
  if (stale && loop.time_ms !== null) name.append(element("small", "", t("no sample since {0}", clock(loop.time_ms))));
  value.textContent = phi(loop.phi);
  // stands in for the column of set-points where a phone has no room for it
  value.append(element("small", "narrow", `★ ${loop.phi_star}`));
  star.textContent = loop.phi_star;
  const [track, text] = bar.firstChild.children;
  // the middle of the rail is the limit
  track.firstChild.style.setProperty("--size", `${stale ? 0 : Math.min(1, loop.pressure / (2 * limit)) * 100}%`);
  track.firstChild.classList.toggle("over", over);
  text.classList.toggle("over", over);
  text.textContent = phi(loop.pressure);
  collapses.textContent = loop.collapses;
  if (loop.last_collapse_ms !== null) collapses.append(element("small", "", clock(loop.last_collapse_ms)));
}

export function fillLoops(now, limit, { table, rows, none, more }) {
  const { loops, loops_total: total } = now;
  table.hidden = loops.length === 0;
  none.hidden = loops.length > 0;
  more.hidden = total <= loops.length;
  more.textContent = t("{0} more, with less pressure", total - loops.length);
  while (rows.children.length < loops.length) rows.append(row());
  while (rows.children.length > loops.length) rows.lastChild.remove();
  loops.forEach((loop, index) => fillRow(rows.children[index], loop, limit));
}
