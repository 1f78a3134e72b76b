"""The newest samples of one modality: bounded, in order of time, on a regular grid where wanted."""

import logging
from collections import Counter
from fractions import Fraction

import numpy as np

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.plausible import MOST_SHARE, limits_of
from sensor2llm.signals.modality import Modality, canonical_unit
from sensor2llm.signals.resample import resample_irregular, spread_stamps
from sensor2llm.signals.scale import check_track_scale
from sensor2llm.signals.segment import conform_track
from sensor2llm.signals.tables.description import TableModality
from sensor2llm.signals.tables.rows.rates import TOLERANCE, observed_rate_hz
from sensor2llm.signals.window import Track

logger = logging.getLogger(__name__)
FILTER_STEPS = 10
"""Steps of the slower rate that the filter of `resample` reaches to either side."""
MOST_FACTOR = 1000
SHOWN_S = 8.0
"""Seconds of signal that are shown, or a window where that is longer."""
_MANY = 100_000
_FEWEST = 8
_SAME_S = 1e-6


class ModalityBuffer:
    """Hold the newest samples of one modality.

    Args:
        entry: the modality, its columns and what their numbers are multiplied by.
        keep_empty: a sample without a value is an event that was missed, and is kept.
        losses: counts what is left out, by reason.
    """

    def __init__(self, entry: TableModality, *, keep_empty: bool, losses: Counter[str]) -> None:
        self.entry, self.keep_empty, self._losses = entry, keep_empty, losses
        self.modality: Modality = entry.modality
        limits = [limits_of(canonical_unit(channel.unit), self.modality, i)
                  for i, channel in enumerate(self.modality.channels)]  # fmt: skip
        self._low, self._high = np.array(limits).T[:, :, None]
        self._scale = np.array(entry.scale or [1.0] * len(self._low))[:, None]
        self._beyond = self._measured = 0
        self.checked = False
        self.restart()

    def restart(self) -> None:
        """Forget all samples."""
        self._times = np.zeros(0)
        self._values = self._newest = np.zeros((len(self._low), 0))
        self._from_s = -np.inf
        self.mark_s = -np.inf
        """The time up to which nothing more comes, measured or not."""
        self.rate_hz: float | None = None
        self.shares_stamps = False

    def __len__(self) -> int:
        return len(self._times)

    @property
    def newest(self) -> np.ndarray:
        """Give the newest values as they came, to be shown: (channel, step)."""
        return self._newest

    def add(self, times_s: np.ndarray, values: np.ndarray) -> None:
        """Add samples: values of shape (channel, sample), NaN for none.

        Those of before what is still held come too late.

        Raises:
            DataError: the clock stands still.
        """
        values = values * self._scale
        beyond = (values < self._low) | (values > self._high) | np.isinf(values)
        self._beyond += int(beyond.any(0).sum())
        self._measured += int(np.isfinite(values).any(0).sum())
        if beyond.any():
            self._losses[f"values of {self.modality.name} that cannot be, taken as missing"] += int(
                beyond.any(0).sum()
            )
            values = np.where(beyond, np.nan, values)
        shown = max(self.modality.steps, round(SHOWN_S * (self.modality.rate_hz or 0.0)))
        self._newest = np.concatenate([self._newest, values], axis=1)[:, -shown:]
        wanted = np.isfinite(values).any(0) | self.keep_empty
        late = wanted & (times_s < self._from_s)
        if late.any():
            self._losses[f"samples of {self.modality.name} that came too late"] += int(late.sum())
        wanted &= ~late
        self.mark_s = max(self.mark_s, float(times_s.max()))
        if not wanted.any():
            return
        before = self._times[-1] if len(self._times) else -np.inf
        self._times = np.concatenate([self._times, times_s[wanted]])
        self._values = np.concatenate([self._values, values[:, wanted]], axis=1)
        steps = np.diff(np.r_[before, times_s[wanted]])
        if (steps < 0).any():
            order = np.argsort(self._times, kind="stable")
            self._times, self._values = self._times[order], self._values[:, order]
        self.shares_stamps = self.shares_stamps or bool((np.diff(self._times) == 0).any())
        if len(self._times) > _MANY and self._times[0] == self._times[-1]:
            raise DataError(
                f"{len(self._times)} samples of '{self.modality.name}' have the time "
                f"{self._times[0]:.10g} s; a clock that stands still does not say how fast they "
                "come: mend the time, or leave it out"
            )

    def forget(self, from_s: float) -> None:
        """Forget what windows that start at `from_s` or later do not need."""
        if self.modality.axis == "time":
            rate_hz = self.rate_hz or float(self.modality.rate_hz or 1.0)
            reach_s = self.reach_s + (self._period(rate_hz) + 2) / rate_hz
            first = int(np.searchsorted(self._times, from_s - reach_s))
        else:
            first = int(np.searchsorted(self._times, from_s)) - self.modality.steps
        self._drop_first(first)

    def drop_until(self, start_s: float) -> None:
        """Forget everything before a time."""
        self._drop_first(int(np.searchsorted(self._times, start_s)))

    def _drop_first(self, samples: int) -> None:
        if samples > 0:
            # Samples of one stamp stay together: how many they are says how fast they come.
            first = int(np.searchsorted(self._times, self._times[min(samples, len(self) - 1)]))
            first = samples if samples >= len(self) else first
            self._from_s = float(self._times[first] if first < len(self) else self._times[-1])
            self._times, self._values = self._times[first:].copy(), self._values[:, first:].copy()

    def times(self, until_s: float = np.inf, *, final: bool = True) -> np.ndarray:
        """Give the times of the samples before a time, shared stamps spread.

        The newest stamp of a clock that gives packets one time is left out unless it is `final`:
        how many share it is not known yet.
        """
        times = self._times[: int(np.searchsorted(self._times, until_s))]
        if not self.shares_stamps or not len(times):
            return times
        if not final:
            times = times[: int(np.searchsorted(times, times[-1]))]
        if len(times) < 2 or times[0] == times[-1]:
            return times[:1]
        return spread_stamps(times, np.ones((1, len(times)), bool), self.modality.name)[0]

    def recent(self, samples: int) -> np.ndarray:
        """Give the newest values: (channel, at most so many)."""
        return self._values[:, -samples:]

    def observe_rate(self) -> float:
        """Give the samples' rate: the spec's where it is about that, else as they come."""
        rate_hz = float(self.modality.rate_hz or 1.0)
        if self.rate_hz is None and len(times_s := self.times(final=False)) >= _FEWEST:
            seen = observed_rate_hz(times_s)
            self.rate_hz = rate_hz if abs(seen / rate_hz - 1) <= TOLERANCE else seen
            if self.rate_hz != rate_hz:
                logger.info("%s comes at %.4g Hz and is brought to %g Hz", self.modality.name,
                            self.rate_hz, rate_hz)  # fmt: skip
        return self.rate_hz or rate_hz

    @property
    def reach_s(self) -> float:
        """Give the seconds of samples that a window needs beyond its ends: the filter's."""
        rate_hz = float(self.modality.rate_hz or 1.0)
        if self.rate_hz in (None, rate_hz):
            return 0.0
        return (FILTER_STEPS + 1) / min(float(self.rate_hz or rate_hz), rate_hz)

    def track(self, origin_s: float, from_s: float, until_s: float, *, final: bool) -> Track | None:
        """Give the samples as a track at the spec's rate, or as they are off a time axis.

        The track starts at or before `from_s`, on the grid that starts at `origin_s`.

        Args:
            origin_s: where the recording's grid starts.
            from_s: what must be in it.
            until_s: samples from here on are another recording's.
            final: nothing more comes before `until_s`.
        """
        times = self.times(until_s, final=final)
        if not len(times):
            return None
        values = self._values[:, : len(times)]
        if self.modality.axis != "time":
            return Track(self.modality, values, float(times[0]), times)
        rate_hz = self.observe_rate()
        start_s = origin_s + self._start_step(from_s - self.reach_s - origin_s, rate_hz) / rate_hz
        steps = round((times[-1] - start_s) * rate_hz) + 1
        if steps < 1:
            return None
        gap_s = max(self.entry.max_gap_s, 3 / rate_hz)
        offsets = times - start_s
        regular = resample_irregular(
            offsets, values, rate_hz, 0.0, steps, max_gap_s=gap_s, step_s=1 / rate_hz
        )
        source = Modality(name=self.modality.name, channels=self.modality.channels,
                          steps=self.modality.steps, rate_hz=rate_hz)  # fmt: skip
        return conform_track(Track(source, regular, start_s), self.modality)

    def _start_step(self, offset_s: float, rate_hz: float) -> int:
        """Give a step of the grid, at or before an offset, at which the spec's grid has one too."""
        every = self._period(rate_hz)
        return max(0, int((offset_s + _SAME_S) * rate_hz // every) * every)

    def _period(self, rate_hz: float) -> int:
        """Give after how many steps of a rate the spec's has one at the same time again."""
        ratio = Fraction(float(self.modality.rate_hz or 1.0) / rate_hz)
        return ratio.limit_denominator(MOST_FACTOR).denominator

    def check(self, values: np.ndarray) -> None:
        """Refuse, with the first window that has it, what must be another unit.

        Raises:
            SpecError: naming the unit that it looks like.
        """
        if not self.checked:
            check_track_scale(self.modality, values)
        self.checked = True

    def check_limits(self) -> None:
        """Refuse a sensor of which, before any window, many values cannot be.

        Raises:
            SpecError: naming the modality and its unit.
        """
        share = self._beyond / max(1, self._measured)
        if not self.checked and share > MOST_SHARE:
            units = "/".join(dict.fromkeys(self.modality.units))
            raise SpecError(
                f"'{self.modality.name}' is expected in {units}, but {share:.0%} of its values "
                "cannot be; is it another unit, or raw counts of the sensor?"
            )
