// The windows as a table on the page, and as a CSV file.
import { clock, find, make, percent } from "./dom.js";

const MOST_ROWS = 500;

export function showTable(rows, axis, onPick) {
  const head = ["window", axis === "s" ? "start" : "at", "label", "certainty", "unlike training"];
  const body = rows.slice(0, MOST_ROWS).map((row, place) => make("tr", { "data-place": place },
    make("th", { scope: "row", text: place + 1 }), make("td", { text: clock(row.start_s) }), make("td", { text: row.label }),
    make("td", { text: percent(row.probability) }), make("td", { class: "why", text: row.unlike || "" })));
  const rest = rows.length - MOST_ROWS;
  const words = rest > 0 ? `The first ${MOST_ROWS} of ${rows.length} windows; all are in the CSV.` : `${rows.length} windows`;
  const table = make("table", { on: { click: (event) => event.target.closest("tr[data-place]") && onPick(+event.target.closest("tr").dataset.place) } },
    make("caption", { text: words }),
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col", text })))), make("tbody", {}, ...body));
  find("table-content").replaceChildren(table);
}

export function markRow(place) {
  for (const row of document.querySelectorAll("tr.picked")) row.classList.remove("picked");
  document.querySelector(`tr[data-place="${place}"]`)?.classList.add("picked");
}

const cell = (value) => (typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : String(value ?? ""));

export function download(rows, name) {
  const names = Object.keys(rows[0]);
  const lines = [names.map(cell), ...rows.map((row) => names.map((column) => cell(row[column])))];
  const address = URL.createObjectURL(new Blob([lines.map((line) => line.join(",") + "\n").join("")], { type: "text/csv" }));
  make("a", { href: address, download: `${name.replace(/\.[^.]+$/, "")}_labels.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
