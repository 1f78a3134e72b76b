// Make elements; text goes in as text and never as HTML, whatever a file is called.
export const find = (id) => document.getElementById(id);

export function make(tag, fields = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(fields)) {
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const percent = (share) => `${Math.floor(100 * share + 0.5)} %`;

// A time of a recording: seconds, or a date where it is one (seconds since 1970).
export function clock(seconds, digits = 2) {
  if (seconds >= 1e8) return new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
  return `${seconds.toFixed(digits)} s`;
}
