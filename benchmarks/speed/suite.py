"""Run every benchmark of speed, and say what became slower than in the last committed run.

    make bench              20 minutes on two idle cores, an hour without bf16
    python -m benchmarks.speed.suite --quick --out FILE          about 2 minutes: does it work?

Parts are the modules beside this one, each a process of its own; a part that has no rounds is run
three times. All figures are costs (less is better) and ratios within one run, which other machines
share; the file has the least, the median and the greatest of the rounds, and the most that is aimed
at. A figure is slower where its median is more than 10 % above the committed one's, and above all
of its rounds. What a part needs and this machine lacks (ray, a language model of the catalogue,
others' tokenizers in the folder that SENSOR2LLM_SHARED names) leaves that part out, with a line.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.cost_picture import draw_growth
from benchmarks.machine import record, write
from benchmarks.speed.memory import TIMES, VERBS
from sensor2llm.llm.catalogue.entries import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "bench.json"
ROUNDS = 3
SLOWER = 1.1
BUSY_LOAD = 0.5
TOKENIZERS = Path(os.environ.get("SENSOR2LLM_SHARED", ".")) / "tokenizers" / "tokenizers.tar.xz"
FILES = {
    "r50k": "openai/r50k_base.tiktoken", "cl100k": "openai/cl100k_base.tiktoken",
    "llama2": "llama2/tokenizer.model", "t5": "t5/spiece.model",
}  # fmt: skip
"""Others' tokenizers that are audited beside the bundled one, in that archive."""
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
    """Give the memory on a large store over that on a small one."""
    return {f"memory of {verb}, {TIMES} times the store": [result[verb]["times"]] for verb in VERBS}


def many_labels(result: Mapping[str, Any]) -> Figures:
    """Give what many labels cost in use beside few, of a large vocabulary."""
    few, many = (run["labels"] for run in result["runs"])
    name = f"label, {many} labels"
    differing = 1 - result["runs"][1]["agrees"]
    return {
        f"{name} over {few}": [result["times"]],
        f"{name}, MiB more than {few}": [result["more_mib"]],
        f"{name}, share of windows unlike the whole tree": [differing],
    }


def in_use(result: Mapping[str, Any]) -> Figures:
    """Give times over what cannot be spared (the module's ratios are of speed)."""
    names = {
        "scoring": f"label with the encoder over a bare forward, {result.get('llm')}",
        "classify": "classify a store over scoring alone",
    }
    figures = {
        title: [1 / result[part]["ratio"]] for part, title in names.items() if part in result
    }
    if ray := result.get("ray"):
        which = f"on ray, {result['adapter']}, {ray['windows']:,} windows"
        figures[f"classify {which}, {ray['workers']} workers over one"] = [1 / ray["ratio"]]
        figures[f"rows that differ {which}"] = [ray["differing"]]
    return figures


def audit(result: Mapping[str, Any]) -> Figures:
    """Give the audit's time over bare encoding, tokenizer by tokenizer."""
    return {
        f"audit by {row['bare'][0]['tokenizer']}, {row['values']:,} {kind.replace('_', ' ')}":
            [row["ratio"]]
        for kind in ("numbers", "raw_lines") for row in result[kind]
    }  # fmt: skip


AIMS = {
    r"label, 200 labels over 6": 4,
    r"label, 200 labels, MiB more than 6": 200,
    r"label, 200 labels, share of windows unlike the whole tree": 0.01,
    r"label with the encoder over a bare forward, bundled": 1 / 0.85,
    r"label with the encoder over a bare forward, smollm2": 1 / 0.95,
    r"classify a store over scoring alone": 1 / 0.9,
    r"classify on ray, .*, 2 workers over one": 1 / 1.6,
    r"rows that differ on ray, .*": 0,
    r"memory of \w+, 64 times the store": 1.05,
    r"first answer of \w+": 1.3,
    r"audit by t5, .*": 1.6,
    r"audit by .*, [23]\d\d,\d+ raw lines": 1.7,
    r"audit by .*, (9\d\d,\d+|1,0\d\d,\d+) raw lines": 1.4,
}
"""The most that a figure is to be; the least of those that match."""


def aim(name: str) -> float | None:
    """Give the most that a figure is to be; None where nothing is aimed at."""
    return min((most for form, most in AIMS.items() if re.fullmatch(form, name)), default=None)


@dataclass(frozen=True)
class Part:
    """One module, its words, and what is taken of its result.

    `lacks` says what it needs that is not here; '' where nothing is. `unpack` puts files into a
    folder and gives further words.
    """

    module: str
    words: tuple[str, ...]
    quick: tuple[str, ...]
    take: Callable[[Mapping[str, Any]], Figures]
    rounds: int = ROUNDS
    lacks: Callable[[], str] = str
    unpack: Callable[[Path], list[str]] = lambda folder: []


