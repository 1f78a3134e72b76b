"""Whether what was heard last is unlike what the adapter learned from."""

from collections import deque
from typing import NamedTuple

from sensor2llm.live.feed import is_other_recording
from sensor2llm.signals.likeness.profile import FEWEST_WINDOWS, TrainingProfile
from sensor2llm.signals.window import Window
from sensor2llm.tasks.likeness import RecordingJudge


class Unlike(NamedTuple):
    """Name the check that fails, and say in words what was expected; '' for nothing."""

    check: str = ""
    text: str = ""


class SlidingJudge:
    """Judge each window together with those before it, as a recording of 20 windows is judged.

    Windows that repeat each other count once, and a window alone until there are enough.

    Args:
        profile: what training windows look like; None for an adapter that does not say.
        length_s: of a window.
    """

    def __init__(self, profile: TrainingProfile | None, length_s: float) -> None:
        self.profile, self._length_s = profile, length_s
        self._recent: deque[tuple[Window, float]] = deque(maxlen=FEWEST_WINDOWS - 1)

    def judge(self, window: Window) -> Unlike:
        """Say what is unlike."""
        if self.profile is None:
            return Unlike()
        last = self._recent[-1][0] if self._recent else None
        if is_other_recording(last, window):
            self._recent.clear()
            last = None
        (score,) = self.profile.scores([window]).tolist()
        together = [*self._recent, (window, score)]
        if last is None or window.start_s >= last.start_s + self._length_s * (1 - 1e-6):
            self._recent.append((window, score))
        judge = RecordingJudge(self.profile)
        judge.add(*zip(*together, strict=True))
        verdict = judge.verdict()
        check = verdict.columns[-1]
        texts = (c.text for one in verdict.recordings for c in one.checks if c.name == check)
        return Unlike(check, next(texts, "")) if check else Unlike()
