"""Run every benchmark of speed, and say what became slower than in the last committed run.

    make bench                                          under 20 minutes on two idle cores
    python -m benchmarks.speed.suite --quick --out FILE          about 2 minutes: does it work?

Parts are the modules beside this one, each a process of its own; a part that has no rounds is run
three times. All figures are costs (less is better) and ratios within one run, which other machines
share; the file has the least, the median and the greatest of the rounds. A figure is slower where
its median is more than 10 % above the committed one's, and above all of its rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import record, write

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "bench.json"
ROUNDS = 3
SLOWER = 1.1
BUSY_LOAD = 0.5
Figures = dict[str, list[float]]


def growth(result: Mapping[str, Any]) -> Figures:
    """Give each point's cost over the base's; every round is in the result."""
    return {
        f"{row['verb']}, {row['axis']} {row[row['axis']]:,}": row["times"]
        for row in result["rows"]
        if row["axis"] != "base"
    }


def beside_llm(result: Mapping[str, Any]) -> Figures:
    """Give the adapter's time over the LLM's alone (the module's ratios are of speed)."""
    names = {"train over the LLM alone": "training_against_llm_alone",
             "label over a bare forward": "scoring_against_bare_forward"}  # fmt: skip
    return {name: [1 / result["auto"][key]["ratio"]] for name, key in names.items()}


def start(result: Mapping[str, Any]) -> Figures:
    """Give a first answer's time over that of importing torch and the LLM's class."""
    answers = result["first_answer"]
    return {f"first answer of {v}": [answers[v]["times"]] for v in ("classify", "chat")}


def memory(result: Mapping[str, Any]) -> Figures:
    """Give the memory of training on a large store over that on a small one."""
    large, small = result["store_of_8_times_the_size"], result["store"]
    times = large["anonymous_mib"] / small["anonymous_mib"]
    return {"memory, store of 8 times the size": [times]}


def many_labels(result: Mapping[str, Any]) -> Figures:
    """Give labelling's time with many labels over that with few, of a large vocabulary."""
    few, many = (run["labels"] for run in result["runs"])
    return {f"label, {many} labels over {few}": [result["times"]]}


def audit(result: Mapping[str, Any]) -> Figures:
    """Give the audit's time over bare encoding."""
    return {f"audit of {result['values']:,} values as raw lines": [result["ratio"]]}


@dataclass(frozen=True)
class Part:
    """One module, its words, and what is taken of its result."""

    module: str
    words: tuple[str, ...]
    quick: tuple[str, ...]
    take: Callable[[Mapping[str, Any]], Figures]
    rounds: int = ROUNDS


PARTS = (
    Part("cost", ("--rounds", str(ROUNDS)), ("--rounds", "1", "--quick"), growth, 1),
    Part("adapter_speed", ("--pairs", "5"), ("--pairs", "1", "--batch-size", "8"), beside_llm),
    Part("labels", (), ("--labels", "6", "20", "--vocabulary", "8192", "--batch-size", "4",
         "--rounds", "1"), many_labels, 1),
    Part("help_time", ("--runs", "2"), ("--runs", "1"), start),
    Part("memory", ("--llm", "bundled"), ("--windows", "256", "--steps", "2"), memory),
    Part("audit_speed", ("text", "--values", "300000"), ("text", "--values", "20000"), audit),
)  # fmt: skip


def run_part(part: Part, quick: bool) -> Figures:
    """Run one module as often as there are rounds and gather its figures."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        words = part.quick if quick else part.words
        command = [sys.executable, "-m", f"benchmarks.speed.{part.module}", *words, "--out", out]
        for _ in range(1 if quick else part.rounds):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
            for name, values in part.take(json.loads(out.read_text(encoding="utf-8"))).items():
                figures.setdefault(name, []).extend(values)
    return figures


def summary(values: list[float]) -> dict[str, float]:
    """Give the least, the median and the greatest of a figure's rounds."""
    three = {"least": min(values), "median": statistics.median(values), "most": max(values)}
    return {name: round(value, 3) for name, value in three.items()}


def committed(path: Path) -> dict[str, Any]:
    """Give the last committed run; nothing where there is none."""
    name = f"HEAD:{path.resolve().relative_to(ROOT)}" if path.resolve().is_relative_to(ROOT) else ""
    shown = subprocess.run(["git", "show", name], cwd=ROOT, capture_output=True, check=False)
    return dict(json.loads(shown.stdout)) if name and shown.returncode == 0 else {}


def slower(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Name every figure that became slower, with its cost before and now."""
    names = []
    for name, figure in now.items():
        earlier = before.get(name)
        limit = max(SLOWER * earlier["median"], earlier["most"]) if earlier else float("inf")
        if figure["median"] > limit:
            names.append(f"{name}: {earlier['median']:.2f} before, {figure['median']:.2f} now")
    return names


def main() -> None:
    """Run all parts, write the file, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, one round, no record")
    parser.add_argument("--out", type=Path, help="JSON file; not with --quick: the committed one")
    options, started, began = parser.parse_args(), os.getloadavg(), time.perf_counter()
    busy = started[0] > BUSY_LOAD
    if busy:
        print(f"this machine is busy (load {started[0]:.1f}): figures may be off", file=sys.stderr)
    figures = {}
    for part in PARTS:
        for name, values in run_part(part, options.quick).items():
            figures[name] = summary(values)
            print(f"{name:<48}{figures[name]['median']:>8.2f}", flush=True)
    out = options.out or (None if options.quick else RESULT)
    result = {"quick": options.quick, "busy": busy, "seconds": round(time.perf_counter() - began)}
    before = committed(RESULT)
    write(record("speed.suite", result | {"figures": figures}, started), out)
    for line in slower(figures, before.get("figures", {})):
        print(f"slower: {line}")


if __name__ == "__main__":
    main()
