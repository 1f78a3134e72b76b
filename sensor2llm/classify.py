"""Label the windows of recordings.

python -m sensor2llm.classify ADAPTER walk.csv
python -m sensor2llm.classify ADAPTER walk.parquet --overlap 0.5 --out labels.csv
python -m sensor2llm.classify ADAPTER archive --out labels --engine ray --workers 8

FILE is CSV or Parquet whose columns are named as the adapter's channels (accel.x, or x where one
modality has it; time_s if there is one), a .npz of ready windows, a TABLE.yaml, a window store, or
a folder of files and stores. Several recordings' results go into a folder. Other units and rates
are converted; of stored windows that are longer than the adapter's, the centre is heard.
"""

import json
import sys
from pathlib import Path
from typing import Literal

from sensor2llm.errors import run_verb


def _main(argv: list[str] | None) -> None:
    from sensor2llm.command import parse, verb_parser

    add = (parser := verb_parser("classify", __doc__)).add_argument
    add("adapter", help="folder, released name or hub name of an adapter")
    add("file", type=Path, nargs="+", help="recordings, window stores, folders of them")
    add("--out", type=Path | None, help="a .csv, .parquet or .json for one; a folder for several")
    add("--overlap", type=float, default=0.0, help="share that windows overlap")
    add("--batch_size", type=int, default=64, help="windows at a time")
    add("--llm", type=str | None, help="another place of the adapter's LLM")
    add("--engine", type=Literal["local", "ray"], default="local", help="what spreads several")
    add("--workers", type=int | None, help="ray's processes; else one a GPU, or one a core")
    add("--address", type=str | None, help="of a ray cluster; else one on this machine")
    add("--resume", action="store_true", help="go on with what is in --out")
    add("--summary", action="store_true", help="minutes a label, a day where times are dates")
    add("--bouts", action="store_true", help="neighbouring windows of one label as one row")
    add("--json", action="store_true", help="print one JSON object")
    options = parse(parser, argv)

    from sensor2llm.archive.archive import label_archive, needs_folder
    from sensor2llm.archive.labelling import Labelling, tell_rows
    from sensor2llm.archive.ray import choose_engine

    who = Labelling(**{name: options[name] for name in Labelling.__dataclass_fields__})
    engine = choose_engine(options.engine, options.workers, options.address)
    if not (engine or options.resume or needs_folder(options.file, options.out)):
        print(tell_rows(who, options.file[0], options.out, as_json=options.json))
        return
    result = label_archive(options.file, options.out, who, engine=engine, resume=options.resume)
    print(json.dumps(result.to_dict(), ensure_ascii=False) if options.json else result)
    result.check()


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
