// Meters and the table of loops. Rows are reused, so that bars move instead of jumping.
import { clock, phi } from "./format.js";

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function rail() {
  return element("div", "rail", element("div", "fill"), element("div", "mark"));
}

// Draws a value on a rail. With a limit zero is in the middle and the ends are ± twice the limit.
function draw(track, value, limit) {
  const [fill, mark] = track.children;
  mark.hidden = limit === undefined;
  const share = value === null ? 0 : Math.min(1, Math.abs(value) / (limit === undefined ? 1 : 2 * limit));
  const size = limit === undefined ? share * 100 : share * 50;
  const from = limit === undefined ? 0 : value < 0 ? 50 - size : 50;
  fill.style.setProperty("--from", `${from}%`);
  fill.style.setProperty("--size", `${size}%`);
}

export function fillMeters(list, meters) {
  while (list.children.length < meters.length) {
    list.append(element("li", "", element("span", "label"), rail(), element("span", "value")));
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
  const bar = element("div", "", rail(), element("span", "value"));
  bar.firstChild.lastChild.style.setProperty("--at", "50%");
  return element("tr", "", element("td", ""), element("td", ""), element("td", ""), element("td", "bar", bar), element("td", ""));
}

function fillRow(made, loop, limit) {
  const [name, value, star, bar, collapses] = made.children;
  const stale = loop.phi === null;
  const over = !stale && loop.pressure > limit;
  made.classList.toggle("stale", stale);
  name.textContent = loop.name;
  if (stale && loop.time_ms !== null) name.append(element("small", "", `no sample since ${clock(loop.time_ms)}`));
  value.textContent = phi(loop.phi);
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
  more.textContent = `${total - loops.length} more, with less pressure`;
  while (rows.children.length < loops.length) rows.append(row());
  while (rows.children.length > loops.length) rows.lastChild.remove();
  loops.forEach((loop, index) => fillRow(rows.children[index], loop, limit));
}
