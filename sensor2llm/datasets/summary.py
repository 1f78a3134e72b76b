"""Say what a store holds: people, windows a class, and how often each sensor is missing."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sensor2llm.signals.ledger.extents import REST
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.segment import BORDER, SHORT
from sensor2llm.signals.store.store import WindowStore

# A share of what was read that is worth a hint.
_MUCH = 0.1


def summarise(store: WindowStore) -> dict[str, Any]:
    """Count a store's contents, as plain JSON types."""
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
        "notes": store.ledger.reasons(),
    }


def advice(ledger: Ledger, window_s: float | None) -> list[str]:
    """Say what keeps more, where one reason costs a tenth of the windows or rows, or more."""
    length = f" (now {window_s:g} s)" if window_s else ""
    lines = []
    for unit, reason, cure in (
        ("windows", BORDER, f"shorter windows{length} or more overlap keep more of them"),
        ("rows", SHORT, f"shorter windows{length} or a longer max_gap_s keep more of them"),
        ("rows", REST, f"shorter windows{length} keep more of them"),
    ):
        counts = ledger[unit]
        if (n := counts.dropped[reason]) and n >= _MUCH * counts.read:
            lines.append(f"hint: {n} of {counts.read} {unit} are left out {reason}; {cure}")
    return lines


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
    ledger = Ledger.from_dict(summary["ledger"])
    lines += [*ledger.lines(), *advice(ledger, summary["window_s"])]
    if "picture" in summary:
        lines.append(f"picture: {summary['picture']}")
    return "\n".join(lines)
