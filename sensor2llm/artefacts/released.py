"""The released adapters and encoders in a line each."""

import json

from sensor2llm.artefacts.manifest import MANIFEST, released_folder, released_names


def describe_adapters() -> dict[str, str]:
    """Say of each released adapter what it does, and which windows it hears."""
    return {name: _description(name) for name in released_names("adapter")}


def describe_encoders() -> dict[str, str]:
    """Say of each released encoder which windows it hears."""
    return {name: _description(name) for name in released_names("encoder")}


def _description(name: str) -> str:
    manifest = json.loads((released_folder() / name / MANIFEST).read_text(encoding="utf-8"))
    spec = manifest["spec"]
    sensors = ", ".join(modality["name"] for modality in spec["modalities"])
    text = f"windows of {spec['window_s']:g} s of {sensors}"
    if manifest["kind"] == "encoder":
        return text
    task = manifest["template"]["task"].replace("_", " ")
    labels = f" of {len(manifest['label_names'])} labels" if task == "classification" else ""
    return f"{task}{labels}: {text}; LLM {manifest['llm']}"
