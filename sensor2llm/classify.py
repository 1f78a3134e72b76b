"""Label the windows of recordings.

sensor2llm classify ADAPTER walk.csv --overlap 0.5 --out labels.csv
sensor2llm classify ADAPTER archive --out labels --summary --bouts
sensor2llm classify --text "RR in ms: 812, 790, ... Atrial Fibrillation or Normal Sinus?"
"""

from pathlib import Path
from typing import Literal

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import run_verb

OPTIONS = ("out", "text", "overlap", "summary", "bouts", "batch-size", "llm", "llm-accept", "map",
           "engine", "workers", "worker-cpus", "worker-gpus", "address", "resume", "abstain",
           "placement", "json")  # fmt: skip


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    add = (parser := verb_parser("classify", __doc__, OPTIONS)).add_argument
    add("adapter", nargs="?", help="folder, released name or hub name; with --text may be left out")
    files = "CSV or Parquet (columns accel.x, or x; time_s), .npz, TABLE.yaml, stores, or folders"
    add("file", type=Path, nargs="*", help=files)
    add("--out", type=Path | None, help="a .csv, .parquet or .json for one; a folder for several")
    add("--text", type=str | None, help="a sentence with sensor values in it, instead of files")
    add("--overlap", type=float, default=0.0, help="share of a window that the next one repeats")
    add("--batch_size", type=int, default=64, help="windows at a time")
    add("--llm", type=str | None, help="where the adapter's LLM lies, if elsewhere")
    add("--llm_accept", action="store_true", help="take another LLM that labels alike")
    add("--engine", type=Literal["local", "ray"], default="local", help="what labels several")
    add("--workers", type=int | None, help="ray's processes; else one a GPU, or one a core")
    add("--worker_cpus", type=float | None, help="cores, and threads, of each of ray's processes")
    add("--worker_gpus", type=float | None, help="GPUs of each; half a GPU is 0.5")
    add("--address", type=str | None, help="address of the ray cluster; else one starts here")
    add("--resume", action="store_true", help="go on with what is in --out")
    add("--summary", action="store_true", help="minutes a label, a day where times are dates")
    add("--map", type=str, nargs="+", default=[], help="total_acc=wrist_accel, total_acc.x=-y …")
    add("--placement", type=str | None, metavar="WORD", help="where the device is worn: wrist …")
    add("--bouts", action="store_true", help="neighbouring windows of one label as one row")
    risk = "say unknown where more labels would be wrong than this share, or data are unlike"
    add("--abstain", type=float | None, nargs="?", const=0.05, metavar="RISK", help=risk)
    add("--json", action="store_true", help="print one JSON object")
    return parser


def _main(argv: list[str] | None) -> None:
    options = parse(make_parser(), argv)
    from sensor2llm.cli.labelling import label

    label(options)


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    raise SystemExit(main())
