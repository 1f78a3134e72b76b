"""Measure what a folder holds, an adapter or an encoder, and keep what was found beside it."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensor2llm.adapter.card import people_text
from sensor2llm.adapter.files import find_artefact, rewrite_training_data
from sensor2llm.artefacts.manifest import kind_of
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.evaluation.cards.adapter import CONTROLS, write_card
from sensor2llm.evaluation.cards.encoder import write_encoder_card
from sensor2llm.evaluation.encoder_evaluation import (
    ReadEncoder,
    embedding_text,
    evaluate_encoder,
    read_encoder,
)
from sensor2llm.evaluation.evaluation import Evaluation, checked_split, evaluate_adapter
from sensor2llm.evaluation.missing import summary_lines
from sensor2llm.evaluation.trust import trust_lines
from sensor2llm.model.acceptance import measure_check_windows
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.plots.figures import plot_confusion, plot_reliability
from sensor2llm.recipes.evaluate_task import evaluate_task, task_text
from sensor2llm.recipes.results_folder import ResultsFolder, results_folder
from sensor2llm.recipes.trust import measure_trust
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.config import EvaluationConfig
from sensor2llm.tasks.loading import load_model
from sensor2llm.tasks.metrics import confusion_text
from sensor2llm.training.record import write_json


def evaluate(config: EvaluationConfig, command: str) -> dict[str, Any]:
    """Measure, write the results, and return the metrics as plain JSON.

    Results of the test people are kept, see `results_folder`; a card there is written again.

    Raises:
        UserError: the adapter, the LLM or the store cannot be used, or do not fit.
    """
    folder = find_artefact(config.adapter)
    store = WindowStore.open(config.data)
    measure = _evaluate_encoder if kind_of(folder) == "encoder" else _evaluate_adapter
    return measure(config, command, folder, store)


def _evaluate_encoder(
    config: EvaluationConfig, command: str, folder: Path, store: WindowStore
) -> dict[str, Any]:
    _check_encoder_options(config)
    out = results_folder(config, folder)
    metrics = evaluate_encoder(
        folder, store, part=config.split, finetuned=config.finetuned, seed=config.seed
    )
    metrics["command"] = command
    if out:
        with out.update() as part:
            write_json(part / "metrics.json", metrics)
            if out.own:
                write_encoder_card(out.path, part=part)
    return metrics


def _evaluate_adapter(
    config: EvaluationConfig, command: str, folder: Path, store: WindowStore
) -> dict[str, Any]:
    model = load_model(config.adapter, config.llm, llm_accept=config.llm_accept)
    out, split = results_folder(config, folder), _split(model, store, config)
    if config.calibrate is not None:
        _calibrate(model, store, split, config, out.path if out and out.own else None)
    evaluation = evaluate_adapter(
        model,
        store,
        split,
        part=config.split,
        by=config.by,
        controls=config.controls,
        missing=config.missing,
        control_windows=config.control_windows,
        batch_size=config.batch_size,
        seed=config.seed,
        progress_bar=True,
    )
    evaluation.metrics["command"] = command
    if config.calibrate is not None:
        _keep_earlier(evaluation.metrics, folder / "metrics.json")
    if model.accepted:
        evaluation.metrics["llm_accepted"] = model.accepted
    if out:
        _keep(evaluation, out)
    return evaluation.metrics


def _calibrate(
    model: SensorLanguageModel,
    store: WindowStore,
    split: Split,
    config: EvaluationConfig,
    folder: Path | None,
) -> None:
    """Add to an adapter's own folder what it takes to say how sure it is; weights stay."""
    if folder is None or config.split == "all":
        raise ConfigError(
            f"--calibrate changes the folder of '{config.adapter}' and takes the people that its "
            "recipe names: name that folder as the adapter and with --out, and leave --split out"
        )
    model.adapter.trust = measure_trust(
        model, store, split, config.batch_size, config.calibrate or ()
    )
    if (check := model.adapter.check_windows) is not None:
        model.adapter.check_windows = measure_check_windows(model, check.features)
    rewrite_training_data(model.adapter.parts, folder)


def _keep_earlier(metrics: dict[str, Any], path: Path) -> None:
    """Keep controls and what else was measured of the same weights; no label is another now."""
    metrics["calibration_command"] = metrics["command"]
    if not path.is_file():
        return
    earlier = json.loads(path.read_text(encoding="utf-8"))
    same = ("windows", "split", "by", "labels")
    if all(earlier.get(name) == metrics[name] for name in same):
        others = {name: value for name, value in earlier.items() if name not in metrics}
        metrics |= others | {"command": earlier["command"]}


