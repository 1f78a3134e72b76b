"""Time `--help` of every verb: seconds, the median of some runs.

    python -m benchmarks.help_time --out benchmarks/results/help_time.json

Wall time counts what else the machine does; beside it stands the process's own CPU time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import record, write
from sensor2llm.cli import VERBS

LIMIT_S = 1.0


def installed() -> list[str]:
    """Give the verbs that there are."""
    package = Path(__file__).resolve().parent.parent / "sensor2llm"
    return [verb for verb in VERBS if (package / f"{verb}.py").is_file()]


def help_seconds(verb: str) -> tuple[float, float]:
    """Give wall and CPU seconds of one `--help`."""
    before, start = os.times(), time.perf_counter()
    command = [sys.executable, "-m", f"sensor2llm.{verb}", "--help"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    user = after.children_user - before.children_user
    return wall, user + after.children_system - before.children_system


def measure(runs: int) -> dict[str, dict[str, float]]:
    """Give each verb's medians, after one run that warms the disk's cache."""
    times = {}
    for verb in installed():
        help_seconds(verb)
        walls, own = zip(*(help_seconds(verb) for _ in range(runs)), strict=True)
        times[verb] = {
            "wall_s": round(statistics.median(walls), 3),
            "cpu_s": round(statistics.median(own), 3),
        }
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    started = os.getloadavg()
    verbs = measure(options.runs)
    result = record("help_time", {"runs": options.runs, "verbs": verbs}, started)
    write(result, options.out)
    print(f"{'verb':<18}{'wall s':>8}{'CPU s':>8}   under {LIMIT_S:g} s")
    for verb, times in verbs.items():
        fast = "yes" if times["wall_s"] < LIMIT_S else "no"
        print(f"{verb:<18}{times['wall_s']:>8.2f}{times['cpu_s']:>8.2f}   {fast}")
    print(f"load average {started[0]:.2f} before, {result['load_average_after'][0]:.2f} after")


if __name__ == "__main__":
    main()
