"""The card of an adapter that was measured: its README.md with the results in it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sensor2llm.adapter.card import between_text, data_lines, datasets_of, people_text
from sensor2llm.adapter.card import card_text as base_card
from sensor2llm.adapter.check_windows import FILE
from sensor2llm.adapter.trust import Trust
from sensor2llm.artefacts.card import table
from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.errors import ArtefactError
from sensor2llm.evaluation.cards.results import label_results, task_results
from sensor2llm.evaluation.cards.task import read_tasks, task_section
from sensor2llm.evaluation.cards.trust import is_turn_free, trust_section
from sensor2llm.evaluation.missing import summary_lines
from sensor2llm.signals.likeness.evidence import gravity_lines
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.training.record import write_bytes

TEMPLATE = Path(__file__).with_name("adapter.md.j2")
TEXT = "metrics_text.json"
REPEATED = "metrics_repeated.json"
"""What other seeds and folds of the same recipe reach; `benchmarks.quality.adapters` writes it."""
RESOLVED = "resolved.yaml"
CONTROLS = {
    "majority": "most frequent training label",
    "probe": "logistic regression on the same encoder features, no LLM",
    "simple_features": "random forest on simple features, no LLM and no encoder",
    "text_only": "no signal, only the text",
    "zeroed": "signal set to its mean",
    "time_shuffled": "steps of the signal in random order",
    "time_reversed": "signal backwards",
    "another_window": "signal of a window with another label",
    "same_class": "signal of another window with the same label, of another person if there is one",
}


def write_card(folder: str | Path, *, title: str | None = None, part: Path | None = None) -> Path:
    """Write `README.md` into an adapter's folder from its manifest and what was measured.

    What was read from free text stands beside the scores where `metrics_text.json` is there, and
    each further task where `metrics_TASK.json` is.

    Args:
        folder: an adapter that `evaluate` has been run on.
        title: the first line; the folder's name by default.
        part: new files that will go into the folder together; the card goes with them.

    Raises:
        ArtefactError: where the manifest or the metrics are missing or no JSON.
    """
    folder = Path(folder)
    new = part or folder

    def place(name: str) -> Path:
        return new / name if (new / name).is_file() else folder / name

    manifest, tasks = _read(place("sensor2llm.json")), read_tasks(place)
    alone = bool(tasks) and not place("metrics.json").is_file()
    metrics = {} if alone else _read(place("metrics.json"))
    by_text = _read(place(TEXT)) if place(TEXT).is_file() else None
    repeated = _read(place(REPEATED)) if place(REPEATED).is_file() else None
    text = card_text(
        manifest,
        metrics,
        title or folder.resolve().name,
        by_text,
        tasks,
        runs_text(_seed(place(RESOLVED)), repeated),
        _gravity(place(FILE).parent, manifest),
    )
    write_bytes(new / "README.md", text.encode("utf-8"))
    return new / "README.md"


def card_text(
    manifest: Mapping[str, Any],
    metrics: Mapping[str, Any],
    title: str,
    by_text: Mapping[str, Any] | None = None,
    tasks: Mapping[str, Mapping[str, Any]] | None = None,
    runs: str = "",
    gravity: Sequence[str] = (),
) -> str:
    """Return the text of a card with results.

    Args:
        manifest: `sensor2llm.json` of the adapter.
        metrics: `metrics.json`, what `evaluate` wrote; empty where labels were not measured.
        title: the first line.
        by_text: what `evaluate --by text` wrote.
        tasks: what `evaluate --task` wrote, by task.
        runs: which seed this is, and what others of the recipe reach; see `runs_text`.
        gravity: which way gravity lay in training, a line an accelerometer.
    """
    tasks = tasks or {}
    measured = [metrics, *tasks.values()]
    data: Mapping[str, Any] = next((one["data"] for one in measured if one.get("data")), {})
    results = [
        *(label_results(metrics) if metrics else ()),
        *(label_results(by_text, "read from free answers") if by_text else ()),
        *(result for scores in tasks.values() for result in task_results(scores)),
    ]
    return base_card(
        manifest,
        title=title,
        data=data_lines(data),
        template=TEMPLATE,
        datasets=datasets_of(data.get("source") or ""),
        results=results,
        tasks=[task_section(scores) for scores in tasks.values()],
        by_text=by_text,
        text_scores=_text_scores(by_text) if by_text else (),
        runs=runs,
        chosen=chosen_text(metrics) if metrics else "",
        trust=trust_section(metrics, turn_free=is_turn_free(manifest), gravity=gravity),
        **_label_sections(metrics),
    )


def runs_text(seed: int | None, repeated: Mapping[str, Any] | None) -> str:
    """Put a released adapter's seed and the mean over the recipe's runs into one line."""
    own = "" if seed is None else f"This adapter is seed {seed}"
    others = f"its recipe's runs: {repeats_text(repeated)}" if repeated else ""
    return "; ".join(part for part in (own, others) if part)


def repeats_text(repeated: Mapping[str, Any]) -> str:
    """Say what the runs of a recipe reach: how many seeds (and folds), mean, spread, interval."""
    seeds, folds = len(repeated["seeds"]), len(repeated["folds"])
    counts = f"{seeds} seed{'s' * (seeds > 1)}" + (f" in {folds} folds" if folds > 1 else "")
    text = f"{repeated['macro_f1']:.3f} ± {repeated['sd']:.3f}, {counts}"
    if not repeated.get("interval"):
        return text
    low, high = repeated["interval"]
    over = "people and retraining" if repeated["covers_retraining"] else "people"
    return f"{text} (95 % over {over}: {low:.3f} to {high:.3f})"


def chosen_text(metrics: Mapping[str, Any]) -> str:
    """Say on whose windows anything was chosen in the run that made the adapter."""
    people = metrics.get("data", {}).get("people", {}).get("validation")
    who = f"the {people_text(people)} for validation" if people else "validation people"
    if metrics.get("split") == "validation":
        return f"Chosen on {who}, who are judged here: the scores flatter."
    return f"Chosen on {who}: which step's weights are kept. In training nobody else chose."


def _gravity(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Say how devices were turned in training; nothing where an adapter does not keep it."""
    profile = Trust.read(folder, SignalSpec.from_dict(manifest["spec"])).profile
    return gravity_lines(profile) if profile else []


