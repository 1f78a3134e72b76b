"""Whether recordings are like the ones that an adapter learned from, told beside their labels.

    judge = RecordingJudge(model.adapter.trust.profile)
    predictions = list(label_windows(model, judge.watch(windows)))
    verdict = judge.verdict()
    verdict.columns                the check that each window fails, '' for none
    verdict.lines("walk.csv")      ['walk.csv is unlike what the adapter learned from: gravity …']

A recording of 20 windows or more is judged as one; of a shorter one each window by itself, which is
weaker: a phone that lies still looks like another one that does.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from sensor2llm.signals.likeness.evidence import DeviationEvidence, FailedCheck
from sensor2llm.signals.likeness.profile import FEWEST_WINDOWS, TrainingProfile
from sensor2llm.signals.window import Window

_CHUNK = 64
MOST_SAID = 2
UNKNOWN = "unknown"


@dataclass(frozen=True)
class RecordingVerdict:
    """Say of one recording whether it is unlike training, and by which checks."""

    windows: int
    unlike: int
    """So many of its windows; of a recording that is judged as one all or none."""
    checks: tuple[FailedCheck, ...] = ()

    @property
    def whole(self) -> bool:
        """Say whether it was judged as one."""
        return self.windows >= FEWEST_WINDOWS


@dataclass(frozen=True)
class LikenessVerdict:
    """Say which windows are unlike training."""

    columns: list[str] = field(default_factory=list)
    """By window: the check that it fails, or that its recording does; '' for none."""
    recordings: tuple[RecordingVerdict, ...] = ()
    unjudged: int = 0
    """Windows with sensors that never were there together in training."""

    def lines(self, name: str) -> list[str]:
        """Say what is unlike, in a line for recordings and one for single windows."""
        lines = []
        for whole in (True, False):
            some = [one for one in self.recordings if one.whole is whole]
            if flagged := [one for one in some if one.unlike]:
                lines.append(f"{_subject(name, some, flagged)}: {_reasons(flagged)}")
        if self.unjudged:
            lines.append(
                f"{name}: {self.unjudged} windows have sensors that never were there together in "
                "training; whether they are like it is not known"
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain JSON, a row a recording."""
        return {
            "unjudged": self.unjudged,
            "recordings": [
                {"windows": one.windows, "unlike": one.unlike, "judged_as_one": one.whole,
                 "checks": [check.text for check in one.checks]}
                for one in self.recordings
            ],
        }  # fmt: skip


@dataclass
class _Recording:
    """Collect one recording."""

    evidence: DeviationEvidence
    scores: array = field(default_factory=lambda: array("f"))
    sensors: Counter[tuple[str, ...]] = field(default_factory=Counter)
    first: list[Window] = field(default_factory=list)
    """Its windows, as long as they are few; no evidence yet."""

    def look_at_first(self) -> None:
        """Take the windows for evidence that were not yet."""
        if self.first:
            self.evidence.add(self.first)
            self.first = []


