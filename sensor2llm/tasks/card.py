"""The card of an adapter: README.md, written from the files beside it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sensor2llm.errors import ArtefactError
from sensor2llm.signals.sources.catalogue import SOURCES

LIMITS = (
    "Not a medical device: nothing here diagnoses, and no answer replaces an examination.",
    "It knows its labels only. A window of anything else still gets one of them.",
    "People, devices and places on the body that differ from the training data lower its score.",
    "Free answers are the language model's own; what is measured is the label.",
)
CONTROLS = {
    "majority": "most frequent training label",
    "probe": "logistic regression on the same encoder features, no LLM",
    "random_llm": "this bridge on a random-weight LLM",
    "text_only": "no signal, only the text",
    "zeroed": "signal set to its mean",
    "time_shuffled": "steps of the signal in random order",
    "time_reversed": "signal backwards",
    "another_window": "signal of a window with another label",
}


def write_card(folder: str | Path, *, title: str | None = None) -> Path:
    """Write `README.md` into an adapter's folder from its manifest and `metrics.json`.

    Args:
        folder: an adapter that `evaluate` has been run on.
        title: the first line; the folder's name by default.

    Raises:
        ArtefactError: where the manifest or the metrics are missing or no JSON.
    """
    folder = Path(folder)
    manifest, metrics = _read(folder, "sensor2llm.json"), _read(folder, "metrics.json")
    path = folder / "README.md"
    part = path.with_name("README.md.part")
    part.write_text(card_text(manifest, metrics, title or folder.resolve().name), encoding="utf-8")
    part.replace(path)
    return path


def card_text(manifest: Mapping[str, Any], metrics: Mapping[str, Any], title: str) -> str:
    """Return a card's text.

    Args:
        manifest: `sensor2llm.json` of the adapter.
        metrics: `metrics.json`, what `evaluate` wrote.
        title: the first line.
    """
    data = metrics.get("data", {})
    head = ["---", "library_name: sensor2llm", "tags: [sensors, language-model-adapter]", "---"]
    blocks = [
        "\n".join(head),
        f"# {title}",
        f"Lets the frozen language model `{manifest.get('llm', 'unknown')}` hear sensor "
        f"windows and say which of {len(metrics['labels'])} labels they show. "
        "Not one weight of the model is changed.",
        "## Signals\n\n" + _signals(manifest.get("spec", {})),
        "## Labels\n\n" + ", ".join(f"`{name}`" for name in metrics["labels"]),
        "## Data\n\n" + _data(data),
        "## Results\n\n" + _results(metrics),
    ]
    if metrics.get("controls"):
        blocks.append("## Controls\n\n" + _controls(metrics))
    if metrics.get("missing"):
        blocks.append("## Missing sensors\n\n" + _missing(metrics))
    blocks.append("## Limits\n\n" + "\n".join(f"- {limit}" for limit in LIMITS))
    blocks.append(
        "## Reproduce\n\n" + _block("python -m sensor2llm.train_adapter --config recipe.yaml")
    )
    return "\n\n".join(blocks) + "\n"


def _signals(spec: Mapping[str, Any]) -> str:
    rows = []
    for m in spec.get("modalities", ()):
        channels = ", ".join(f"{c['name']} ({c['unit']})" for c in m["channels"])
        rate = f"{m['rate_hz']:g} Hz" if m.get("rate_hz") else m.get("axis", "")
        rows.append((m["name"], channels, rate, str(m["steps"])))
    table = _table(("modality", "channels", "rate or axis", "steps a window"), rows)
    return f"{table}\n\nAny of them may be missing from a window."


def _data(data: Mapping[str, Any]) -> str:
    source = data.get("source") or "not stated"
    licence = next((s.licence for s in SOURCES.values() if s.title in source), "see the source")
    people = ", ".join(f"{n} people for {part}" for part, n in data.get("people", {}).items())
    lines = [f"- Source: {source}", f"- Licence of the data: {licence}"]
    if people:
        lines.append(f"- Split by subject: {people}; nobody is in two parts")
    return "\n".join(lines)


def _results(metrics: Mapping[str, Any]) -> str:
    part, interval = metrics.get("split", "test"), metrics["interval"]
    between = f" (95 % over subjects: {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    rows = [
        ("macro-F1", f"{metrics['macro_f1']:.3f}{between}"),
        ("balanced accuracy", f"{metrics['balanced_accuracy']:.3f}"),
        ("accuracy", f"{metrics['accuracy']:.3f}"),
        ("unparsed answers", f"{metrics['unparsed_rate']:.2%}"),
        ("windows", f"{metrics['windows']} of {metrics['subjects']} people"),
        ("positions a window in the LLM", f"{metrics['tokens_per_window']:g}"),
    ]
    if metrics.get("calibration_error") is not None:
        rows.insert(3, ("expected calibration error", f"{metrics['calibration_error']:.3f}"))
    by_label = _table(("label", "F1"), [(k, f"{v:.3f}") for k, v in metrics["f1_by_label"].items()])
    text = _table((f"{part} people", "value"), rows)
    command = _block(metrics["command"]) + "\n\n" if metrics.get("command") else ""
    return f"{command}{text}\n\n{by_label}\n\nLLM fingerprint: `{metrics['llm_fingerprint']}`"


def _controls(metrics: Mapping[str, Any]) -> str:
    rows = [("this adapter", f"{metrics['macro_f1']:.3f}", "", "")]
    for name, found in metrics["controls"].items():
        between = found.get("model_minus_control_interval")
        difference = f"{found['model_minus_control']:+.3f}"
        if between:
            difference += f" ({between[0]:+.3f} to {between[1]:+.3f})"
        told = CONTROLS.get(name, name)
        rows.append((told, f"{found['macro_f1']:.3f}", difference, f"{found['flip_rate']:.0%}"))
    return _table(
        ("what the model gets", "macro-F1", "adapter minus this", "answers changed"), rows
    )


def _missing(metrics: Mapping[str, Any]) -> str:
    rows = [
        (name, f"{found['macro_f1']:.3f}", f"{found['flip_rate']:.0%}")
        for name, found in metrics["missing"].items()
    ]
    return _table(("taken away", "macro-F1", "answers changed"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _block(command: str) -> str:
    return f"```\n{command}\n```"


def _read(folder: Path, name: str) -> Mapping[str, Any]:
    file = folder / name
    if not file.is_file():
        raise ArtefactError(
            f"'{folder}' has no {name}, which its card is written from; "
            f"run `python -m sensor2llm.evaluate {folder} --data STORE` first"
        )
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ArtefactError(f"{file} is no JSON ({error}); write it again") from error
