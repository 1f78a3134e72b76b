"""A window drawn in the terminal: one curve of braille dots a channel."""

import numpy as np
from jaxtyping import Float

from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.window import Window

DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each of a braille character's 4 x 2 dots, top row first."""
WIDEST, NARROWEST = 60, 10


def render_window(
    window: Window, spec: SignalSpec, columns: int = 80, rows: int | None = None
) -> str:
    """Draw every modality of a window as text.

    A modality that the window lacks gets one line that says so. Curves take what names and numbers
    leave of `columns` characters and are `rows` high: 2, or 1 where there are many channels.
    """
    channels = sum(len(m.channels) for m in spec.modalities)
    rows = rows or (2 if channels <= 6 else 1)
    there = [(m, window.signals.get(m.name)) for m in spec.modalities]
    sides = [_sides(m, values) for m, values in there if values is not None]
    left, right = (max((len(t) for s in sides for t in s[i]), default=0) for i in (0, 1))
    width = min(WIDEST, max(columns - left - right - 4, NARROWEST))
    lines: list[str] = []
    for modality, values in there:
        lines.append(f"{modality.name} ({_extent(modality, values)})")
        if values is not None:
            lines += _modality(modality, values, width, rows)
    return "\n".join(lines)


def braille(values: Float[np.ndarray, " step"], width: int, rows: int) -> list[str]:
    """Draw one curve from its lowest to its highest value; NaN is left blank.

    Returns:
        `rows` strings of `width` characters, each character 2 dots wide and 4 high.
    """
    height = 4 * rows
    place = np.linspace(0, len(values) - 1, 2 * width)
    sampled = np.interp(place, np.arange(len(values)), values)
    finite = np.isfinite(sampled)
    dots = np.zeros((height, 2 * width), dtype=bool)
    if finite.any():
        low, high = sampled[finite].min(), sampled[finite].max()
        share = np.full(len(sampled), 0.5) if high == low else (sampled - low) / (high - low)
        level = np.rint((1 - share[finite]) * (height - 1)).astype(int)
        dots[level, np.flatnonzero(finite)] = True
    cells = dots.reshape(rows, 4, width, 2).transpose(0, 2, 1, 3)
    codes = 0x2800 + (cells * DOTS).sum((2, 3))
    return ["".join(map(chr, row)) for row in codes]


def _extent(modality: Modality, values: np.ndarray | None) -> str:
    if values is None:
        return "missing"
    if modality.axis == "time" and modality.rate_hz:
        return f"{values.shape[1] / modality.rate_hz:.3g} s at {modality.rate_hz:g} Hz"
    return f"{values.shape[1]} events" if modality.axis == "event" else "one row of values"


def _sides(modality: Modality, values: np.ndarray) -> tuple[list[str], list[str]]:
    """Give what stands to the left and to the right of each channel's curve."""
    longest = max(len(channel.name) for channel in modality.channels)
    names = [f"{channel.name:<{longest}}" for channel in modality.channels]
    return names, [
        f"{_range(row)} {channel.unit}"
        for channel, row in zip(modality.channels, values, strict=True)
    ]


def _range(row: Float[np.ndarray, " step"]) -> str:
    finite = row[np.isfinite(row)]
    if not len(finite):
        return "no value"
    return f"{finite.min():.4g}" if len(row) == 1 else f"{finite.min():.3g} … {finite.max():.3g}"


def _modality(modality: Modality, values: np.ndarray, width: int, rows: int) -> list[str]:
    lines: list[str] = []
    for name, extent, row in zip(*_sides(modality, values), values, strict=True):
        if modality.axis == "none":
            lines.append(f"  {name} {extent}")
            continue
        first, *others = braille(row, width, rows)
        lines.append(f"  {name} {first} {extent}")
        lines += [" " * (len(name) + 3) + line for line in others]
    return lines
