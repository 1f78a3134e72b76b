"""The label of a window, from the annotations of its recording."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from sensor2llm.signals.window import Annotation


class WindowLabels:
    """Find the label of an extent: the annotation that covers most of it.

    Args:
        annotations: a recording's, in any order; none where windows get no labels.
        drop_straddling: whether windows that touch two labels are left out.
        min_share: windows that are covered less than this by their label have none.
    """

    def __init__(
        self, annotations: Sequence[Annotation], *, drop_straddling: bool, min_share: float
    ) -> None:
        self._notes = sorted(annotations, key=lambda note: note.start_s)
        self._starts = [note.start_s for note in self._notes]
        # Never going back, so that those that end before a window are found without looking.
        self._latest = list(accumulate((note.stop_s for note in self._notes), max))
        self._drop_straddling, self._min_share = drop_straddling, min_share

    def find(self, start_s: float, stop_s: float) -> tuple[str | None, bool]:
        """Give the window's label, and whether it touches two of them and is left out."""
        covered: dict[str, float] = {}
        near = self._near(start_s, stop_s)
        if len(near) == 1 and near[0].start_s <= start_s < stop_s <= near[0].stop_s:
            return near[0].label, False
        for note in near:
            if start_s == stop_s:
                # A row has a moment, not an extent; a label may be given for that moment alone.
                now = note.start_s <= start_s < note.stop_s or note.start_s == start_s
                seconds = float(now)
            else:
                seconds = min(note.stop_s, stop_s) - max(note.start_s, start_s)
            # Less than a millisecond is rounding, not a label.
            if seconds > 1e-3:
                covered[note.label] = covered.get(note.label, 0.0) + seconds
        if len(covered) > 1 and self._drop_straddling:
            return None, True
        label = max(covered, key=covered.__getitem__, default=None)
        needed = self._min_share * (stop_s - start_s)
        return (label if label is not None and covered[label] >= needed else None), False

    def _near(self, start_s: float, stop_s: float) -> Sequence[Annotation]:
        first = bisect_left(self._latest, start_s)
        return self._notes[first : bisect_right(self._starts, stop_s)]
