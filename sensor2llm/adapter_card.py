"""The card of an adapter folder: what it is for, what is in it, and what it is not."""

from sensor2llm.adapter import SensorAdapter
from sensor2llm.signals.spec import Modality


def write_card(adapter: SensorAdapter) -> str:
    """Write README.md from the adapter itself; `evaluate` adds what it measured."""
    a = adapter
    trained = sum(p.numel() for p in a.parameters() if p.requires_grad)
    data = (a.recipe.get("data") or {}) if isinstance(a.recipe, dict) else {}
    source = data.get("source", "see recipe.yaml") if isinstance(data, dict) else str(data)
    lines = [
        "---",
        "library_name: sensor2llm",
        f"base_model: {a.llm_name}",
        "tags: [sensors, time-series, prompt-tuning]",
        "---",
        "",
        f"# Sensor adapter for {a.llm_name}",
        "",
        f"Lets the frozen language model `{a.llm_name}` read windows of {_window_text(a)} and",
        f"tell {len(a.label_names)} labels apart: {', '.join(a.label_texts)}.",
        "",
        "| modality | channels | steps a window | rate |",
        "|---|---|---|---|",
        *[_row(modality) for modality in a.spec.modalities],
        "",
        "Any subset of the modalities may be missing.",
        "",
        f"- Data: {source}",
        f"- Soft prompt: {a.soft_tokens} vectors; signal tokens a window: {a.signal_tokens}",
        f"- Trained parameters: {trained:,}; the language model's own are unchanged",
        f"- Language model identity: `{a.llm_identity}`",
        "- Reproduce: `python -m sensor2llm.train_adapter --config recipe.yaml`",
        "- Use: `python -m sensor2llm.classify ADAPTER FILE`",
        "",
        "## Limits",
        "",
        "Not a medical device. It was trained on the data above; other devices, places on the body",
        "and people may give other results. Probabilities are the model's, over these labels only.",
        "",
    ]
    return "\n".join(lines)


def _window_text(adapter: SensorAdapter) -> str:
    length = adapter.spec.window_s
    names = ", ".join(adapter.spec.names)
    return names if length is None else f"{length:g} s of {names}"


def _row(modality: Modality) -> str:
    channels = ", ".join(f"{c.name} ({c.unit})" for c in modality.channels)
    rate = f"{modality.rate_hz:g} Hz" if modality.rate_hz else modality.axis
    return f"| {modality.name} | {channels} | {modality.steps} | {rate} |"
