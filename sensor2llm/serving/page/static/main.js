// The page: a file or a recording goes in, labels and answers come out; a reload forgets everything.
import { Asking } from "./asking.js";
import { labelColour, UNKNOWN } from "./charts.js";
import { find, make } from "./dom.js";
import { clearWindow, showChances, showHeard } from "./heard.js";
import { hearsMotion, record, whyNot } from "./phone.js";
import { classify, forget, listModels, ServerError, showWindow, simulated, upload, useKey } from "./server.js";
import { download, markRow, showTable } from "./table.js";
import { Timeline } from "./timeline.js";

const POINTS = 4000, PAUSE_MS = 120;
const SIMULATED = ["body_acc", "body_gyro", "total_acc"];
let adapters = [], recording = null, stopRecording = null, round = 0, pause;

const adapter = () => adapters.find((one) => one.name === find("adapter").value);
const sensorPart = (place) => ({ type: "sensor", file_id: recording.id, number: place + 1, ...(recording.units && { units: recording.units }) });
const timeline = new Timeline(pickWindow, () => find("question").focus());
const asking = new Asking(() => ({
  model: adapter().name, part: sensorPart(timeline.picked), title: `Window ${timeline.picked + 1}`,
  label: recording.rows[timeline.picked].label,
}), showError);

function showError(text) {
  find("error").hidden = !text;
  find("error").textContent = text;
  if (text) find("error").scrollIntoView({ block: "nearest" });
}

// Errors of the server and of the sensors are the person's to read; others are ours.
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TypeError || error instanceof ReferenceError) throw error;
    find("status").textContent = "";
    showError(error.message);
  }
}

async function begin() {
  try {
    adapters = await listModels();
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    const wants_key = error.status === 401;
    find("key").hidden = !wants_key;
    showError(wants_key && !find("key-value").value ? "" : error.message);
    return;
  }
  showError("");
  find("key").hidden = true;
  find("start").hidden = false;
  find("adapter").replaceChildren(...adapters.map(({ name }) => make("option", { value: name, text: name })));
  find("adapter").disabled = adapters.length < 2;
  describeAdapter();
}

function describeAdapter() {
  const one = adapter(), why = whyNot(one), table = make("table", {}, make("thead", {}, make("tr", {},
    ...["sensor", "channels", "unit", "rate"].map((text) => make("th", { scope: "col", text })))));
  const body = make("tbody", {}, ...one.sensors.map((sensor) => make("tr", {}, make("th", { scope: "row", text: sensor.name }),
    make("td", { text: sensor.channels.join(", ") }), make("td", { text: [...new Set(sensor.units)].join(", ") }),
    make("td", { text: sensor.rate_hz ? `${sensor.rate_hz} Hz` : `one ${sensor.axis === "event" ? "an event" : "a row"}` }))));
  table.append(body);
  const names = one.sensors.flatMap((sensor) => sensor.channels);
  const whole = one.sensors.flatMap((sensor) => sensor.channels.map((channel) => `${sensor.name}.${channel}`));
  const columns = new Set(names).size === names.length ? names : whole;
  const timed = one.sensors.some((sensor) => sensor.rate_hz);
  const silent = one.abstain === null ? "" : ` It says unknown where more than ${+(100 * one.abstain).toFixed(2)} % of such labels would be wrong, or data are unlike training.`;
  find("about-content").replaceChildren(
    make("div", { class: "about", role: "region", "aria-label": "Sensors", tabindex: "0" }, table),
    make("p", { text: "A CSV begins with this line; columns may be missing, sensor by sensor:" }),
    make("p", { class: "columns-line", text: [...(timed ? ["time_s"] : []), ...columns].join(",") }),
    make("p", { text: `It hears windows${one.window ? ` of ${one.window}` : ""} with the language model ${one.llm}, and says: ${one.labels.join(", ") || "no labels"}.${silent}` }),
    make("p", { text: `${one.measured[0].toUpperCase()}${one.measured.slice(1)}.` }));
  find("limits").textContent = `${one.limits[0].toUpperCase()}${one.limits.slice(1)}.`;
  find("example").hidden = !SIMULATED.every((name) => one.sensors.some((sensor) => sensor.name === name));
  find("record").disabled = Boolean(why);
  find("record-why").textContent = why;
  const first = hearsMotion(one) ? "What is the person doing?" : "Which label fits this window?";
  asking.suggest([first, "Why do you say so?", "Describe the window."]);
}

function clearResult() {
  for (const id of ["result", "detail"]) find(id).hidden = true;
  timeline.clear();
  clearWindow();
  asking.clear();
}

