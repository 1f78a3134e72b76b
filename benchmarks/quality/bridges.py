"""Every bridge on the same windows, the same frozen LLM and the same number of steps.

    python -m benchmarks.quality.bridges --data stores/uci_har --encoder uci-har-encoder \
        --out runs/bridges

Each bridge is trained, saved, loaded and measured in a process of its own, so that its memory is
its own; a bridge that is in OUT/results.json is not measured again. Label scoring on the test
people, whom no encoder and no bridge has seen; nothing is chosen here but each bridge's epoch, on
the validation people. Windows a second are of CPU time in one thread, as other work may run beside.
A soft prompt alone, on the window as text, stands in the study's comparison.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import record
from sensor2llm.bridge.config import PROJECTOR_KINDS, ProjectorConfig
from sensor2llm.errors import run_verb
from sensor2llm.llm.config import LowRankConfig, PrefixConfig, SoftPromptConfig
from sensor2llm.recipes.config import Recipe, adapter_loop
from sensor2llm.signals.config import SplitConfig
from sensor2llm.training.record import write_json

RESULTS = Path(__file__).resolve().parents[1] / "results" / "bridges"
TOKENS, HIDDEN, HEADS = 8, 192, 3
KEPT = ("macro_f1", "interval", "balanced_accuracy", "accuracy", "windows", "subjects")
logger = logging.getLogger(__name__)


def bridges() -> dict[str, dict[str, Any]]:
    """Give every bridge's settings, by its name in the table."""
    sizes = {"tokens": TOKENS, "hidden": HIDDEN, "heads": HEADS}
    settings: dict[str, dict[str, Any]] = {
        kind: {"projector": ProjectorConfig(kind=kind, **sizes)}  # type: ignore[arg-type]
        for kind in PROJECTOR_KINDS
    }
    mlp, nothing = settings["mlp"], SoftPromptConfig(tokens=0)
    prefix = PrefixConfig(tokens=8)
    settings["mlp, prefix tuning"] = {**mlp, "prefix": prefix, "soft_prompt": nothing}
    settings["mlp, LoRA (not frozen)"] = {**mlp, "lora": LowRankConfig(rank=8)}
    settings["mlp, scale"] = {"projector": replace(mlp["projector"], scale=True)}
    settings["mlp, no soft prompt"] = {**mlp, "soft_prompt": nothing}
    return settings


def measure(name: str, data: Path, encoder: str, epochs: int, out: Path) -> dict[str, Any]:
    """Train and judge one bridge in this process."""
    from sensor2llm.evaluation.evaluation import evaluate_adapter
    from sensor2llm.recipes.train import train_adapter
    from sensor2llm.tasks.classification import store_batches
    from sensor2llm.tasks.loading import load_model

    torch.set_num_threads(1)
    recipe = make_recipe(name, data, encoder, epochs, out)
    with timed() as training:
        trained = train_adapter(recipe, resume=True)
    model = load_model(str(recipe.out))
    evaluation = evaluate_adapter(model, trained.store, trained.split)
    test = trained.split.test[:512]
    batches = list(store_batches(model, trained.store, test, 64))
    with timed() as use:
        for batch in batches:
            model.score(batch)
    return {
        "name": name,
        **{key: evaluation.metrics[key] for key in KEPT},
        "trainable_parameters": sum(
            p.numel() for p in trained.model.adapter.parameters() if p.requires_grad
        ),
        "positions": model.tokens_per_window,
        "frozen": model.adapter.frozen,
        "training_windows_per_s": trained.result.rows / training["cpu_s"],
        "scored_windows_per_s": len(test) / use["cpu_s"],
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "best_step": trained.result.best_step,
        "steps": trained.result.steps,
        "llm_fingerprint": trained.fingerprint,
        "settings": {key: asdict(value) for key, value in bridges()[name].items()},
    }


def make_recipe(name: str, data: Path, encoder: str, epochs: int, out: Path) -> Recipe:
    """Say how a bridge is trained."""
    return Recipe(
        data=data,
        encoder=encoder,
        split=SplitConfig(kind="published"),
        loop=replace(adapter_loop(), epochs=epochs, patience=0),
        out=out / name.replace(", ", "-").replace(" ", "_"),
        **bridges()[name],
    )


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Measure the process's CPU time."""
    spent: dict[str, float] = {}
    before = time.process_time()
    yield spent
    spent["cpu_s"] = time.process_time() - before


def table(rows: list[dict[str, Any]]) -> str:
    """Write the results as Markdown, a row a bridge."""
    head = (
        "bridge", "macro-F1 (95 % over people)", "trained parameters", "positions a window",
        "trained, windows/s", "scored, windows/s", "peak memory, MiB",
    )  # fmt: skip
    lines = [
        (
            row["name"],
            f"{row['macro_f1']:.3f} ({row['interval'][0]:.3f} to {row['interval'][1]:.3f})",
            f"{row['trainable_parameters']:,}",
            f"{row['positions']:g}",
            f"{row['training_windows_per_s']:.0f}",
            f"{row['scored_windows_per_s']:.0f}",
            f"{row['peak_memory_mib']:.0f}",
        )
        for row in rows
    ]
    texts = ["| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *lines)]
    return "\n".join(texts)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw macro-F1 with its interval, and the speed of scoring, a line a bridge."""
    from matplotlib.figure import Figure

    from sensor2llm.plots.figures import COLOURS, save_picture

    figure = Figure(figsize=(9, 1.2 + 0.36 * len(rows)), layout="constrained")
    score, speed = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for place, row in enumerate(reversed(rows)):
        low, high = row["interval"]
        score.plot([low, high], [place, place], color=COLOURS[0], linewidth=2)
        score.plot(row["macro_f1"], place, "o", color=COLOURS[0])
        speed.barh(place, row["scored_windows_per_s"], color=COLOURS[5], height=0.6)
    score.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
    score.set(xlabel="macro-F1 of the test people, 95 % over people")
    speed.set(xlabel="windows scored a CPU second")
    for axis in (score, speed):
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    save_picture(figure, path)


def main() -> None:
    """Measure what is missing, one process a bridge, and write table and picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("stores/uci_har"), help="window store")
    parser.add_argument("--encoder", default="uci-har-encoder", help="the frozen encoder of all")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--bridges", nargs="+", default=list(bridges()), help="which of them")
    parser.add_argument("--out", type=Path, default=Path("runs/bridges"))
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only:
        result = measure(options.only, options.data, options.encoder, options.epochs, options.out)
        write_json(options.out / "one.json", result)
        return
    path = options.out / "results.json"
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"bridges": []}
    rows = {row["name"]: row for row in earlier["bridges"]}
    started = os.getloadavg()
    for name in options.bridges:
        if name in rows:
            continue
        command = [
            sys.executable,
            "-m",
            "benchmarks.quality.bridges",
            *sys.argv[1:],
            "--only",
            name,
        ]
        subprocess.run(command, check=True)
        rows[name] = json.loads((options.out / "one.json").read_text(encoding="utf-8"))
        finished = [rows[bridge] for bridge in bridges() if bridge in rows]
        write_json(path, record("quality.bridges", {"bridges": finished}, started))
    finished = [rows[bridge] for bridge in bridges() if bridge in rows]
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_json(
        RESULTS / "results.json",
        record("quality.bridges", {"bridges": finished}, started),
    )
    (RESULTS / "table.md").write_text(table(finished) + "\n", encoding="utf-8")
    plot(finished, RESULTS / "bridges.png")
    print(table(finished))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
