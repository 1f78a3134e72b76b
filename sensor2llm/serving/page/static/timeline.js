// A recording along its time: a label a window with its certainty, and the signals below.
import { addChart, caption, labelColour, lines, seconds, UNKNOWN } from "./charts.js";
import { clock, css, find, make, percent } from "./dom.js";

const SYNC = "recording";

export class Timeline {
  // `onPick` is given the place of the window that is picked, `onEnter` is done by the Enter key.
  constructor(onPick, onEnter) {
    this.root = find("timeline");
    this.onPick = onPick;
    this.entries = [];
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Enter") return event.preventDefault(), onEnter();
      if (this.move(event.key)) event.preventDefault();
    });
    find("zoom-in").addEventListener("click", () => this.zoom(0.5));
    find("zoom-out").addEventListener("click", () => this.zoom(2));
    find("zoom-all").addEventListener("click", () => this.zoom(Infinity));
  }

  clear() {
    for (const entry of this.entries) entry.remove();
    this.entries = [];
    find("signals").replaceChildren();
  }

  show(rows, outline, labels) {
    this.clear();
    Object.assign(this, { rows, outline, labels, picked: 0 });
    const { starts, length } = outline;
    this.whole = [starts[0], starts.at(-1) + length];
    this.view = [...this.whole];
    this.root.setAttribute("aria-valuemax", rows.length);
    const x = { values: outline.axis === "s" ? seconds : (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? `no. ${tick}` : "")) };
    this.add(this.root, {
      height: 132, x,
      y: { range: [-0.3, 1.2], splits: [0, 0.5, 1], values: (_, ticks) => ticks.map(percent) },
      series: [{ paths: () => null, points: { show: false } }],
      data: [starts, rows.map((row) => row.probability)],
      hooks: { draw: [(chart) => this.drawLabels(chart), (chart) => this.drawPicked(chart)] },
    });
    const last = outline.signals.length - 1;
    outline.signals.forEach((sensor, place) => {
      const box = make("figure", {});
      const names = sensor.channels.map((channel) => channel.name).join(", ");
      const plot = make("div", { role: "img", "aria-label": `${sensor.name} over the recording: ${names}` });
      box.append(caption(sensor), plot);
      find("signals").append(box);
      this.add(plot, {
        height: place === last ? 128 : 100, x: place === last ? x : { show: false }, y: {},
        series: lines(sensor.channels), data: [sensor.at, ...sensor.values],
        hooks: { drawClear: [(chart) => this.drawPicked(chart)] },
      });
    });
    this.pick(0);
  }

  add(container, options) {
    const entry = addChart(container, { ...options, range: () => this.view, sync: SYNC });
    entry.chart.over.addEventListener("click", (event) => {
      const left = event.clientX - entry.chart.over.getBoundingClientRect().left;
      this.pick(this.at(entry.chart.posToVal(left, "x")));
    });
    this.entries.push(entry);
  }

  // Give the place of the window that a point in time is in, or the nearest before it.
  at(value) {
    const { starts } = this.outline;
    let low = 0;
    for (let high = starts.length; high - low > 1;) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= value) low = middle; else high = middle;
    }
    return low;
  }

  move(key) {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
    if (key === "+" || key === "-") return this.zoom(key === "+" ? 0.5 : 2), true;
    if (!(key in steps)) return false;
    this.pick(Math.min(this.rows.length - 1, Math.max(0, this.picked + steps[key])));
    return true;
  }

  zoom(factor) {
    const { starts, length } = this.outline;
    const span = Math.min(this.whole[1] - this.whole[0], Math.max(4 * length, (this.view[1] - this.view[0]) * factor));
    this.lookAt(starts[this.picked] + length / 2, span);
  }

  lookAt(centre, span) {
    const from = Math.max(this.whole[0], Math.min(this.whole[1] - span, centre - span / 2));
    this.view = [from, Math.min(this.whole[1], from + span)];
    for (const { chart } of this.entries) chart.setScale("x", { min: this.view[0], max: this.view[1] });
  }

  pick(place) {
    this.picked = place;
    const start = this.outline.starts[place], end = start + this.outline.length;
    if (start < this.view[0] || end > this.view[1]) this.lookAt((start + end) / 2, this.view[1] - this.view[0]);
    this.root.setAttribute("aria-valuenow", place + 1);
    this.root.setAttribute("aria-valuetext", `${place + 1} of ${this.rows.length}, ${this.title(place)}`);
    for (const { chart } of this.entries) chart.redraw(false, false);
    this.onPick(place);
  }

  // "2.56 to 5.12 s: walking, 99 %"
  title(place) {
    const row = this.rows[place];
    const { axis, starts, length } = this.outline;
    const when = axis === "s" ? `${clock(starts[place])} to ${clock(starts[place] + length)}: ` : "";
    const unlike = row.unlike ? ", unlike training" : "";
    if (row.label === UNKNOWN) return `${when}unknown${unlike}`;
    return `${when}${row.label}, ${percent(row.probability)}${unlike}`;
  }

  drawPicked({ ctx, bbox, valToPos }) {
    const { starts, length } = this.outline;
    const [from, to] = [starts[this.picked], starts[this.picked] + length].map((value) => valToPos(value, "x", true));
    const left = Math.max(bbox.left, from), right = Math.min(bbox.left + bbox.width, to);
    if (right <= left) return;
    ctx.save();
    ctx.fillStyle = css("--pick");
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.strokeStyle = css("--accent");
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.strokeRect(left, bbox.top, right - left, bbox.height);
    ctx.restore();
  }

  drawLabels({ ctx, bbox, valToPos }) {
    const { starts, length } = this.outline;
    const [zero, one] = [0, 1].map((value) => valToPos(value, "y", true));
    const hatching = hatch(ctx);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    let run = 0;
    this.rows.forEach((row, place) => {
      const from = valToPos(starts[place], "x", true), to = valToPos(starts[place] + length, "x", true);
      const gap = to - from > 6 ? 1 : 0, top = zero + (one - zero) * row.probability;
      ctx.fillStyle = row.label === UNKNOWN ? hatching : labelColour(this.labels.indexOf(row.label));
      ctx.fillRect(from, top, Math.max(1, to - from - gap), zero - top);
      if (row.unlike) {
        ctx.fillStyle = css("--warn");
        ctx.beginPath();
        ctx.arc((from + to) / 2, one - 7 * devicePixelRatio, Math.min(4 * devicePixelRatio, Math.max(1, (to - from) / 2)), 0, 7);
        ctx.fill();
      }
      if (place + 1 === this.rows.length || this.rows[place + 1].label !== row.label) {
        this.drawName(ctx, row.label, valToPos(starts[run], "x", true), to, zero, bbox);
        run = place + 1;
      }
    });
    ctx.restore();
  }

  // Write a run's label below its windows, where it fits.
  drawName(ctx, label, from, to, zero, bbox) {
    const left = Math.max(from, bbox.left), right = Math.min(to, bbox.left + bbox.width);
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillStyle = css("--ink");
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    if (ctx.measureText(label).width < right - left - 4) ctx.fillText(label, (left + right) / 2, zero + 4 * devicePixelRatio);
  }
}

function hatch(ctx) {
  const tile = make("canvas", { width: 8, height: 8 });
  const pen = tile.getContext("2d");
  pen.strokeStyle = css("--soft");
  pen.lineWidth = 2;
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
  }
  pen.stroke();
  return ctx.createPattern(tile, "repeat");
}
