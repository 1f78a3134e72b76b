"""What makes windows, or whole stores, the same: what they hold, not where they lie.

    store.digests        a number a window; equal signals have equal numbers
    store.fingerprint    one hash of all that a store holds

Caches, resumed runs, studies and the leak check know data by these.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt64

from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.window import Window


def digest_window(window: Window) -> int:
    """Hash a window's signals; its label, person and start are left out."""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(window.signals):
        values = np.ascontiguousarray(window.signals[name], dtype="<f4")
        digest.update(f"{name} {values.shape} ".encode())
        digest.update(values.tobytes())
    return int.from_bytes(digest.digest(), "little")


def digest_windows(windows: Iterable[Window]) -> UInt64[np.ndarray, " window"]:
    """Hash each window's signals, reading all of them."""
    return np.fromiter((digest_window(window) for window in windows), np.uint64)


def fingerprint(store: Windows, origin: Mapping[str, Any] | None = None) -> str:
    """Give "sha256:…" of windows, labels, people, starts, spec, published split and source.

    Args:
        store: a store, or a view.
        origin: of a view, the fingerprints of what it reads and what it makes of it.
    """
    facts = {
        "spec": store.spec.to_dict(),
        "labels": list(store.label_names),
        "people": list(store.subject_names),
        "published": {part: list(people) for part, people in store.published.items()},
        "source": store.source,
        "parts": dict(store.parts),
        "origin": dict(origin or {}),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for values, dtype in (
        (store.digests, "<u8"),
        (store.labels, "<i8"),
        (store.subject_ids, "<i4"),
        (store.starts, "<f8"),
        (store.present, "?"),
    ):
        digest.update(np.ascontiguousarray(values, dtype=dtype).tobytes())
    return f"sha256:{digest.hexdigest()}"
