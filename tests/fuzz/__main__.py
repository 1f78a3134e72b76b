"""Change small files of every layout, and see what the readers make of them.

python -m tests.fuzz --inputs 100000 --seconds 5400
python -m tests.fuzz --replay runs/fuzz/failures/prompt-traceback-17
python -m tests.fuzz --inputs 2000 --readers prompt recipe

Runs again from where it stopped; --table writes benchmarks/results/fuzz/.
"""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path

from tests.fuzz.attempt import FAILURES, KINDS
from tests.fuzz.campaign import Campaign, counts, replay
from tests.fuzz.readers import READERS

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "fuzz"


def main(argv: list[str] | None = None) -> int:
    """Run a campaign, or one input again; 1 where a reader failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5400.0, help="begin no input after these")
    parser.add_argument("--readers", nargs="+", default=list(READERS), choices=READERS, metavar="R")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="read a failing input again")
    parser.add_argument("--table", action="store_true", help="write the table of this campaign")
    options = parser.parse_args(argv)
    if options.replay:
        result = replay(options.replay)
        print(f"{result.kind} {result.detail}".strip())
        return int(result.kind in FAILURES)
    begun = time.monotonic()
    campaign = Campaign(
        options.out, inputs=options.inputs, seed=options.seed, jobs=options.jobs,
        seconds=options.seconds, readers=options.readers,
    )  # fmt: skip
    results = campaign.run()
    table = markdown(results)
    print(table)
    failures = [r for r in results if r["kind"] in FAILURES]
    for record in failures:
        print(f"{record['reader']} {record['number']}: {record['kind']} {record['detail']}")
    if options.table:
        words = sys.argv[1:] if argv is None else argv
        write_table(results, ["python", "-m", "tests.fuzz", *words], time.monotonic() - begun)
    return int(bool(failures))


def markdown(results: list[dict]) -> str:
    """Give a row a reader, and one of all."""
    rows = sorted(counts(results).items())
    head = ["reader", "inputs", *KINDS]
    lines = [head, ["---"] * len(head)]
    for name, own in [*rows, ("all", sum((own for _, own in rows), start=type(rows[0][1])()))]:
        lines.append([name, f"{own.total():,}", *(f"{own[kind]:,}" for kind in KINDS)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_table(results: list[dict], command: list[str], seconds: float) -> None:
    """Write the table as Markdown and JSON."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    failures = [r for r in results if r["kind"] in FAILURES]
    plain = {
        "command": shlex.join(command), "inputs": len(results), "seconds": round(seconds),
        "readers": {name: dict(own) for name, own in sorted(counts(results).items())},
        "failures": failures,
    }  # fmt: skip
    text = [
        "# Mutated files, by reader", "", f"    {plain['command']}", "",
        f"{len(results):,} inputs; each has 10 s and 1 GiB. Data and one clear line of at most 300 "
        "characters are right; every other column is a failure.", "", markdown(results), "",
    ]  # fmt: skip
    (RESULTS / "fuzz.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "README.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
