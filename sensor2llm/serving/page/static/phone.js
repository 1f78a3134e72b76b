// This device's motion sensors as a CSV file in the adapter's channels.
import { find } from "./dom.js";

// Some browsers ask for a permission.
const asks = typeof DeviceMotionEvent !== "undefined" && typeof DeviceMotionEvent.requestPermission === "function";
// Safari, and what runs on its engine, reports accelerations with the signs turned round
// [W3C Device Orientation, section 4.4].
const sign = () => (navigator.vendor.startsWith("Apple") ? -1 : 1);

// Give what of a motion event a sensor of an adapter measures; undefined for another kind of sensor.
function reader(sensor) {
  const [unit] = sensor.units;
  if (sensor.channels.length !== 3) return undefined;
  if (/^(rad|deg)\/s$/.test(unit)) return { unit: "deg/s", read: ({ rotationRate: r }) => r && [r.beta, r.gamma, r.alpha] };
  if (!/^(g|mg|m\/s\^?2)$/.test(unit)) return undefined;
  const field = /body|linear|user/.test(sensor.name) ? "acceleration" : "accelerationIncludingGravity";
  return { unit: "m/s^2", read: ({ [field]: a }) => a && [a.x, a.y, a.z].map((value) => value === null ? null : sign() * value) };
}

export const hearsMotion = (adapter) => adapter.sensors.every(reader);

export function whyNot(adapter) {
  if (!hearsMotion(adapter)) return "This adapter hears more than motion sensors.";
  if (!isSecureContext) return "Browsers give motion sensors to https pages and to this machine's own (localhost) only.";
  if (typeof DeviceMotionEvent === "undefined") return "This browser has no motion sensors.";
  return "";
}

// Record until `stop` is resolved; gives the file and its units.
export async function record(adapter, stop) {
  if (asks && (await DeviceMotionEvent.requestPermission()) !== "granted") throw new Error("The motion sensors may not be read; allow them, and record again.");
  const readers = adapter.sensors.map((sensor) => ({ sensor, ...reader(sensor) }));
  const names = adapter.sensors.flatMap((sensor) => sensor.channels.map((channel) => `${sensor.name}.${channel}`));
  const lines = [["time_s", ...names].join(",")];
  let begin, last = -1;
  const take = (event) => {
    const values = readers.flatMap(({ read }) => read(event) ?? [null, null, null]);
    // A device without sensors says so by one event of nothing.
    if (values.every((value) => value === null)) return;
    begin ??= event.timeStamp;
    const time = (event.timeStamp - begin) / 1000;
    if (time <= last) return;
    last = time;
    lines.push([time.toFixed(4), ...values.map((value) => value ?? "")].join(","));
    tell(time);
  };
  const tell = (time) => { find("record").textContent = `Stop (${Math.floor(time)} s)`; };
  addEventListener("devicemotion", take);
  tell(0);
  await stop;
  removeEventListener("devicemotion", take);
  if (lines.length < 3) throw new Error("The motion sensors of this device say nothing; try another device.");
  const units = Object.fromEntries(readers.map(({ sensor, unit }) => [sensor.name, unit]));
  return { file: new File([lines.join("\n") + "\n"], "device.csv", { type: "text/csv" }), units };
}
