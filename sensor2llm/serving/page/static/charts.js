// uPlot in the page's colours; each chart follows its container's width and the colour scheme.
/* global uPlot */
import { clock, css, make } from "./dom.js";

const HUES = [212, 28, 150, 330, 265, 185, 95, 0];
export const UNKNOWN = "unknown";
const charts = new Set();

export function labelColour(place) {
  const hue = place < HUES.length ? HUES[place] : (place * 137.5) % 360;
  return `hsl(${hue} 58% ${css("--light")})`;
}

export const channelColour = (place) => css(`--channel-${place % 5}`);

const axis = (more) => ({
  stroke: () => css("--soft"),
  grid: { stroke: () => css("--line"), width: 1 },
  ticks: { stroke: () => css("--line"), width: 1, size: 4 },
  font: "12px system-ui, sans-serif",
  ...more,
});

// `x.values` writes the ticks, `y` is the axis of the values, `hooks` draw beside them.
export function addChart(container, { height, x, y, series, data, range, hooks = {}, sync }) {
  const chart = new uPlot({
    width: Math.max(200, container.clientWidth),
    height,
    padding: [6, 12, x.show === false ? 8 : 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, ...(sync && { sync: { key: sync } }) },
    scales: { x: { time: false, ...(range && { range }) }, y: y.range ? { range: y.range } : {} },
    axes: [axis({ size: x.show === false ? 0 : 28, ...x }), axis({ size: 56, space: 26, ...y })],
    series: [{}, ...series],
    hooks,
  }, data, container);
  const watch = new ResizeObserver(() => chart.setSize({ width: Math.max(200, container.clientWidth), height }));
  watch.observe(container);
  const entry = { chart, remove: () => { watch.disconnect(); chart.destroy(); charts.delete(entry); } };
  charts.add(entry);
  return entry;
}

export const lines = (channels) => channels.map((_, place) => ({ stroke: () => channelColour(place), width: 1.25, points: { show: false } }));

// Name a sensor, its unit and its channels' colours: what a legend would say, as text.
export function caption(sensor) {
  const units = [...new Set(sensor.channels.map((channel) => channel.unit))].filter((unit) => unit && unit !== "1");
  const rate = sensor.rate_hz ? `, ${sensor.rate_hz} Hz` : "";
  const parts = sensor.channels.flatMap((channel, place) => {
    const line = make("span", { class: "line" });
    line.style.background = channelColour(place);
    line.dataset.channel = place;
    return [line, channel.name.replace(`${sensor.name}_`, "")];
  });
  return make("figcaption", {}, make("strong", { text: sensor.name }), ` in ${units.join(", ") || "its own unit"}${rate}`, ...parts);
}

export const seconds = (_, ticks) => ticks.map((tick) => (tick >= 1e8 ? clock(tick).slice(11) : `${+tick.toFixed(2)} s`));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const { chart } of charts) chart.redraw(false, true);
  for (const line of document.querySelectorAll("[data-channel]")) line.style.background = channelColour(+line.dataset.channel);
  for (const part of document.querySelectorAll("[data-label]")) part.style.background = labelColour(+part.dataset.label);
});
