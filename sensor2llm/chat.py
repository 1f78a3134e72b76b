"""Talk with the language model about windows of a recording.

python -m sensor2llm.chat ADAPTER --window walk.csv
python -m sensor2llm.chat ADAPTER --window STORE --number 7 --picture window.png
echo "How regular are the steps?" | python -m sensor2llm.chat ADAPTER --window walk.csv --json
"""

import sys
from pathlib import Path

from sensor2llm.errors import run_verb


def _main(argv: list[str] | None) -> None:
    from sensor2llm.command import parse, verb_parser

    parser = verb_parser("chat", __doc__)
    parser.add_argument("adapter", help="folder, released name or hub name of an adapter")
    parser.add_argument(
        "--window", metavar="FILE", type=str | None, help="recording or store to hear first"
    )
    parser.add_argument("--number", type=int, default=1, help="which of the file's windows")
    parser.add_argument("--picture", type=Path | None, help="draw it with its answer, PNG or SVG")
    parser.add_argument("--llm", type=str | None, help="another place of the adapter's LLM")
    parser.add_argument("--max_new_tokens", type=int, default=96, help="longest answer")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    parser.add_argument("--json", action="store_true", help="print one JSON object a turn")
    options = parse(parser, argv)

    from rich.console import Console

    from sensor2llm.serving.terminal import ChatTerminal
    from sensor2llm.tasks.conversation import Conversation
    from sensor2llm.tasks.loading import load_model

    model = load_model(options.adapter, options.llm)
    conversation = Conversation(
        model, max_new_tokens=options.max_new_tokens, temperature=options.temperature
    )
    terminal = ChatTerminal(conversation, Console(), as_json=options.json)
    if options.window:
        terminal.attach(options.window, options.number)
    if options.picture and terminal.heard:
        from sensor2llm.plots.figures import plot_window

        window, said = terminal.heard
        title = f"{said.label} ({said.probabilities[said.label]:.0%})"
        spec, shares = model.adapter.spec, said.probabilities
        plot_window(window, spec, options.picture, answer=title, probabilities=shares)
    if hasattr(sys.stdin, "reconfigure"):
        # A byte that is no UTF-8 is no end of the conversation; what it stood for is refused.
        sys.stdin.reconfigure(errors="replace")
    if sys.stdin.isatty() and not options.json:
        terminal.converse()
    else:
        terminal.run(sys.stdin, echo=True)


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
