"""The card of an adapter folder: what it hears, what it says, how it came about, what it is not."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor2llm.artefacts.card import make_card_data, render_card, table
from sensor2llm.artefacts.manifest import is_hub_name
from sensor2llm.datasets.catalogue import SOURCES
from sensor2llm.llm.templates import names as prompt_names
from sensor2llm.signals.spec import SignalSpec

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

FOLDER = Path(__file__).resolve().parent
TEMPLATE = FOLDER / "card.md.j2"
CLASSIFICATION = "classification"
ABILITIES = {
    "question_answering": "answer questions about them",
    "captioning": "describe them",
    "regression": "estimate a number",
}
TAGS = ("sensors", "time-series", "language-model-adapter")


def card_text(
    manifest: Mapping[str, Any],
    *,
    title: str | None = None,
    data: Sequence[str] = (),
    template: Path = TEMPLATE,
    datasets: Sequence[str] = (),
    results: "Sequence[EvalResult]" = (),
    **measured: Any,
) -> str:
    """Write README.md.

    Args:
        manifest: the adapter's `sensor2llm.json`.
        title: the first line; the language model's name is in it where None.
        data: lines on the data and its people.
        template: of the card; one with results extends this module's.
        datasets: names of the published data sets that it was measured on.
        results: what was measured, for the header.
        measured: what the template shows of it.
    """
    title = title or f"Sensor adapter for {manifest['llm']}"
    tasks = _tasks(manifest)
    return render_card(
        template,
        _card_data(manifest, datasets, results, title),
        FOLDER,
        manifest=manifest,
        title=title,
        window=window_text(manifest["spec"]),
        abilities=_abilities(tasks, len(manifest["label_texts"])),
        says_labels=CLASSIFICATION in tasks,
        signals=signals_table(manifest["spec"]),
        data=[*(data or ["Source: see resolved.yaml"]), licence_line(manifest)],
        projector=manifest["projector"] and {"kind": None, **manifest["projector"]},
        rank=manifest.get("lora_rank", 0),
        prefix=manifest.get("prefix_tokens", 0),
        **measured,
    )


def _card_data(
    manifest: Mapping[str, Any],
    datasets: Sequence[str],
    results: "Sequence[EvalResult]",
    title: str,
) -> "ModelCardData":
    """Give the header; what is no name of the hub is no `base_model`."""
    llm = manifest["llm"]
    base = {"base_model": llm, "base_model_relation": "adapter"} if is_hub_name(llm) else {}
    # The prompts that come with the package are English; of others nobody says what they are.
    english = manifest.get("template", {}).get("name") in prompt_names()
    return make_card_data(
        manifest.get("license"),
        results,
        name=title,
        language="en" if english else None,
        datasets=list(datasets) or None,
        tags=list(TAGS),
        **base,
    )


def window_text(spec: Mapping[str, Any]) -> str:
    """Say how long a window is and of what, by a spec's plain form."""
    names = ", ".join(m["name"] for m in spec["modalities"])
    length = SignalSpec.from_dict(spec).length_text
    return f"{length} of {names}" if length else names


def signals_table(spec: Mapping[str, Any]) -> str:
    """Write a spec's modalities, channels, units and rates."""
    rows = []
    for m in spec["modalities"]:
        channels = ", ".join(f"{c['name']} ({c['unit']})" for c in m["channels"])
        rate = f"{m['rate_hz']:g} Hz" if m.get("rate_hz") else m["axis"]
        rows.append((m["name"], channels, rate, str(m["steps"])))
    head = ("modality", "channels", "rate or axis", "steps a window")
    return f"{table(head, rows)}\n\nAny of them may be missing from a window."


def people_text(count: int) -> str:
    """Give a number of people in words."""
    return f"{count} person" if count == 1 else f"{count} people"


def datasets_of(source: str) -> list[str]:
    """Name the published data sets that a store's source tells of; one page counts once."""
    pages = {one.download: name for name, one in reversed(SOURCES.items())}
    return [name for name, one in SOURCES.items()
            if one.download in source and pages[one.download] == name]  # fmt: skip


def data_lines(data: Mapping[str, Any]) -> list[str]:
    """Say where windows came from, how they were recorded, their licence, and of how many people.

    Args:
        data: what metrics say of their data: source, and people by part.
    """
    source = data.get("source") or "not stated"
    names = datasets_of(source)
    licences = {name: SOURCES[name].licence for name in names}
    if len(names) > 1:
        licence = "; ".join(f"{name}: {text}" for name, text in licences.items())
    else:
        licence = next(iter(licences.values()), "see the source")
    parts = data.get("people", {}).items()
    people = ", ".join(f"{people_text(n)} for {part}" for part, n in parts)
    lines = [f"Source: {source}", *(SOURCES[name].title for name in names)]
    lines.append(f"Licence of the data: {licence}")
    return [*lines, f"Split by subject: {people}; nobody is in two parts"] if people else lines


def licence_line(manifest: Mapping[str, Any]) -> str:
    """Say by which licence the weights are given, as the manifest states it."""
    licence = manifest.get("license") or "not stated; the data's has to be kept in any case"
    return f"Licence of the {manifest.get('kind', 'adapter')}'s weights: {licence}"


def between_text(metrics: Mapping[str, Any]) -> str:
    """Give a score's interval in brackets; nothing where there is none."""
    interval = metrics["interval"]
    return f" (95 % over subjects: {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


def _abilities(tasks: Sequence[str], labels: int) -> str:
    """Say what the adapter is asked."""
    by_label = f"say which of {labels} labels they show"
    words = [ABILITIES.get(task, by_label) for task in tasks]
    return f"{', '.join(words[:-1])} and {words[-1]}" if words[1:] else words[0]


def _tasks(manifest: Mapping[str, Any]) -> list[str]:
    own = manifest.get("template", {}).get("task", CLASSIFICATION)
    return [own, *manifest.get("templates", {})]
