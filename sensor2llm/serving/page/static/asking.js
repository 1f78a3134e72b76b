// Questions about the picked window, answered by the server's chat; what was asked before goes along.
import { UNKNOWN } from "./charts.js";
import { find, make, percent } from "./dom.js";
import { ask, ServerError } from "./server.js";

const REMEMBERED = 3;
const SOURCES = {
  scores: "scored by the adapter from this window",
  llm: "the language model's own words, not from the window",
  rules: "a fixed sentence",
};

export class Asking {
  // `here` gives the adapter's name, the picked window's sensor part and label, and how it is called.
  constructor(here, onError) {
    Object.assign(this, { here, onError, turns: [], busy: false });
    find("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask(find("question").value.trim());
    });
  }

  clear() {
    this.turns = [];
    this.asked = (this.asked ?? 0) + 1;
    find("answers").replaceChildren();
    find("answers").hidden = true;
    find("question").value = "";
  }

  suggest(questions) {
    find("suggestions").replaceChildren(...questions.map((text) => make("button", { type: "button", text, on: { click: () => this.ask(text) } })));
  }

  async ask(question) {
    if (!question || this.busy) return;
    this.busy = true;
    const round = this.asked, { model, part, title, label } = this.here();
    const said = make("p", { class: "said", text: "…" }), from = make("p", { class: "from" });
    const item = make("li", { "aria-busy": "true" }, make("p", { class: "asked", text: `${title}: ${question}` }), said, from);
    find("answers").hidden = false;
    find("answers").prepend(item);
    try {
      let text = "", details = {};
      for await (const chunk of ask({ model, messages: this.messages(part, question) })) {
        text += chunk.choices[0]?.delta.content ?? "";
        details = chunk.sensor2llm ?? details;
        said.textContent = text;
      }
      from.textContent = origin(details, label);
      if (round !== this.asked) return;
      this.turns.push({ part, question, text });
      find("question").value = "";
      this.onError("");
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      item.remove();
      find("answers").hidden = !find("answers").children.length;
      if (round === this.asked) this.onError(error.message);
    } finally {
      item.removeAttribute("aria-busy");
      this.busy = false;
    }
  }

  // A window is attached where it is another one than that of the question before.
  messages(part, question) {
    const turns = [...this.turns.slice(-REMEMBERED), { part, question }];
    return turns.flatMap((turn, place) => {
      const is_same = place > 0 && turns[place - 1].part.number === turn.part.number;
      const content = [...(is_same ? [] : [turn.part]), { type: "text", text: turn.question }];
      return [{ role: "user", content }, ...(turn.text === undefined ? [] : [{ role: "assistant", content: turn.text }])];
    });
  }
}

// A recording is judged as one, a window that is asked about by itself, which is weaker.
function origin(details, label) {
  const share = typeof details.probability === "number" ? [percent(details.probability)] : [];
  const measured = details.measured ? [`measured from the signal: ${details.measured}`] : [];
  const heard = details.windows?.at(-1)?.label;
  const alone = label === UNKNOWN && heard && heard !== UNKNOWN ? ["judged by itself; as part of its recording the window is unknown"] : [];
  return [SOURCES[details.source] ?? details.source, ...share, ...measured, ...alone].join(" · ");
}