def _seed(resolved: Path) -> int | None:
    """Read the seed of a whole run; None where it is not told."""
    recipe = read_yaml(resolved, ArtefactError) if resolved.is_file() else {}
    seed = (recipe.get("loop") or {}).get("seed")
    return seed if isinstance(seed, int) else None


def _label_sections(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the template shows of labels; each is empty where it was not measured."""
    summary = metrics.get("missing_summary")
    return {
        "metrics": metrics,
        "scores": _scores(metrics) if metrics else (),
        "by_label": [(name, f"{f1:.3f}") for name, f1 in metrics.get("f1_by_label", {}).items()],
        "data_sets": _data_sets(metrics.get("data_sets") or {}),
        "controls": _controls(metrics) if metrics.get("controls") else "",
        "missing": _missing(metrics) if metrics.get("missing") else "",
        "missing_summary": summary_lines(summary) if summary else (),
    }


def _scores(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("macro-F1", f"{metrics['macro_f1']:.3f}{between_text(metrics)}"),
        ("balanced accuracy", f"{metrics['balanced_accuracy']:.3f}"),
        ("accuracy", f"{metrics['accuracy']:.3f}"),
        ("unparsed answers", f"{metrics['unparsed_rate']:.2%}"),
        ("windows", f"{metrics['windows']} of {people_text(metrics['subjects'])}"),
        ("positions a window in the LLM", f"{metrics['tokens_per_window']:g}"),
    ]
    if metrics.get("calibration_error") is not None:
        rows.insert(3, ("expected calibration error", f"{metrics['calibration_error']:.3f}"))
    return rows


def _data_sets(sets: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{own['macro_f1']:.3f}{between_text(own)}",
            f"{own['windows']}",
            f"{own['subjects']}",
        )
        for name, own in sets.items()
    ]


def _text_scores(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("macro-F1", f"{metrics['macro_f1']:.3f}{between_text(metrics)}"),
        ("unparsed answers", f"{metrics['unparsed_rate']:.2%}"),
    ]


def _controls(metrics: Mapping[str, Any]) -> str:
    head = ["what the model gets", "macro-F1", "adapter minus this", "answers changed"]
    rows = [["this adapter", f"{metrics['macro_f1']:.3f}", "", ""]]
    # Random weights that the bridge was never trained on show no more than that they are others.
    shown = {name: one for name, one in metrics["controls"].items() if name != "random_llm"}
    compared = [metrics, *shown.values()]
    for place, (name, control) in enumerate(shown.items(), start=1):
        if control["windows"] < metrics["windows"] and len(compared) == len(shown) + 1:
            own = control["macro_f1"] + control["model_minus_control"]
            some = f"this adapter, on {control['windows']} windows spread evenly, as below"
            rows.append([some, f"{own:.3f}", "", ""])
            compared.insert(place, {})
        between = control.get("model_minus_control_interval")
        difference = f"{control['model_minus_control']:+.3f}"
        if between:
            difference += f" ({between[0]:+.3f} to {between[1]:+.3f})"
        scores = [f"{control['macro_f1']:.3f}", difference, f"{control['flip_rate']:.0%}"]
        rows.append([CONTROLS.get(name, name), *scores])
    return _probed_table(head, rows, compared)


def _missing(metrics: Mapping[str, Any]) -> str:
    measured = metrics["missing"]
    # What was measured before there were subsets says of no modality that it was taken away.
    names = sorted(measured, key=lambda name: len(measured[name].get("taken_away", [name])))
    subsets = [measured[name] for name in names]
    rows = [
        [name.replace("+", " + "), f"{one['macro_f1']:.3f}", f"{one['flip_rate']:.0%}"]
        for name, one in zip(names, subsets, strict=True)
    ]
    return _probed_table(["taken away", "macro-F1", "answers changed"], rows, subsets)


def _probed_table(
    head: list[str], rows: list[list[str]], scores: Sequence[Mapping[str, Any]]
) -> str:
    """Write a table, with what the probe makes of the same windows where that was measured."""
    if not any("probe_flip_rate" in one for one in scores):
        return table(head, rows)
    probed = [
        [f"{one['probe_macro_f1']:.3f}", f"{one['probe_flip_rate']:.0%}"]
        if "probe_flip_rate" in one
        else ["", ""]
        for one in scores
    ]
    head = [*head, "macro-F1 without an LLM", "its answers changed"]
    return table(head, [[*row, *cells] for row, cells in zip(rows, probed, strict=True)])


def _read(file: Path) -> Mapping[str, Any]:
    folder = file.parent
    if not file.is_file():
        raise ArtefactError(
            f"'{folder}' has no {file.name}, which its card is written from; "
            f"run `python -m sensor2llm.evaluate {folder} --data STORE` first"
        )
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ArtefactError(f"{file} is no JSON ({error}); write it again") from error