def without_smollm2() -> str:
    """Say that the catalogue's model is not here, or nothing."""
    here = CATALOGUE["smollm2"].is_here
    return "" if here else "smollm2 is not here: sensor2llm get smollm2"


def without_ray() -> str:
    """Say that ray is not installed, or nothing."""
    return "" if find_spec("ray") else 'ray is not installed: pip install ".[ray]"'


def without_tokenizers() -> str:
    """Say that others' tokenizers are not here, or nothing."""
    return "" if TOKENIZERS.is_file() else "SENSOR2LLM_SHARED names no folder with tokenizers"


def unpack_tokenizers(folder: Path) -> list[str]:
    """Unpack others' tokenizers, and name them as the audit's benchmark takes them."""
    with tarfile.open(TOKENIZERS) as archive:
        for file in FILES.values():
            archive.extract(f"tokenizers/{file}", folder, filter="data")
    files = [f"{name}={folder / 'tokenizers' / file}" for name, file in FILES.items()]
    return ["--tokenizers", "bundled", *files]


REAL = ("--adapter", "uci-har", "--parts", "scoring")
ON_RAY = ("--adapter", "uci-har", "--parts", "ray")
PARTS = (
    Part("cost", ("--rounds", str(ROUNDS)), ("--rounds", "1", "--quick"), growth, 1),
    Part("adapter_speed", ("--pairs", "5"), ("--pairs", "1", "--batch-size", "8"), beside_llm),
    Part("use", ("--pairs", "5"), ("--pairs", "1", "--classified", "64"), in_use),
    Part("use", (*REAL, "--batch-size", "32", "--pairs", "3"),
         (*REAL, "--batch-size", "4", "--pairs", "1"), in_use, lacks=without_smollm2),
    Part("use", ("--parts", "ray"), ("--parts", "ray", "--windows", "64"), in_use, 1,
         without_ray),
    # Two parts of a store, one a worker: a large model needs minutes for 20,000 windows.
    Part("use", (*ON_RAY, "--windows", "4096"), (*ON_RAY, "--windows", "8"), in_use,
         1, lambda: without_ray() or without_smollm2()),
    Part("labels", ("--training-batch", "0"), ("--training-batch", "0", "--labels", "6", "20",
         "--vocabulary", "8192", "--batch-size", "4", "--rounds", "1"), many_labels, 1),
    Part("help_time", ("--runs", "2", "--answers"), ("--runs", "1", "--answers"), start),
    Part("memory", (), ("--windows", "64", "--steps", "2"), memory, 1),
    Part("audit_speed", ("alone", "--values", "300000", "1000000"), ("alone", "--values", "20000"),
         audit, lacks=without_tokenizers, unpack=unpack_tokenizers),
)  # fmt: skip


def run_part(part: Part, quick: bool) -> Figures:
    """Run one module as often as there are rounds and gather its figures."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        words = [*(part.quick if quick else part.words), *part.unpack(Path(folder))]
        command = [sys.executable, "-m", f"benchmarks.speed.{part.module}", *words, "--out", out]
        for _ in range(1 if quick else part.rounds):
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
            if done.returncode:
                sys.exit(f"{part.module} failed:\n{done.stderr[-2000:]}")
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
    figures, left_out = {}, []
    for part in PARTS:
        if missing := part.lacks():
            left_out.append(missing)
            print(f"left out: {missing}", file=sys.stderr)
            continue
        for name, values in run_part(part, options.quick).items():
            figures[name] = summary(values) | {"aim": aim(name)}
            print(line(name, figures[name]), flush=True)
    out = options.out or (None if options.quick else RESULT)
    result = {"quick": options.quick, "busy": busy, "seconds": round(time.perf_counter() - began)}
    before = committed(RESULT)
    result = record("speed.suite", result | {"left_out": left_out, "figures": figures}, started)
    write(result, out)
    if before and before.get("precision") != result["precision"]:
        print(f"the committed run computed in another precision than {result['precision']}")
    if out:
        draw_growth(figures, out.with_suffix(".png"))
    for text in slower(figures, before.get("figures", {})):
        print(f"slower: {text}")


def line(name: str, figure: Mapping[str, Any]) -> str:
    """Write a figure, and whether it is as low as is aimed at."""
    most = figure["aim"]
    judged = ""
    if most is not None:
        judged = f"   at most {most:.2f}: {'reached' if figure['median'] <= most else 'missed'}"
    return f"{name:<64}{figure['median']:>8.2f}{judged}"


if __name__ == "__main__":
    main()
