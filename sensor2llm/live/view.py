"""What a person sees while listening: curves, a line of labels, the answer; or lines, or JSON."""

import json
import time
from collections import deque
from typing import TextIO

import numpy as np
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sensor2llm.archive.bouts import clock_text
from sensor2llm.live.listener import Listener, LiveAnswer
from sensor2llm.plots.braille import braille
from sensor2llm.signals.modality import Modality
from sensor2llm.tasks.likeness import UNKNOWN

REFRESH_S = 0.25
SILENT_S = 1.0
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "white", "bright_cyan", "bright_green",
           "bright_yellow", "bright_magenta", "bright_blue", "bright_white")  # fmt: skip
"""Of labels; red is for what is missing or unlike."""
_NARROWEST, _EXTENT, _MOST_CHANNELS = 20, 28, 12


class JsonView:
    """Write a JSON object an answer.

    Args:
        file: where to.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def show(self, answer: LiveAnswer) -> None:
        """Write an answer."""
        self._file.write(json.dumps(answer.to_dict(), ensure_ascii=False) + "\n")
        self._file.flush()

    def tick(self) -> None:
        """Write nothing."""


class LineView:
    """Write a line an answer.

    Args:
        file: where to.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def show(self, answer: LiveAnswer) -> None:
        """Write an answer."""
        start, row = clock_text(answer.window.start_s), answer.row
        missing = f"  without {', '.join(answer.missing)}" * bool(answer.missing)
        self._file.write(f"{start:>19}  {row['probability']:.2f}  {row['label']}{missing}\n")
        self._file.flush()

    def tick(self) -> None:
        """Write nothing."""


class TerminalView:
    """Draw the newest signal of each sensor, the labels of the last minutes, and the answer.

    Args:
        listener: whose answers are shown.
        title: of the frame.
        live: what draws it.
    """

    def __init__(self, listener: Listener, title: str, live: Live) -> None:
        self._listener, self._title, self._live = listener, title, live
        self._answer: LiveAnswer | None = None
        self._labels: deque[tuple[str, bool]] = deque(maxlen=500)
        names = listener.model.adapter.label_names
        self._colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
        self._shown_s = 0.0

    def show(self, answer: LiveAnswer) -> None:
        """Draw with an answer."""
        gaps = self._listener.totals.gaps
        before = self._gaps if self._answer else gaps
        self._gaps = gaps
        self._labels.append((answer.row["label"], gaps > before))
        self._answer = answer
        self._draw()

    _gaps = 0

    def tick(self) -> None:
        """Draw what came meanwhile, a few times a second."""
        if time.monotonic() - self._shown_s >= REFRESH_S:
            self._draw()

    def _draw(self) -> None:
        self._shown_s = time.monotonic()
        self._live.update(self.render(), refresh=True)

    def render(self) -> RenderableType:
        """Give what is drawn."""
        width = self._live.console.width - 4
        parts = [self._signals(width), Text(), self._timeline(width), Text(), self._now()]
        counts = Text(overflow="ellipsis")
        counts.append(self._listener.totals.counts(), style="dim")
        silent_s = time.monotonic() - self._listener.feed.heard_s
        if silent_s > SILENT_S:
            counts.append(f"; no signal for {silent_s:.0f} s", style="bold red")
        return Panel(Group(*parts, counts), title=Text(self._title), title_align="left")

    def _signals(self, width: int) -> RenderableType:
        recent, table = self._listener.feed.recent(), Table.grid(padding=(0, 1))
        spec = self._listener.model.adapter.spec
        channels = sum(len(m.channels) for m in spec.modalities)
        longest = max(len(c.name) for m in spec.modalities for c in m.channels)
        curve = max(_NARROWEST, width - max(map(len, spec.names)) - longest - _EXTENT)
        for modality in spec.modalities:
            values = recent.get(modality.name)
            gone = self._answer is not None and modality.name in self._answer.missing
            if values is None or gone:
                table.add_row(Text(modality.name, style="red"), "", Text("missing", style="red"))
                continue
            rows = _curves(modality, values, curve, joined=channels > _MOST_CHANNELS)
            for i, (name, line, extent) in enumerate(rows):
                head = Text(modality.name if not i else "", style="bold")
                table.add_row(head, Text(name, style="dim"), line, Text(extent, style="dim"))
        return table

    def _timeline(self, width: int) -> RenderableType:
        line, legend = Text(), Text()
        for label, after_gap in list(self._labels)[-width:]:
            colour = self._colour.get(label)
            line.append("░" if after_gap else "█" if colour else "·", style=colour or "dim")
        for label in dict.fromkeys(label for label, _ in self._labels):
            colour = self._colour.get(label)
            legend.append("█ " if colour else "· ", style=colour or "dim")
            legend.append(f"{label}   ")
        return Group(line, legend)

    def _now(self) -> RenderableType:
        answer = self._answer
        if answer is None:
            return Text("listening …", style="dim")
        row, label = answer.row, answer.row["label"]
        line = Text()
        line.append(clock_text(answer.window.start_s) + "  ", style="dim")
        style = "bold dim" if label == UNKNOWN else f"bold {self._colour.get(label, '')}"
        line.append(f"{label} {row['probability']:.2f}", style=style.strip())
        notes = [f"without {', '.join(answer.missing)}"] if answer.missing else []
        notes += [f"unlike training: {answer.unlike.text}"] if answer.unlike.text else []
        return Group(line, *(Text(note, style="red") for note in notes))


def _curves(
    modality: Modality, values: np.ndarray, width: int, *, joined: bool
) -> list[tuple[str, str, str]]:
    """Draw each channel, or where there are many their size, as one line: name, curve, extent."""
    names, units = list(modality.channel_names), list(modality.units)
    if joined and len(names) > 1:
        names, units, values = ["size"], units[:1], np.linalg.norm(values, axis=0)[None]
    curves = []
    for name, unit, row in zip(names, units, values, strict=True):
        finite = row[np.isfinite(row)]
        extent = f"{finite.min():.3g} … {finite.max():.3g} {unit}" if finite.size else "no value"
        curve = braille(row, width, 1)[0] if modality.axis != "none" else ""
        curves.append((name, curve, extent))
    return curves
