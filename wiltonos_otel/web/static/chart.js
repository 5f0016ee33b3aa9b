// Ten minutes of Φ with the band drawn behind it (uPlot).
const SPAN_S = 600;

export class Chart {
  constructor(box) {
    this.box = box;
    this.times = [];
    this.values = [];
    this.plot = null;
    this.policy = null;
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(box);
    // the canvas does not follow the stylesheet by itself
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
  }

  start(history, nowMs, policy) {
    this.policy = policy;
    this.now = nowMs / 1000;
    this.times = history.map(([ms]) => ms / 1000);
    this.values = history.map(([, value]) => value);
    this.build();
  }

  // The point is what the moment adds, or null; the axis moves either way.
  add(nowMs, point) {
    this.now = nowMs / 1000;
    if (point !== null) this.append(point[0] / 1000, point[1]);
    while (this.times.length && this.times[0] < this.now - SPAN_S) {
      this.times.shift();
      this.values.shift();
    }
    this.plot?.setData([this.times, this.values]);
  }

  append(time, value) {
    while (this.times.length && this.times.at(-1) >= time) {
      this.times.pop();
      this.values.pop();
    }
    this.times.push(time);
    this.values.push(value);
  }

  size() {
    return { width: this.box.clientWidth, height: this.box.clientHeight };
  }

  build() {
    if (this.policy === null) return;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), [this.times, this.values], this.box);
  }

  options() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--soft"), ticks: { show: false }, font: "12px system-ui" };
    return {
      ...this.size(),
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 20, 0, 0],
      scales: { x: { range: () => this.xRange() }, y: { range: (_, low, high) => this.yRange(low, high) } },
      axes: [
        { ...axis, grid: { show: false }, values: "{HH}:{mm}", space: 80, size: 28 },
        // steps that two places can name
        { ...axis, grid: { stroke: colour("--line"), width: 1 }, size: 48, incrs: [.01, .02, .05, .1, .2, .5], values: (_, ticks) => ticks.map((tick) => tick.toFixed(2)) },
      ],
      series: [{}, { stroke: colour("--trace"), width: 1.75, points: { show: false }, spanGaps: false }],
      hooks: { drawClear: [(plot) => this.drawBand(plot, colour("--good-wash"), colour("--good"))] },
    };
  }

  xRange() {
    return [this.now - SPAN_S, this.now];
  }

  yRange(low, high) {
    const { band_low: bandLow, band_high: bandHigh } = this.policy;
    const room = (bandHigh - bandLow) / 2;
    return [Math.max(0, Math.min(low ?? 1, bandLow) - room), Math.min(1, Math.max(high ?? 0, bandHigh) + room)];
  }

  drawBand(plot, wash, line) {
    const { ctx, bbox } = plot;
    const y = (value) => plot.valToPos(value, "y", true);
    ctx.save();
    ctx.fillStyle = wash;
    ctx.fillRect(bbox.left, y(this.policy.band_high), bbox.width, y(this.policy.band_low) - y(this.policy.band_high));
    ctx.strokeStyle = line;
    ctx.setLineDash([4, 6]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y(this.policy.target));
    ctx.lineTo(bbox.left + bbox.width, y(this.policy.target));
    ctx.stroke();
    ctx.restore();
  }
}
