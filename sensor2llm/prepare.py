"""Turn a published data set, one's own table or a simulation into a WindowStore.

python -m sensor2llm.prepare uci_har --from data --out stores/uci_har
python -m sensor2llm.prepare wisdm --from data --out stores/wisdm --devices watch --overlap 0.5
python -m sensor2llm.prepare my_table.yaml --out stores/mine
python -m sensor2llm.prepare joined --stores stores/uci_har stores/wisdm --out stores/both
python -m sensor2llm.prepare simulated --out stores/simulated --simulation.subjects 20
"""

import json
from pathlib import Path

from jsonargparse import ArgumentParser

from sensor2llm.command import parse, verb_parser
from sensor2llm.datasets.catalogue import SOURCES
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.errors import run_verb
from sensor2llm.signals.reader_options import SourceOptions


def make_parser() -> ArgumentParser:
    """Describe the words that can be typed."""
    names = ", ".join([*SOURCES, "simulated", "joined"])
    parser = verb_parser("prepare", __doc__)
    parser.add_argument("name", help=f"{names}, or a TABLE.yaml that describes your own files")
    parser.add_argument("--from", type=Path | None, help="folder that holds the unpacked data")
    parser.add_argument("--out", type=Path, required=True, help="the store to write")
    told = "window stores that joined puts side by side, each with its own sensors and windows"
    parser.add_argument("--stores", type=Path, nargs="+", default=[], help=told)
    said = "picture of one window a class, by default OUT/classes.png; none leaves it out"
    parser.add_argument("--picture", type=str | None, help=said)
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    parser.add_class_arguments(SourceOptions)
    parser.add_class_arguments(SimulationConfig, "simulation")
    return parser


def prepare(argv: list[str] | None) -> None:
    """Read, cut, write, draw and say what was written."""
    args = parse(make_parser(), argv)
    options = {name: args[name] for name in SourceOptions.__dataclass_fields__}
    picture = None if args.picture == "none" else Path(args.picture or args.out / "classes.png")

    from sensor2llm.datasets.summary import describe, summarise
    from sensor2llm.datasets.writing import write_source
    from sensor2llm.signals.labels import warn_of_spellings

    if picture:
        from sensor2llm.plots.figures import check_picture
        from sensor2llm.plots.store import plot_classes

        check_picture(picture)
    source, simulation = SourceOptions(**options), SimulationConfig(**args.simulation)
    store = write_source(args.name, args["from"], args.out, source, simulation, args.stores)
    warn_of_spellings(store.label_names)
    summary = summarise(store)
    if picture:
        summary["picture"] = str(plot_classes(store, picture))
    print(json.dumps(summary) if args.json else describe(summary))


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: prepare(argv))


if __name__ == "__main__":
    raise SystemExit(main())
