"""Published protocols, one command each from the published files to the published table.

    python -m benchmarks.quality.protocols pamap2 --from data --out runs/protocol_pamap2
    python -m benchmarks.quality.protocols sleep_edf --from data/sleep-cassette
    python -m benchmarks.quality.protocols wesad --from data --workers 4

Prepares the store once, into OUT/store, and runs `benchmarks/studies/protocol_NAME.yaml`. Every
option of `study` can follow, such as `--folds 0` or `--report-only`. The report stands in OUT: our
figures and the paper's [CroSSL] side by side.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from sensor2llm.command import parse, to_config
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.errors import ConfigError, run_verb
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.studies.config import StudyConfig
from sensor2llm.study import command_of, make_parser

STUDIES = Path(__file__).resolve().parents[1] / "studies"
PROTOCOLS = {
    "pamap2": SourceOptions(),
    "sleep_edf": SourceOptions(),
    "wesad": SourceOptions(devices="chest", window_s=10.0),
}
"""How each data set is read for its protocol."""


def run(argv: list[str]) -> None:
    """Prepare what is not there, run what is missing and print the report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.protocols", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("name", choices=PROTOCOLS, help="the data set")
    parser.add_argument("--from", dest="source", type=Path, help="folder of the published files")
    options, words = parser.parse_known_args(argv)
    studies = make_parser()
    config = f"--config={STUDIES / f'protocol_{options.name}.yaml'}"
    args = parse(studies, [config, *words])
    study = to_config(studies, args, StudyConfig)
    store = replace(study.stores[options.name], path=study.out / "store")
    study = replace(study, stores={**study.stores, options.name: store})

    from sensor2llm.studies.report import write_report
    from sensor2llm.studies.runner import run_study

    prepare(options.name, options.source, store.path)
    if not args.report_only:
        run_study(study)
    print(write_report(study, command_of("benchmarks.quality.protocols", argv), as_json=args.json))


def prepare(name: str, source: Path | None, store: Path) -> None:
    """Write a data set's store as its protocol needs it, unless it is there.

    Raises:
        ConfigError: it is not there, and no folder is given.
        DataError: files that are not as published.
    """
    if (store / "store.json").is_file():
        return
    if source is None:
        raise ConfigError(f"{name} is not prepared yet; give its folder: --from FOLDER")

    from sensor2llm.datasets.writing import write_source

    write_source(name, source, store, PROTOCOLS[name], SimulationConfig())


def main(argv: list[str] | None = None) -> int:
    """Run the protocol that is named."""
    return run_verb(lambda: run(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    raise SystemExit(main())
