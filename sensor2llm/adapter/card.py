"""The card of an adapter folder: what it hears, what it says, how it came about, what it is not."""

from collections.abc import Mapping, Sequence
from typing import Any

from sensor2llm.datasets.catalogue import SOURCES
from sensor2llm.signals.spec import SignalSpec

CLASSIFICATION = "classification"
LIMITS = (
    "Not a medical device: nothing here diagnoses, and no answer replaces an examination.",
    "It knows its labels only. A window of anything else still gets one of them.",
    "People, devices and places on the body that differ from the training data lower its score.",
    "Free answers are the language model's own; what is measured is the label.",
)
COMMANDS = (
    "python -m sensor2llm.classify ADAPTER FILE",
    "python -m sensor2llm.train_adapter --config recipe.yaml",
)


def card_text(
    manifest: Mapping[str, Any],
    *,
    title: str | None = None,
    data: Sequence[str] = (),
    results: Sequence[str] = (),
) -> str:
    """Write README.md.

    Args:
        manifest: the adapter's `sensor2llm.json`.
        title: the first line; the language model's name is in it where None.
        data: lines on the data and its people.
        results: sections of what was measured, each with its heading.
    """
    llm, labels = manifest["llm"], manifest["label_texts"]
    says_labels = CLASSIFICATION in _tasks(manifest)
    sections = [
        front_matter(llm),
        f"# {title or f'Sensor adapter for {llm}'}",
        f"Lets the language model `{llm}` hear windows of {window_text(manifest['spec'])} "
        f"and {_does(manifest)}. {_frozen(manifest)}",
        "## Signals\n\n" + signals_table(manifest["spec"]),
        *(["## Labels\n\n" + ", ".join(f"`{name}`" for name in labels)] if says_labels else []),
        "## Data\n\n" + bullets(data or ["Source: see recipe.yaml"]),
        *results,
        "## Adapter\n\n" + bullets(_parts(manifest)),
        "## Limits\n\n" + bullets(LIMITS),
        "## Use and reproduce\n\n" + code(*COMMANDS),
    ]
    return "\n\n".join(sections) + "\n"


def front_matter(llm: str) -> str:
    """Write what the hub reads from the top of a card."""
    tags = "tags: [sensors, time-series, language-model-adapter]"
    return "\n".join(["---", "library_name: sensor2llm", f"base_model: {llm}", tags, "---"])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(lines: Sequence[str]) -> str:
    """Write a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def code(*commands: str) -> str:
    """Write commands as a block."""
    return "\n".join(["```", *commands, "```"])


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


def data_lines(data: Mapping[str, Any]) -> list[str]:
    """Say where windows came from, by which licence, and how many people are in each part.

    Args:
        data: what metrics say of their data: source, and people by part.
    """
    source = data.get("source") or "not stated"
    licence = next((s.licence for s in SOURCES.values() if s.download in source), "see the source")
    parts = data.get("people", {}).items()
    people = ", ".join(f"{people_text(n)} for {part}" for part, n in parts)
    lines = [f"Source: {source}", f"Licence of the data: {licence}"]
    return [*lines, f"Split by subject: {people}; nobody is in two parts"] if people else lines


def between_text(metrics: Mapping[str, Any]) -> str:
    """Give a score's interval in brackets; nothing where there is none."""
    interval = metrics["interval"]
    return f" (95 % over subjects: {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


def _does(manifest: Mapping[str, Any]) -> str:
    """Say what the adapter is asked."""
    others = {
        "question_answering": "answer questions about them",
        "captioning": "describe them",
        "regression": "estimate a number",
    }
    labels = f"say which of {len(manifest['label_texts'])} labels they show"
    told = [others.get(task, labels) for task in _tasks(manifest)]
    return f"{', '.join(told[:-1])} and {told[-1]}" if told[1:] else told[0]


def _tasks(manifest: Mapping[str, Any]) -> list[str]:
    own = manifest.get("template", {}).get("task", CLASSIFICATION)
    return [own, *manifest.get("templates", {})]


def _frozen(manifest: Mapping[str, Any]) -> str:
    rank = manifest.get("lora_rank", 0)
    if rank:
        return (
            f"**Not frozen:** LoRA of rank {rank} changes what the model's linear maps compute; "
            "its stored weights stay as they are."
        )
    return "The model is frozen: not one of its weights is changed."


def _parts(manifest: Mapping[str, Any]) -> list[str]:
    projector = manifest["projector"]
    tokens = projector["tokens"] if projector else 0
    kind = projector.get("kind", "mlp") if projector else ""
    bridge = f"{kind}, {tokens} vectors a window" if projector else "none: windows as text"
    prefix = manifest.get("prefix_tokens", 0)
    return [
        f"Bridge: {bridge}",
        f"Soft prompt: {manifest['soft_tokens']} vectors"
        + (f"; learned prefix: {prefix} positions" if prefix else ""),
        f"Trained parameters: {manifest['trained_parameters']:,}",
        f"Language model identity: `{manifest['llm_identity']}`",
    ]
