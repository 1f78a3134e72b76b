"""The frozen LLM in 16, 8 and 4 bit: its size, and what the adapter around it loses.

    python -m benchmarks.speed.quantised --data stores/uci_har --encoder uci-har-encoder

One adapter a format: the same windows, encoder, seed and number of steps; it is trained, saved,
loaded and judged by label scoring on the test people in a process of its own. A format that is in
OUT/results.json is not measured again. Nothing is chosen here but each adapter's epoch, on the
validation people. Sizes are of what is held in memory, quantisation states counted; differences
are paired over the test people, who are resampled together.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import record
from sensor2llm.errors import run_verb
from sensor2llm.training.record import write_json

RESULTS = Path(__file__).resolve().parents[1] / "results" / "quantised"
FORMATS = {"bfloat16": None, "8 bit": "8bit", "4 bit": "4bit"}
REFERENCE = "bfloat16"
LIMIT_SHARE, LIMIT_POINTS = 0.16, 2.0
KEPT = ("macro_f1", "interval", "balanced_accuracy", "accuracy", "windows", "subjects")
logger = logging.getLogger(__name__)


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train and judge one adapter in this process."""
    import torch

    from benchmarks.speed.llm_sizes import measure_sizes
    from sensor2llm.evaluation.evaluation import evaluate_adapter
    from sensor2llm.recipes.train import train_adapter
    from sensor2llm.tasks.loading import load_model

    torch.set_num_threads(1)
    folder = adapter_folder(options.out, name)
    started = time.process_time()
    trained = train_adapter(make_recipe(name, options), resume=True)
    cpu_s = time.process_time() - started
    sizes = measure_sizes(trained.model.llm)
    model = load_model(str(folder))
    evaluation = evaluate_adapter(model, trained.store, trained.split)
    evaluation.save(folder)
    return {
        "name": name,
        **{key: evaluation.metrics[key] for key in KEPT},
        "linear_share": sizes.linear_share,
        "whole_share": sizes.whole_share,
        "bytes": asdict(sizes),
        "cpu_s": cpu_s,
        "windows_per_cpu_s": trained.result.rows / cpu_s,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "steps": trained.result.steps,
        "best_step": trained.result.best_step,
        "llm_fingerprint": trained.fingerprint,
        "llm_unchanged": model.llm.fingerprint() == trained.fingerprint,
    }


def make_recipe(name: str, options: argparse.Namespace) -> Any:
    """Say how the adapter of a format is trained."""
    from sensor2llm.recipes.config import Recipe, adapter_loop
    from sensor2llm.signals.config import SplitConfig

    return Recipe(
        data=options.data,
        split=SplitConfig(kind=options.split),
        encoder=options.encoder,
        llm=options.llm,
        llm_dtype="bfloat16",
        llm_quantization=FORMATS[name],  # type: ignore[arg-type]
        loop=replace(adapter_loop(), epochs=options.epochs, patience=0),
        out=adapter_folder(options.out, name),
    )


def adapter_folder(out: Path, name: str) -> Path:
    """Say where a format's adapter lies."""
    return out / name.replace(" ", "")


def loss(out: Path, name: str) -> dict[str, Any]:
    """Give how many points of macro-F1 a format loses against the reference, and the interval."""
    from sensor2llm.tasks.metrics import paired_difference

    first, second = (read_predictions(adapter_folder(out, n)) for n in (REFERENCE, name))
    difference, interval = paired_difference(first, second)
    return {
        "points_lost": 100 * difference,
        "points_lost_interval": interval and [100 * edge for edge in interval],
    }


def read_predictions(folder: Path) -> Any:
    """Read what `Evaluation.save` wrote of each window."""
    import numpy as np
    import pyarrow.parquet as pq

    from sensor2llm.tasks.metrics import Predictions

    rows = pq.read_table(folder / "predictions.parquet").to_pydict()
    labels = tuple(sorted({*rows["true"], *(label for label in rows["predicted"] if label)}))
    place = {label: i for i, label in enumerate(labels)} | {None: -1}
    true, predicted = (np.array([place[one] for one in rows[k]]) for k in ("true", "predicted"))
    subjects = np.array(rows["subject"])
    return Predictions(labels=labels, true=true, predicted=predicted, subjects=subjects)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Say whether 4 bits reach the figures: the share of float32, and the points lost."""
    four_bit = next((row for row in rows if row["name"] == "4 bit"), None)
    if four_bit is None or "points_lost" not in four_bit:
        return {}
    return {
        "linear_share": four_bit["linear_share"],
        "linear_share_within_limit": four_bit["linear_share"] <= LIMIT_SHARE,
        "points_lost": four_bit["points_lost"],
        "points_lost_within_limit": four_bit["points_lost"] <= LIMIT_POINTS,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Write the results as Markdown, a row a format."""
    head = (
        "frozen LLM", "linear layers, share of float32", "whole LLM, share of float32",
        "whole LLM, MB", "macro-F1 (95 % over people)", "points lost (95 %)",
        "trained, windows a CPU second",
    )  # fmt: skip
    lines = [
        (
            row["name"],
            f"{row['linear_share']:.3f}",
            f"{row['whole_share']:.3f}",
            f"{row['bytes']['whole'] / 1e6:.2f}",
            f"{row['macro_f1']:.3f}{_between(row['interval'], 3)}",
            f"{row['points_lost']:.1f}{_between(row['points_lost_interval'], 1)}"
            if "points_lost" in row
            else "–",
            f"{row['windows_per_cpu_s']:.0f}",
        )
        for row in rows
    ]
    texts = ["| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *lines)]
    return "\n".join(texts)


def _between(interval: list[float] | None, digits: int) -> str:
    """Write an interval; few people have none."""
    return f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})" if interval else ""


def main() -> None:
    """Measure what is missing, one process a format, and write the results and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("stores/uci_har"), help="window store")
    parser.add_argument("--split", default="published", help="kind of split of the people")
    parser.add_argument("--encoder", default="uci-har-encoder", help="the frozen encoder of all")
    parser.add_argument("--llm", default="bundled", help="folder or name of the LLM")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("runs/quantised"))
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the table goes")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only:
        write_json(options.out / "one.json", measure(options.only, options))
        return
    path = options.out / "results.json"
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"formats": []}
    rows = {row["name"]: row for row in earlier["formats"]}
    started = os.getloadavg()
    for name in FORMATS:
        if name in rows:
            continue
        logger.info("%s, load %.1f", name, os.getloadavg()[0])
        command = [
            sys.executable,
            "-m",
            "benchmarks.speed.quantised",
            *sys.argv[1:],
            "--only",
            name,
        ]
        subprocess.run(command, check=True)
        rows[name] = json.loads((options.out / "one.json").read_text(encoding="utf-8"))
        if name != REFERENCE:
            rows[name] |= loss(options.out, name)
        finished = [rows[name] for name in FORMATS if name in rows]
        write_json(
            path,
            record(
                "benchmarks.speed.quantised", {"formats": finished, **summary(finished)}, started
            ),
        )
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "results.json").write_bytes(path.read_bytes())
    text = table([rows[name] for name in FORMATS])
    (options.results / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
