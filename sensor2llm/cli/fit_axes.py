"""Propose how a device's axes are to be turned, so that an adapter hears them as in training.

sensor2llm fit-axes ADAPTER walk.csv
sensor2llm fit-axes ADAPTER walk.csv --map total_acc=wrist_accel
"""

import json
from pathlib import Path

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import run_verb

OPTIONS = ("map", "overlap", "json")


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    add = (parser := verb_parser("fit_axes", __doc__, OPTIONS)).add_argument
    add("adapter", help="folder, released name or hub name of an adapter")
    add("file", type=Path, help="a recording or store of the device, in which it lay one way")
    add("--map", type=str, nargs="+", default=[], help="names: SENSOR=DEVICE_SENSOR")
    add("--overlap", type=float, default=0.0, help="share of a window that the next one repeats")
    add("--json", action="store_true", help="print one JSON object")
    return parser


def _main(argv: list[str] | None) -> None:
    options = parse(make_parser(), argv)

    from sensor2llm.cli.axes import propose_axes

    proposal = propose_axes(options.adapter, options.file, options.map, options.overlap)
    print(json.dumps(proposal.to_dict()) if options.json else proposal.text())


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    raise SystemExit(main())
