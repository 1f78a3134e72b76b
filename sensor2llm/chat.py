"""Talk with the language model about windows of a recording.

sensor2llm chat ADAPTER --window walk.csv
sensor2llm chat ADAPTER --window STORE --number 7 --picture window.png
echo "isn't he sitting?" | sensor2llm chat ADAPTER --window walk.csv --json
"""

import sys
from pathlib import Path

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import run_verb

OPTIONS = ("window", "number", "picture", "llm", "llm-accept", "max-new-tokens", "temperature",
           "json")  # fmt: skip


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    add = (parser := verb_parser("chat", __doc__, OPTIONS)).add_argument
    add("adapter", help="folder, released name or hub name of an adapter")
    add("--window", metavar="FILE", type=str | None, help="recording or store to hear first")
    add("--number", type=int, default=1, help="which of the file's windows, from 1")
    add("--picture", type=Path | None, help="draw the window with its label, PNG or SVG")
    add("--llm", type=str | None, help="where the adapter's LLM lies, if elsewhere")
    add("--llm_accept", action="store_true", help="take another LLM that labels alike")
    add("--max_new_tokens", type=int, default=96, help="longest answer, in tokens")
    add("--temperature", type=float, default=0.0, help="0 always takes the likeliest token")
    add("--json", action="store_true", help="print one JSON object a turn")
    return parser


def _main(argv: list[str] | None) -> None:
    options = parse(make_parser(), argv)
    from rich.console import Console

    from sensor2llm.adapter.files import find_adapter
    from sensor2llm.serving.measured import measured_line
    from sensor2llm.serving.terminal import ChatTerminal
    from sensor2llm.tasks.dialogue.dialogue import Dialogue
    from sensor2llm.tasks.loading import load_model

    model = load_model(options.adapter, options.llm, llm_accept=options.llm_accept)
    lengths = {"max_new_tokens": options.max_new_tokens, "temperature": options.temperature}
    terminal = ChatTerminal(Dialogue(model, **lengths), Console(), as_json=options.json)
    if options.window:
        terminal.attach(options.window, options.number)
    if options.picture:
        terminal.draw(options.picture)
    terminal.say_measured(measured_line(find_adapter(options.adapter)))
    terminal.start()


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
