"""What an adapter hears, as numbers: one window in full, a recording's outline in fewer points."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.modality import Modality
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window


def describe_window(window: Window, spec: SignalSpec) -> dict[str, Any]:
    """Give a window's signals in the adapter's units, and the facts computed from them.

    Values are (channel, step), null where nothing was measured.
    """
    facts = extract_facts(window, spec)
    facts.pop("missing")
    signals = [
        _describe(m) | {"values": [_plain(row) for row in window.signals[m.name]]}
        for m in spec.modalities
        if m.name in window.signals
    ]
    return {
        "start_s": window.start_s,
        "signals": signals,
        "missing": [name for name in spec.names if name not in window.signals],
        "facts": [
            {"name": fact.name, "sensor": fact.modality, "text": fact.text}
            for fact in facts.values()
        ],
    }


def outline_windows(windows: Sequence[Window], spec: SignalSpec, points: int) -> dict[str, Any]:
    """Draw what was heard of a recording in at most about so many points a channel.

    Where there are more samples than points, each stretch of samples is its least and its greatest
    value. `starts` are seconds, or numbers of windows where windows have no length, or not one
    after the other; so are the signals' `at`.

    Args:
        windows: one after the other, without overlap.
        spec: of the windows.
        points: of each channel.
    """
    starts, length = _places(windows, spec)
    signals = []
    for m in spec.modalities:
        there = [n for n, window in enumerate(windows) if m.name in window.signals]
        if not there:
            continue
        steps = np.arange(m.steps) / m.steps * length
        at = (starts[there, None] + steps).ravel()
        values = np.concatenate([windows[n].signals[m.name] for n in there], axis=1)
        at, values = _thinned(at, np.asarray(values, np.float64), points)
        drawn = {"at": _plain(at), "values": [_plain(row) for row in values]}
        signals.append(_describe(m) | drawn)
    in_seconds = bool(spec.lengths_s) and length == spec.lengths_s[-1]
    axis = "s" if in_seconds and (starts == [w.start_s for w in windows]).all() else "window"
    return {"axis": axis, "length": length, "starts": starts.tolist(), "signals": signals}


def _places(
    windows: Sequence[Window], spec: SignalSpec
) -> tuple[Float[np.ndarray, " window"], float]:
    starts = np.array([window.start_s for window in windows], np.float64)
    length = spec.lengths_s[-1] if spec.lengths_s else 0.0
    if length and (np.diff(starts) >= length - 1e-6).all():
        return starts, length
    return np.arange(1.0, len(windows) + 1), 1.0


def _thinned(
    at: Float[np.ndarray, " sample"], values: Float[np.ndarray, "channel sample"], points: int
) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, "channel point"]]:
    """Take stretches of samples for their least and their greatest value; NaN stands in gaps."""
    gaps = np.zeros(0, np.int64)
    if len(at) > 2:
        gaps = np.flatnonzero(np.diff(at) > 2 * np.median(np.diff(at))) + 1
    size = -(-len(at) // max(1, points // 2))
    if size > 2:
        starts = np.union1d(np.arange(0, len(at), size), gaps)
        low = np.fmin.reduceat(values, starts, axis=1)
        high = np.fmax.reduceat(values, starts, axis=1)
        values = np.stack([low, high], axis=2).reshape(len(values), -1)
        last = np.append(starts[1:], len(at)) - 1
        at = np.stack([at[starts], (at[starts] + at[last]) / 2], axis=1).ravel()
        gaps = 2 * np.searchsorted(starts, gaps)
    return np.insert(at, gaps, at[gaps] - 1e-6), np.insert(values, gaps, np.nan, axis=1)


def _describe(modality: Modality) -> dict[str, Any]:
    channels: list[Mapping[str, str]] = [
        {"name": channel.name, "unit": channel.unit} for channel in modality.channels
    ]
    fields = {"name": modality.name, "axis": modality.axis, "rate_hz": modality.rate_hz}
    return {**fields, "channels": channels}


def _plain(row: Float[np.ndarray, " step"]) -> list[float | None]:
    """Give numbers as JSON takes them, with the digits that a float32 has."""
    return [None if value != value else float(f"{value:.7g}") for value in row.tolist()]