class RecordingJudge:
    """Watch windows go by, and judge their recordings afterwards.

    Args:
        profile: what training windows look like; None for an adapter that does not say.
    """

    def __init__(self, profile: TrainingProfile | None) -> None:
        self.profile = profile
        self._recordings: dict[tuple[str | None, str | None], _Recording] = {}
        self._order: list[tuple[_Recording, int]] = []

    def watch(self, windows: Iterable[Window]) -> Iterator[Window]:
        """Give windows on as they come, and remember what they look like."""
        coming = iter(windows)
        while part := list(islice(coming, _CHUNK)):
            if self.profile is not None:
                self._add(part, self.profile.scores(part).tolist(), self.profile)
            yield from part

    def add(self, windows: Sequence[Window], scores: Sequence[float]) -> None:
        """Remember windows whose scores by the profile are there already."""
        if self.profile is not None:
            for start in range(0, len(windows), _CHUNK):
                some = slice(start, start + _CHUNK)
                self._add(windows[some], scores[some], self.profile)

    def _add(
        self, windows: Sequence[Window], scores: Sequence[float], profile: TrainingProfile
    ) -> None:
        groups: dict[tuple[str | None, str | None], list[Window]] = {}
        for window, score in zip(windows, scores, strict=True):
            key = (window.subject, window.recording)
            own = self._recordings.setdefault(key, _Recording(DeviationEvidence(profile)))
            self._order.append((own, len(own.scores)))
            own.scores.append(score)
            own.sensors[tuple(n for n in profile.spec.names if n in window.signals)] += 1
            groups.setdefault(key, []).append(window)
        for key, some in groups.items():
            own = self._recordings[key]
            own.first += some
            if len(own.scores) > FEWEST_WINDOWS:
                own.look_at_first()

    def verdict(self) -> LikenessVerdict:
        """Judge what went by."""
        if self.profile is None:
            return LikenessVerdict()
        verdicts, columns = [], {}
        for own in self._recordings.values():
            verdict, names = self._judge(own, self.profile)
            verdicts.append(verdict)
            columns[id(own)] = names
        unjudged = sum(int(np.isnan(own.scores).sum()) for own in self._recordings.values())
        names = [columns[id(own)][place] for own, place in self._order]
        return LikenessVerdict(names, tuple(verdicts), unjudged)

    def scores(self) -> np.ndarray:
        """Give how far each window by itself is above its threshold; those that have one."""
        scores = [np.array(own.scores) for own in self._recordings.values()]
        every = np.concatenate([np.zeros(0), *scores])
        return every[~np.isnan(every)]

    def _judge(
        self, own: _Recording, profile: TrainingProfile
    ) -> tuple[RecordingVerdict, list[str]]:
        scores = np.array(own.scores)
        count, judged = len(scores), scores[~np.isnan(scores)]
        if count >= FEWEST_WINDOWS:
            judgeable = [sensors for sensors, _ in own.sensors.most_common()
                     if sensors in profile.thresholds]  # fmt: skip
            alike = not judgeable or profile.recording_score(judged, judgeable[0]) <= 0
            if not alike:
                own.look_at_first()
            checks = () if alike else tuple(own.evidence.checks())
            name = checks[0].name if checks else ""
            return RecordingVerdict(count, 0 if alike else count, checks), [name] * count
        names, checks = [""] * count, ()
        unlike = np.flatnonzero(scores > 0).tolist()
        for place in unlike:
            checks = _failed(profile, [own.first[place]])
            names[place] = checks[0].name
        if len(unlike) > 1:
            checks = _failed(profile, [own.first[place] for place in unlike])
        return RecordingVerdict(count, len(unlike), checks), names


def _failed(profile: TrainingProfile, windows: Sequence[Window]) -> tuple[FailedCheck, ...]:
    evidence = DeviationEvidence(profile)
    evidence.add(windows)
    return tuple(evidence.checks())


def _subject(name: str, some: list[RecordingVerdict], flagged: list[RecordingVerdict]) -> str:
    if not flagged[0].whole:
        unlike, count = (sum(getattr(one, f) for one in some) for f in ("unlike", "windows"))
        return (
            f"{name}: {unlike} of {count} windows are unlike what the adapter learned from (judged "
            f"one by one, fewer than {FEWEST_WINDOWS} a recording, which is weaker)"
        )
    if len(some) == 1:
        return f"{name} is unlike what the adapter learned from"
    return (
        f"{name}: {len(flagged)} of {len(some)} recordings are unlike what the adapter learned from"
    )


def _reasons(flagged: list[RecordingVerdict]) -> str:
    counts = Counter(check.text for one in flagged for check in one.checks[:MOST_SAID])
    texts = [text for text, _ in counts.most_common(MOST_SAID)]
    return "; ".join(texts)


def score_windows(profile: TrainingProfile | None, windows: Sequence[Window]) -> list[float]:
    """Say how unlike training each window is: above 0 it is; NaN where that is not known."""
    return [0.0] * len(windows) if profile is None else profile.scores(windows).tolist()


def describe_unlike(profile: TrainingProfile | None, window: Window, score: float) -> str:
    """Say what of a window by itself is unlike training; '' for nothing."""
    if score <= 0:
        return ""
    judge = RecordingJudge(profile)
    judge.add([window], [score])
    return "; ".join(judge.verdict().lines("the window"))