async function openFile(file, units) {
  const mine = ++round;
  showError("");
  clearResult();
  if (recording?.id) forget(recording.id);
  recording = { name: file.name, units };
  find("status").textContent = `Reading ${file.name} …`;
  await attempt(async () => {
    const id = await upload(file);
    if (mine !== round) return forget(id);
    recording.id = id;
    await label(mine);
  });
}

async function label(mine) {
  const { id, units, name } = recording, one = adapter();
  const result = await classify({ file_id: id, model: one.name, signals: POINTS, ...(units && { units }) });
  if (mine !== round) return;
  recording.rows = result.windows;
  document.body.classList.add("opened");
  find("about").open = false;
  for (const part of ["result", "detail"]) find(part).hidden = false;
  showSummary(name, result, one.labels);
  showTable(result.windows, result.signals.axis, (place) => timeline.pick(place));
  timeline.show(result.windows, result.signals, one.labels);
  find("result-title").focus({ preventScroll: true });
  find("result").scrollIntoView({ block: "start" });
}

function showSummary(name, { windows, notes, ledger }, labels) {
  const counts = new Map();
  for (const { label: text } of windows) counts.set(text, (counts.get(text) ?? 0) + 1);
  const count = `${windows.length} window${windows.length === 1 ? "" : "s"}`;
  find("result-title").textContent = `${name}: ${count}`;
  find("status").textContent = `${name} was heard.`;
  find("legend").replaceChildren(...[...counts].map(([text, n]) => {
    const swatch = make("span", { class: `swatch ${text === UNKNOWN ? UNKNOWN : ""}` });
    if (text !== UNKNOWN) {
      swatch.dataset.label = labels.indexOf(text);
      swatch.style.background = labelColour(labels.indexOf(text));
    }
    return make("li", {}, swatch, `${text} ${n}`);
  }));
  const unlike = (text) => (/unlike|not known/.test(text) ? "unlike" : "");
  find("notes").replaceChildren(...[...notes, ...lost(ledger)].map((text) => make("li", { class: unlike(text), text })));
}

// What became of rows that no window has, and of values that were changed.
function lost(ledger) {
  return Object.entries(ledger).flatMap(([unit, { read, dropped, changed }]) => {
    const texts = [["left out", dropped], ["changed", changed]].flatMap(([what, reasons]) =>
      Object.entries(reasons).map(([why, count]) => `${count} of ${read} ${what} (${why})`));
    return texts.length ? [`${unit}: ${texts.join(", ")}`] : [];
  });
}

function pickWindow(place) {
  const row = recording.rows[place], mine = round;
  find("window-title").textContent = `Window ${place + 1}: ${timeline.title(place)}`;
  find("ask-title").textContent = `Ask about window ${place + 1}`;
  showChances(row, adapter().labels);
  markRow(place);
  clearTimeout(pause);
  pause = setTimeout(() => attempt(async () => {
    const heard = await showWindow({ model: adapter().name, sensor: sensorPart(place) });
    if (mine === round && place === timeline.picked) showHeard(heard);
  }), PAUSE_MS);
}

function takeDrops() {
  const over = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", event.type === "dragover");
  };
  for (const kind of ["dragover", "dragleave", "drop"]) addEventListener(kind, over);
  addEventListener("drop", (event) => {
    const files = event.dataTransfer?.files ?? [];
    if (files.length > 1) showError(`${files.length} files were dropped; drop one.`);
    else if (files.length && adapters.length) openFile(files[0]);
  });
}

async function toggleRecording() {
  if (stopRecording) return stopRecording();
  const stop = new Promise((resolve) => { stopRecording = resolve; });
  showError("");
  find("record").textContent = "Stop";
  find("status").textContent = "Recording. Press the button again to stop.";
  const made = await attempt(() => record(adapter(), stop));
  stopRecording = null;
  find("record").textContent = "Record with this device";
  if (made) await openFile(made.file, made.units);
}

find("key").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(find("key-value").value.trim());
  begin();
});
find("adapter").addEventListener("change", () => {
  describeAdapter();
  if (!recording?.id) return;
  showError("");
  clearResult();
  const mine = ++round;
  attempt(() => label(mine));
});
find("file").addEventListener("change", () => {
  const [file] = find("file").files;
  find("file").value = "";
  if (file) openFile(file);
});
find("example").addEventListener("click", () => attempt(async () => openFile(await simulated())));
find("record").addEventListener("click", toggleRecording);
find("download").addEventListener("click", () => download(recording.rows, recording.name));
addEventListener("pagehide", () => recording?.id && forget(recording.id));
// A page that the browser shows again has no file on the server any more.
addEventListener("pageshow", (event) => event.persisted && location.reload());
takeDrops();
begin();
