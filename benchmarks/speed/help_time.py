"""Time `--help` of every verb: seconds, the median of some runs.

    python -m benchmarks.speed.help_time --out benchmarks/results/help_time.json

Wall time counts what else the machine does; what is judged is the process's own CPU time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import record, write
from sensor2llm.cli.program import VERBS, module_name

LIMIT_S = 0.3
"""CPU seconds that a verb's `--help` may take."""
STUDY = ("audit", "compare")


def commands() -> dict[str, list[str]]:
    """Give the module of each verb, and its first words."""
    own = {verb: [module_name(verb)] for verb in VERBS}
    return own | {verb: ["tokenization_study", verb] for verb in STUDY}


def help_seconds(words: list[str]) -> tuple[float, float]:
    """Give wall and CPU seconds of one `--help`."""
    before, start = os.times(), time.perf_counter()
    command = [sys.executable, "-m", *words, "--help"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    user = after.children_user - before.children_user
    return wall, user + after.children_system - before.children_system


def measure(runs: int) -> dict[str, dict[str, float]]:
    """Give each verb's medians, after one run that warms the disk's cache."""
    medians = {}
    for verb, words in commands().items():
        help_seconds(words)
        walls, own = zip(*(help_seconds(words) for _ in range(runs)), strict=True)
        medians[verb] = {
            "wall_s": round(statistics.median(walls), 3),
            "cpu_s": round(statistics.median(own), 3),
        }
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    started = os.getloadavg()
    verbs = measure(options.runs)
    result = record("speed.help_time", {"runs": options.runs, "verbs": verbs}, started)
    write(result, options.out)
    print(f"{'verb':<18}{'wall s':>8}{'CPU s':>8}   under {LIMIT_S:g} s CPU")
    for verb, seconds in verbs.items():
        fast = "yes" if seconds["cpu_s"] < LIMIT_S else "no"
        print(f"{verb:<18}{seconds['wall_s']:>8.2f}{seconds['cpu_s']:>8.2f}   {fast}")
    print(f"load average {started[0]:.2f} before, {result['load_average_after'][0]:.2f} after")


if __name__ == "__main__":
    main()