def evaluate_and_describe(
    config: EvaluationConfig, argv: Sequence[str] | None, as_json: bool
) -> tuple[dict[str, Any], str]:
    """Measure labels or another task; give the metrics, and as text for people or as JSON.

    `argv` are the words that were typed; those of the process where None.
    """
    words = sys.argv[1:] if argv is None else argv
    command = " ".join(["python -m sensor2llm.evaluate", *words])
    labels = config.task == "classification"
    metrics = evaluate(config, command) if labels else evaluate_task(config, command)
    if as_json:
        return metrics, json.dumps(metrics, ensure_ascii=False)
    text = report_text(metrics) + embedding_text(metrics) if labels else task_text(metrics)
    return metrics, text


def check_drawable(config: EvaluationConfig) -> ReadEncoder:
    """Read the encoder whose embeddings are to be drawn, before the minutes of measuring."""
    return read_encoder(config.adapter, WindowStore.open(config.data), quiet=True)


def _split(model: SensorLanguageModel, store: WindowStore, config: EvaluationConfig) -> Split:
    """Divide the store as the recipe does, or judge everybody; who taught is not judged."""
    adapter, what = model.adapter, f"'{config.adapter}'"
    if config.split != "all":
        return checked_split(adapter.recipe, store, adapter.taught, what)
    split = Split.everybody(store)
    if not adapter.taught and store.source and store.source == _source(config.adapter):
        raise DataError(
            f"leak: {what} was made with people of '{config.data}' and does not say with which; "
            "take --split test"
        )
    # What the first format released names nobody; `check` says so.
    for people in adapter.taught or (Taught(),):
        people.check(store, split.test, what)
    return split


def _source(name: str) -> str:
    """Give the data set that an artefact was measured on; empty where that is not known."""
    try:
        metrics = json.loads((find_artefact(name) / "metrics.json").read_text(encoding="utf-8"))
        return str(metrics["data"]["source"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def report_text(metrics: dict[str, Any]) -> str:
    """Return metrics as text for people: scores, controls, confusion matrix."""
    interval = metrics["interval"]
    between = f"  ({interval[0]:.3f} to {interval[1]:.3f} over subjects)" if interval else ""
    lines = [
        f"{metrics['windows']} windows of {people_text(metrics['subjects'])} ({metrics['split']})",
        f"macro-F1           {metrics['macro_f1']:.3f}{between}",
        f"balanced accuracy  {metrics['balanced_accuracy']:.3f}",
        f"accuracy           {metrics['accuracy']:.3f}",
    ]
    if metrics["calibration_error"] is not None:
        lines.append(f"calibration error  {metrics['calibration_error']:.3f}")
    lines += trust_lines(metrics.get("trust", {}))
    if metrics["tokens_per_window"]:
        lines += [
            f"unparsed           {metrics['unparsed_rate']:.2%}",
            f"speed              {metrics['windows_per_s']:.0f} windows/s, "
            f"{metrics['tokens_per_window']:g} positions a window",
        ]
    for kind, scores in metrics.get("probes", {}).items():
        released = scores["f1_crossl_released"]
        lines.append(
            f"{kind + ' probe':<17}  {scores['macro_f1']:.3f}  (released metric {released:.3f})"
        )
    for name, own in metrics.get("data_sets", {}).items():
        lines.append(f"{name:<17}  {own['macro_f1']:.3f}  ({own['windows']} windows)")
    for title in ("controls", "missing"):
        if rows := metrics.get(title):
            lines += ["", *_table(title, rows)]
    if summary := metrics.get("missing_summary"):
        lines += ["", *summary_lines(summary)]
    lines += ["", confusion_text(metrics["confusion"], metrics["labels"])]
    return "\n".join(lines)


def _table(title: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    """Give a line a control; the probe judges the same windows where there is one."""
    width = max(18, *map(len, rows))
    probed = any("probe_flip_rate" in row for row in rows.values())
    head = f"{title:<{width}} macro-F1  answers changed"
    lines = [head + "  without an LLM  its answers changed" * probed]
    for name, row in rows.items():
        line = f"{name:<{width}} {row['macro_f1']:>8.3f}  {row['flip_rate']:>15.1%}"
        if "probe_flip_rate" in row:
            line += f"  {row['probe_macro_f1']:>14.3f}  {row['probe_flip_rate']:>19.1%}"
        elif probed:
            line += " " * 37
        lines.append(f"{line}  {CONTROLS.get(name, '')}".rstrip())
    return lines


def _check_encoder_options(config: EvaluationConfig) -> None:
    if config.split in ("train", "all") or config.controls or config.missing or config.by == "text":
        raise ConfigError(
            f"'{config.adapter}' is an encoder: it is judged by probes on test or validation "
            "people; leave out --by, --controls and --missing"
        )


def _keep(evaluation: Evaluation, out: ResultsFolder) -> None:
    metrics, predictions = evaluation.metrics, evaluation.predictions
    with out.update() as part:
        evaluation.save(part)
        plot_confusion(
            metrics["confusion"], metrics["labels"], part / f"confusion{evaluation.suffix}.png"
        )
        if predictions.probabilities is not None:
            plot_reliability(predictions, part / "reliability.png")
        if out.own and any((place / "metrics.json").is_file() for place in (part, out.path)):
            write_card(out.path, part=part)
