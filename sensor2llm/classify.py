"""Label the windows of a recording.

python -m sensor2llm.classify ADAPTER walk.csv
python -m sensor2llm.classify ADAPTER walk.parquet --overlap 0.5 --out labels.csv

FILE is CSV or Parquet whose columns are named as the adapter's channels (accel.x, or x where one
modality has it; time_s if there is one), a .npz of ready windows, or a TABLE.yaml.
"""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from sensor2llm.errors import run_verb


class _Verb(ModuleType):
    """Answer `sensor2llm.classify(model, windows)` after this module took the function's name."""

    def __call__(self, *given: Any, **options: Any) -> Any:
        from sensor2llm.tasks.classification import classify

        return classify(*given, **options)


sys.modules[__name__].__class__ = _Verb


def _main(argv: list[str] | None) -> None:
    from sensor2llm.command import parse, verb_parser

    parser = verb_parser("classify", __doc__)
    parser.add_argument("adapter", help="folder, released name or hub name of an adapter")
    parser.add_argument("file", type=Path, help="the recording")
    parser.add_argument("--out", type=Path | None, help="write a .csv, .parquet or .json here")
    parser.add_argument("--overlap", type=float, default=0.0, help="share that windows overlap")
    parser.add_argument("--batch_size", type=int, default=64, help="windows at a time")
    parser.add_argument("--llm", type=str | None, help="another place of the adapter's LLM")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parse(parser, argv)

    from sensor2llm.tasks.labelling import check_out, label_file, prediction_row, write_rows
    from sensor2llm.tasks.loading import load_model

    if options.out:
        check_out(options.out)
    model = load_model(options.adapter, options.llm)
    found = label_file(model, options.file, overlap=options.overlap, batch_size=options.batch_size)
    rows = [prediction_row(prediction) for prediction in found]
    if options.out:
        write_rows(rows, options.out)
    if options.json:
        print(json.dumps({"file": options.file.name, "windows": rows}, ensure_ascii=False))
    elif options.out:
        print(f"{len(rows)} windows -> {options.out}")
    else:
        for row in rows:
            print(f"{row['start_s']:>10.2f} s  {row['probability']:.2f}  {row['label']}")


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
