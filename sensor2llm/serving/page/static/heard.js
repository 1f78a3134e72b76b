// One window: how likely each label is, what the adapter heard, and what was measured.
import { addChart, caption, labelColour, lines, seconds, UNKNOWN } from "./charts.js";
import { find, make, percent } from "./dom.js";

let charts = [];

export function clearWindow() {
  for (const chart of charts) chart.remove();
  charts = [];
  for (const id of ["heard", "facts", "numbers-content", "chances"]) find(id).replaceChildren();
  find("numbers").open = false;
}

export function showChances(row, labels) {
  const order = labels.map((label, place) => [label, row[`p_${label}`], place]).sort((a, b) => b[1] - a[1]);
  const items = order.slice(0, 8).map(([label, share, place]) => {
    const bar = make("span", { "data-label": place });
    bar.style.width = `${100 * share}%`;
    bar.style.background = labelColour(place);
    return make("li", {}, make("span", { text: label }), make("span", { class: "bar", "aria-hidden": "true" }, bar),
      make("span", { class: "share", text: percent(share) }));
  });
  find("chances").replaceChildren(...items);
  find("unlike").hidden = !row.unlike && row.label !== UNKNOWN;
  const why = row.unlike ? `Unlike training: ${row.unlike}. The label means little.` : "Not sure enough: more of such labels would be wrong than this server takes.";
  find("unlike").textContent = why;
}

export function showHeard(heard) {
  clearCharts();
  for (const sensor of heard.signals) sensor.axis === "none" ? addValues(sensor) : addPlot(sensor, heard.start_s);
  if (heard.missing.length) find("heard").append(make("p", { class: "quiet", text: `Not in this recording: ${heard.missing.join(", ")}.` }));
  find("facts").replaceChildren(...facts(heard.facts));
  const numbers = find("numbers");
  numbers.ontoggle = () => numbers.open && find("numbers-content").replaceChildren(...heard.signals.map(table));
  if (numbers.open) numbers.ontoggle();
}

function clearCharts() {
  for (const chart of charts) chart.remove();
  charts = [];
  find("heard").replaceChildren();
}

function addPlot(sensor, start) {
  const at = sensor.values[0].map((_, step) => (sensor.rate_hz ? start + step / sensor.rate_hz : step + 1));
  const plot = make("div", { role: "img", "aria-label": `${sensor.name} of this window: ${sensor.channels.map((channel) => channel.name).join(", ")}` });
  find("heard").append(make("figure", {}, caption(sensor), plot));
  charts.push(addChart(plot, { height: 120, x: sensor.rate_hz ? { values: seconds } : {}, y: {}, series: lines(sensor.channels), data: [at, ...sensor.values] }));
}

function addValues(sensor) {
  const values = sensor.channels.map(({ name, unit }, place) => `${name} ${sensor.values[place][0] ?? "missing"} ${unit}`);
  find("heard").append(make("p", {}, make("strong", { text: sensor.name }), `: ${values.join(", ")}`));
}

function facts(list) {
  const sensors = [...new Set(list.map((fact) => fact.sensor))];
  return sensors.map((sensor) => make("div", { class: "facts" }, make("h3", { text: sensor }),
    make("ul", {}, ...list.filter((fact) => fact.sensor === sensor)
      .map((fact) => make("li", { text: fact.text.replace(`${sensor}: `, "").replaceAll(`${sensor}_`, "") })))));
}

function table(sensor) {
  const head = ["step", ...sensor.channels.map(({ name, unit }) => (unit ? `${name} (${unit})` : name))];
  const body = sensor.values[0].map((_, step) => make("tr", {}, make("th", { scope: "row", text: step + 1 }),
    ...sensor.values.map((values) => make("td", { text: values[step] ?? "missing" }))));
  return make("table", {}, make("caption", { text: sensor.name }),
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col", text })))), make("tbody", {}, ...body));
}
