"""Say what a store holds: people, windows a class, and how often each sensor is missing."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sensor2llm.signals.ledger import Ledger
from sensor2llm.signals.store import WindowStore


def summarise(store: WindowStore, notes: Mapping[str, int]) -> dict[str, Any]:
    """Count a store's contents, as plain JSON types.

    Args:
        store: What was written.
        notes: What the reader dropped or mended and the store's ledger does not have.
    """
    labels = np.asarray(store.labels)
    counts = np.bincount(labels[labels >= 0], minlength=len(store.label_names)).tolist()
    missing = 1 - np.asarray(store.present).mean(axis=0)
    return {
        "store": str(store.path),
        "source": store.source,
        "windows": len(store),
        "window_s": store.spec.window_s,
        "length": store.spec.length_text,
        "subjects": len(set(store.subjects.tolist())),
        "classes": dict(zip(store.label_names, counts, strict=True)),
        "unlabelled": int((labels < 0).sum()),
        "missing_share": dict(zip(store.spec.names, missing.round(4).tolist(), strict=True)),
        "published": {name: len(people) for name, people in store.published.items()},
        "ledger": store.ledger.to_dict(),
        "notes": {name: count for name, count in notes.items() if count},
    }


def describe(summary: Mapping[str, Any]) -> str:
    """Write a summary for a person to read; `picture`, where it is given, is the last line."""
    length = f" of {summary['length']}" if summary["length"] else ""
    lines = [
        f"{summary['store']}: {summary['windows']} windows{length}, {summary['subjects']} people",
        f"source: {summary['source']}",
        "windows a class:",
        *(f"  {name:<24} {count:>7}" for name, count in summary["classes"].items()),
    ]
    if summary["unlabelled"]:
        lines.append(f"  {'(no label)':<24} {summary['unlabelled']:>7}")
    lines.append("missing share a modality:")
    lines += [f"  {name:<24} {share:>7.1%}" for name, share in summary["missing_share"].items()]
    for name, people in summary["published"].items():
        lines.append(f"published split {name}: {people} people")
    lines += Ledger.from_dict(summary["ledger"]).lines()
    lines += [f"note: {count} {name}" for name, count in summary["notes"].items()]
    if "picture" in summary:
        lines.append(f"picture: {summary['picture']}")
    return "\n".join(lines)
