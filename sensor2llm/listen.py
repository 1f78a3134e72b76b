"""Label a running device: a stream, lines on standard input, or a file played as one.

sensor2llm listen ADAPTER lsl://Watch --step-s 1
sensor2llm listen ADAPTER playback://walk.csv?speed=10 --record STORE
cat rows.jsonl | sensor2llm listen ADAPTER - --json
"""

import sys
from pathlib import Path

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import run_verb

OPTIONS = ("step-s", "map", "abstain", "record", "subject", "stop-after", "llm", "llm-accept",
           "json")  # fmt: skip


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    add = (parser := verb_parser("listen", __doc__, OPTIONS)).add_argument
    add("adapter", help="folder, released name or hub name of an adapter")
    source = "lsl://NAME of a stream of Lab Streaming Layer (several: NAME,NAME), "
    source += "playback://FILE?speed=1 of anything that classify reads, or - : JSON or CSV lines"
    add("source", help=source)
    add("--step_s", type=float | None, help="seconds between answers; else a window's length")
    add("--map", type=str, nargs="+", default=[], help="total_acc=Watch, total_acc.x=-y …")
    risk = "say unknown where more labels would be wrong than this share, or data are unlike"
    add("--abstain", type=float | None, nargs="?", const=0.05, metavar="RISK", help=risk)
    add("--record", metavar="STORE", type=Path | None, help="window store of all that was heard")
    add("--subject", type=str, default="unknown", help="whose windows they are, in the store")
    add("--stop_after", metavar="S", type=float | None, help="end after so many seconds")
    add("--llm", type=str | None, help="where the adapter's LLM lies, if elsewhere")
    add("--llm_accept", action="store_true", help="take another LLM that labels alike")
    add("--json", action="store_true", help="print one JSON object an answer, then the totals")
    return parser


def _main(argv: list[str] | None) -> None:
    options = parse(make_parser(), argv)
    from sensor2llm.live.run import listen

    listen(options)


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
