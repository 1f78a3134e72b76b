"""Turn a published data set, a device's export, your own table or a simulation into a window store.

sensor2llm prepare my_table.yaml --out stores/mine
sensor2llm prepare uci_har --from data --out stores/uci_har
sensor2llm prepare empatica --from sessions --labels intervals.csv --out stores/e4
sensor2llm prepare joined --stores stores/uci_har stores/wisdm --out stores/both
sensor2llm prepare simulated --out stores/simulated --simulation.subjects 20
"""

import json
from pathlib import Path

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.datasets.catalogue import SOURCES
from sensor2llm.datasets.exports.catalogue import EXPORTS
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.errors import run_verb
from sensor2llm.signals.reader_options import SourceOptions

OPTIONS = ("from", "out", "stores", "window-s", "overlap", "devices", "subjects", "classes",
           "labels", "picture", "simulation.scenario", "simulation.subjects", "simulation.sessions",
           "simulation.bout-s", "simulation.seed", "json")  # fmt: skip


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    add = (parser := verb_parser("prepare", __doc__, OPTIONS)).add_argument
    what = "a data set, a device's export, your TABLE.yaml, simulated or joined; data sets: "
    add("name", help=f"{what}{', '.join(SOURCES)}; exports: {', '.join(EXPORTS)}")
    add("--from", type=Path | None, help="folder of the data, or an export; a table's is its own")
    add("--out", type=Path, required=True, help="the window store to write")
    add("--stores", type=Path, nargs="+", default=[], help="the window stores that joined joins")
    picture = "picture of a window a class, or none; by default OUT/classes.png"
    add("--picture", type=str | None, metavar="FILE", help=picture)
    add("--json", action="store_true", help="print the summary as one JSON object")
    parser.add_class_arguments(SourceOptions)
    parser.add_class_arguments(SimulationConfig, "simulation")
    return parser


def prepare(argv: list[str] | None) -> None:
    """Read, cut, write, draw and say what was written."""
    args = parse(make_parser(), argv)
    options = SourceOptions(**{name: args[name] for name in SourceOptions.__dataclass_fields__})
    picture = None if args.picture == "none" else Path(args.picture or args.out / "classes.png")
    simulation = SimulationConfig(**args.simulation)
    from sensor2llm.plots.prepared import prepare_store

    place = (args.name, args["from"], args.out)
    summary, text = prepare_store(*place, options, simulation, args.stores, picture)
    print(json.dumps(summary) if args.json else text)


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: prepare(argv))


if __name__ == "__main__":
    raise SystemExit(main())
