"""What became of a while of listening: minutes a label, windows, gaps; it does not grow with time.

A window counts from its start to that of the next one, at most for its own length, as in
`classify --summary`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from sensor2llm.archive.bouts import day_text
from sensor2llm.archive.labelling import summary_line
from sensor2llm.live.feed import is_other_recording
from sensor2llm.signals.window import Window


class ListenTotals:
    """Count answers.

    Args:
        length_s: of a window; 0 where it is not one length, and nothing has minutes.
    """

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self.answers = self.skipped = self.gaps = 0
        self.gap_s = self.latency_s = 0.0
        self.losses: Mapping[str, int] = {}
        self._windows = Counter[tuple]()
        self._seconds = defaultdict[tuple, float](float)
        self._last: tuple[Window, tuple] | None = None

    def add(self, window: Window, label: str, latency_s: float) -> None:
        """Count an answer."""
        self.close(window)
        key = (window.subject or "unknown", day_text(window.start_s), label)
        self._windows[key] += 1
        self.answers += 1
        self.latency_s += latency_s
        self._last = (window, key)

    def close(self, window: Window | None = None) -> None:
        """Count the last answer up to the window that follows, answered or not."""
        if self._last is None:
            return
        last, key = self._last
        seconds = self._length_s
        if window is not None and not is_other_recording(last, window):
            seconds = min(window.start_s - last.start_s, self._length_s)
        self._seconds[key] += seconds
        self._last = None

    def rows(self) -> list[dict[str, Any]]:
        """Give a row a subject, day and label, as `classify --summary` does."""
        rows = []
        for (subject, day, label), windows in self._windows.items():
            who = {} if subject == "unknown" else {"subject": subject}
            minutes = {"minutes": self._seconds[subject, day, label] / 60} if self._length_s else {}
            rows.append({**who, **({"day": day} if day else {}), "label": label, **minutes,
                         "windows": windows})  # fmt: skip
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        mean_s = self.latency_s / self.answers if self.answers else None
        return {
            "summary": self.rows(), "answers": self.answers, "skipped": self.skipped,
            "gaps": self.gaps, "gap_s": round(self.gap_s, 3), "mean_latency_s": mean_s,
            "losses": dict(self.losses),
        }  # fmt: skip

    def lines(self) -> list[str]:
        """Write it for a person."""
        lines = [summary_line(row) if "minutes" in row else f"{row['windows']:>10}  {row['label']}"
                 for row in self.rows()]  # fmt: skip
        return [*lines, self.counts(), *(f"{n} {what}" for what, n in self.losses.items())]

    def counts(self) -> str:
        """Write the counts in one line."""
        gaps = f"{self.gaps} gap{'s' * (self.gaps != 1)}" + (
            f" ({self.gap_s:.1f} s)" if self.gaps else ""
        )
        mean_ms = 1000 * self.latency_s / max(1, self.answers)
        return f"{self.answers} answers, {mean_ms:.0f} ms each; {self.skipped} skipped; {gaps}"
