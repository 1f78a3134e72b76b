"""Time `--help` of every verb, and a first answer: seconds, the median of some runs.

    python -m benchmarks.speed.help_time --out benchmarks/results/help_time.json

`classify` and `chat` answer about a recording of 30 s by a released adapter; beside them stands
what importing torch and its LLM's own class takes, in turn with them. Wall time counts what else
the machine does; what is judged is the process's own CPU time.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.machine import record, write
from sensor2llm.cli.program import VERBS, module_name

LIMIT_S = 0.3
"""CPU seconds that a verb's `--help` may take."""
STUDY = ("audit", "compare")


ADAPTER = "uci-har-bundled"
IMPORTS = "import torch; from transformers import LlamaForCausalLM"
TIMES = 1.3
"""How many times as long as these imports a first answer may take."""


def commands() -> dict[str, list[str]]:
    """Give the module of each verb, and its first words."""
    own = {verb: [module_name(verb)] for verb in VERBS}
    return own | {verb: ["tokenization_study", verb] for verb in STUDY}


def run_seconds(words: list[str], text: str = "") -> tuple[float, float]:
    """Give wall and CPU seconds of one Python process."""
    before, start = os.times(), time.perf_counter()
    options = {"check": True, "input": text, "text": True, "stdout": subprocess.DEVNULL}
    subprocess.run([sys.executable, *words], stderr=subprocess.DEVNULL, **options)
    wall, after = time.perf_counter() - start, os.times()
    user = after.children_user - before.children_user
    return wall, user + after.children_system - before.children_system


def measure(commands: dict[str, list[str]], runs: int, text: str = "") -> dict[str, Any]:
    """Give each command's medians, run in turn after one that warms the disk's cache."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _, (name, words) in product(range(runs + 1), commands.items()):
        seconds[name].append(run_seconds(words, text))
    return {
        name: {
            "wall_s": round(statistics.median(wall for wall, _ in pairs[1:]), 3),
            "cpu_s": round(statistics.median(own for _, own in pairs[1:]), 3),
        }
        for name, pairs in seconds.items()
    }


def first_answers(runs: int) -> dict[str, Any]:
    """Measure a first answer of each verb that gives one, and the imports that it cannot spare."""
    with tempfile.TemporaryDirectory() as folder:
        walk = save_recording(Path(folder) / "walk.csv")
        verbs = {
            "imports": ["-c", IMPORTS],
            "classify": ["-m", "sensor2llm.classify", ADAPTER, walk],
            "chat": ["-m", "sensor2llm.chat", ADAPTER, "--window", walk],
        }
        figures = measure(verbs, runs, "What is the person doing?\n")
    for verb in ("classify", "chat"):
        figures[verb]["times"] = round(figures[verb]["cpu_s"] / figures["imports"]["cpu_s"], 2)
    return figures


def save_recording(path: Path) -> str:
    """Write noise with the channels that the adapter hears."""
    from sensor2llm.adapter.files import find_adapter

    manifest = json.loads((find_adapter(ADAPTER) / "sensor2llm.json").read_text(encoding="utf-8"))
    modalities = manifest["spec"]["modalities"]
    names = [channel["name"] for modality in modalities for channel in modality["channels"]]
    rate_hz, draw = modalities[0]["rate_hz"], random.Random(0)
    rows = [
        [f"{step / rate_hz:.3f}", *(f"{draw.gauss(0, 0.3):.4f}" for _ in names)]
        for step in range(round(30 * rate_hz))
    ]
    path.write_text("\n".join(map(",".join, [["time_s", *names], *rows])), encoding="utf-8")
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--answers", action="store_true", help="first answers alone, no help")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    started = os.getloadavg()
    helps = {verb: ["-m", *words, "--help"] for verb, words in commands().items()}
    verbs = {} if options.answers else measure(helps, options.runs)
    answers = first_answers(options.runs)
    figures = {"runs": options.runs, "verbs": verbs, "first_answer": answers}
    result = record("speed.help_time", figures, started)
    write(result, options.out)
    print(f"{'verb':<18}{'wall s':>8}{'CPU s':>8}   under {LIMIT_S:g} s CPU")
    for verb, seconds in verbs.items():
        fast = "yes" if seconds["cpu_s"] < LIMIT_S else "no"
        print(f"{verb:<18}{seconds['wall_s']:>8.2f}{seconds['cpu_s']:>8.2f}   {fast}")
    for verb in ("classify", "chat"):
        fast = "yes" if answers[verb]["times"] <= TIMES else "no"
        print(f"{verb} answers in {answers[verb]['times']:g} times the imports' CPU time; {fast}")
    print(f"load average {started[0]:.2f} before, {result['load_average_after'][0]:.2f} after")


if __name__ == "__main__":
    main()
