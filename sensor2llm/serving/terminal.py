"""The chat in a terminal: commands, drawn windows, streamed answers; or one JSON object a turn."""

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from sensor2llm.errors import ConfigError, UserError
from sensor2llm.plots.braille import render_window
from sensor2llm.signals.mapping.numbered import find_window
from sensor2llm.tasks.dialogue.dialogue import Dialogue
from sensor2llm.tasks.dialogue.heard_window import HeardWindow
from sensor2llm.tasks.typed.typed_answer import answer_typed
from sensor2llm.tasks.typed.typed_numbers import TypedNumbers, read_numbers

logger = logging.getLogger(__name__)
HELP = """/window FILE [NUMBER]   let the model hear a window of a recording (the first one)
/labels                 list the labels that it knows
/save FILE              keep the conversation as .md or .json
/help                   this list
/quit                   leave
Everything else is a question, about the last window; with two, "which …" compares them. Sensor
values in a sentence (8 numbers or more) are heard as a window. Ctrl-C stops an answer
or clears the line, twice it leaves."""
PLAIN = {"help": "/help", "quit": "/quit", "exit": "/quit", "/exit": "/quit"}
"""What may be typed without a slash, or otherwise."""


class ChatTerminal:
    """Read lines, and write what comes of them.

    Args:
        dialogue: what answers.
        console: where turns are written for people; JSON goes to its file, too.
        as_json: write one JSON object a turn instead.
    """

    def __init__(self, dialogue: Dialogue, console: Console, *, as_json: bool = False) -> None:
        self.dialogue, self.console, self.as_json = dialogue, console, as_json
        self._commands: dict[str, Callable[[str], None]] = {
            "/window": self._window,
            "/labels": self._labels,
            "/save": self._save,
            "/help": self._help,
        }

    def start(self) -> None:
        """Converse at a terminal; otherwise answer the lines of standard input."""
        if hasattr(sys.stdin, "reconfigure"):
            # A byte that is no UTF-8 is no end of the conversation; what it stood for is refused.
            sys.stdin.reconfigure(errors="replace")
        if sys.stdin.isatty() and not self.as_json:
            self.converse()
        else:
            self.run(sys.stdin, echo=True)

    def run(self, lines: Iterable[str], *, echo: bool = False) -> None:
        """Answer every line until `/quit`; a mistake is said and the chat goes on.

        Args:
            lines: what is typed.
            echo: write each line before its answer, so that a transcript can be read.
        """
        for line in lines:
            if not self._take(line, echo=echo and not self.as_json):
                return

    def converse(self) -> None:
        """Ask at the terminal until the end of input, `/quit`, or Ctrl-C twice in a row."""
        with contextlib.suppress(ImportError):  # arrow keys and a history; not on Windows
            import readline  # noqa: F401  (it is enough that it is there)
        self.console.print("[dim]ask anything, or /help[/dim]")
        interrupted = False
        while True:
            try:
                line, interrupted = input("> "), False
                if not self._take(line):
                    return
            except EOFError:
                return
            except KeyboardInterrupt:
                self.console.print("" if interrupted else "\n[dim]Ctrl-C again leaves[/dim]")
                if interrupted:
                    return
                interrupted = True

    def _take(self, line: str, *, echo: bool = False) -> bool:
        """Answer one line; False where it says to leave."""
        line = line.strip()
        command = PLAIN.get(line.lower(), line)
        if command == "/quit":
            return False
        if echo and line:
            self.console.print(f"[dim]> {escape(line)}[/dim]", highlight=False)
        if line:
            self._answer(command)
        return True

    def attach(self, file: str | Path, number: int = 1) -> None:
        """Let the model hear window `number` of a file, and show what it says.

        Raises:
            DataError: the file has not so many windows.
        """
        window = find_window(Path(file), self.dialogue.model.adapter.spec, number)
        heard = self.dialogue.attach(window, f"{Path(file).name}, window {number}")
        if self.as_json:
            self._json(self.dialogue.turns[-1].to_dict())
        else:
            self._show(heard)

    def _show(self, heard: HeardWindow) -> None:
        """Draw a window, and write its computed facts and its label."""
        text = render_window(heard.window, self.dialogue.model.adapter.spec, self.console.width)
        self.console.print(escape(text), highlight=False)
        for line in _by_modality(fact.text for fact in heard.facts.values()):
            self._note(line)
        prediction = heard.prediction
        if prediction is None:
            return
        best = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
        (first, share), others = best[0], best[1:3]
        rest = ", ".join(f"{escape(name)} {p:.2f}" for name, p in others)
        self.console.print(f"[bold]{escape(first)}[/bold] {share:.2f}  [dim]{rest}[/dim]")
        if len(heard.label_set) > 1:
            self._note(f"it may be {heard.likely_text}")
        if heard.unlike:
            self._note(heard.unlike)

    def draw(self, picture: Path) -> None:
        """Draw the window that the model hears, with its label; without one, draw nothing."""
        heard = self.dialogue.heard[-1] if self.dialogue.heard else None
        if heard is None or heard.prediction is None:
            return
        from sensor2llm.plots.figures import plot_window  # matplotlib: not for words alone

        label, shares = heard.prediction.label, heard.prediction.probabilities
        spec = self.dialogue.model.adapter.spec
        title = f"{label} ({shares[label]:.0%})"
        plot_window(heard.window, spec, picture, answer=title, probabilities=shares)

    def _answer(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        try:
            if not name.startswith("/"):
                self._ask(line)
            elif name in self._commands:
                self._commands[name](rest.strip())
            else:
                commands = ", ".join([*self._commands, "/quit"])
                raise ConfigError(f"unknown command {name!r}; choose from {commands}")
        except Exception as error:
            # Whatever a file does to a reader, the conversation goes on.
            if not isinstance(error, (UserError, OSError)):
                logger.debug("%s", line, exc_info=True)
            message = " ".join(str(error).split()) or type(error).__name__
            if self.as_json:
                self._json({"error": message})
            else:
                self.console.print(f"[red]{escape(message)}[/red]", highlight=False)

    def _ask(self, question: str) -> None:
        if typed := read_numbers(question):
            self._typed(typed)
            return
        if self.as_json:
            self.dialogue.ask(question)
            self._json(self.dialogue.turns[-1].to_dict())
            return
        try:
            for piece in self.dialogue.stream(question):
                self.console.print(escape(piece), end="", highlight=False, soft_wrap=True)
        except KeyboardInterrupt:
            self.console.print("[dim] (stopped; this answer is not part of the conversation)[/dim]")
            raise
        self.console.print()
        answer = self.dialogue.turns[-1].answer
        if answer and answer.measured:
            self._note(f"measured: {answer.measured}")

    def _typed(self, typed: TypedNumbers) -> None:
        """Hear the numbers of a sentence as a window, beside what the LLM makes of the digits."""
        answer = answer_typed(self.dialogue.model, typed)
        heard = self.dialogue.attach(answer.window, f"typed: {answer.read}")
        if self.as_json:
            self._json(answer.to_dict())
            return
        self._show(heard)
        read, text, digits = answer.lines()
        self._note(read)
        self.console.print(escape(text), highlight=False)
        self._note(digits)

    def say_measured(self, line: str) -> None:
        """Write what was measured about the answers; not among JSON turns."""
        if not self.as_json:
            self._note(line)

    def _window(self, rest: str) -> None:
        file, _, number = rest.rpartition(" ") if rest[-1:].isdigit() else (rest, "", "1")
        if not number.isdigit() or not file:
            file, number = rest, "1"
        if not file:
            raise ConfigError("/window needs a file: /window walk.csv, or /window walk.csv 3")
        self.attach(file, int(number))

    def _labels(self, rest: str) -> None:
        labels = list(self.dialogue.model.adapter.label_names)
        self._say({"labels": labels}, ", ".join(labels))

    def _save(self, rest: str) -> None:
        if not rest:
            raise ConfigError("/save needs a file: /save chat.md, or /save chat.json")
        saved = str(self.dialogue.save(rest))
        self._say({"saved": saved}, f"saved as {saved}")

    def _help(self, rest: str) -> None:
        self._say({"help": HELP}, HELP)

    def _note(self, line: str) -> None:
        self.console.print(f"[dim]{escape(line)}[/dim]", highlight=False)

    def _say(self, plain: dict[str, Any], text: str) -> None:
        if self.as_json:
            self._json(plain)
        else:
            self.console.print(escape(text), highlight=False)

    def _json(self, plain: dict[str, Any]) -> None:
        self.console.file.write(json.dumps(plain, ensure_ascii=False) + "\n")
        self.console.file.flush()


def _by_modality(texts: Iterable[str]) -> list[str]:
    """Join facts of one modality ("accel: …") to one line each."""
    lines: dict[str, list[str]] = {}
    for text in texts:
        name, colon, fact = text.partition(": ")
        lines.setdefault(name + colon, []).append(fact)
    return [name + "; ".join(facts) for name, facts in lines.items()]
