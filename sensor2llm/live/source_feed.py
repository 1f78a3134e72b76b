"""The windows of a live source: its columns found by name, its samples cut as they come."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from sensor2llm.errors import UserError, listed
from sensor2llm.live.clock import SampleClock
from sensor2llm.live.cutter import LiveCutter
from sensor2llm.live.feed import DueWindow, check_step
from sensor2llm.live.pace import Pace
from sensor2llm.live.sources.source import LiveSamples, LiveSource
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.data_map import SAME, DataMap
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.tables.description import TableModality
from sensor2llm.signals.tables.named_columns import match_columns, propose_map
from sensor2llm.signals.views.converted import unit_factor

logger = logging.getLogger(__name__)
IDLE_S = 0.05
"""Samples that came within this after the last look were waited for."""


class SourceFeed:
    """Give the windows of a source as soon as they are whole.

    Args:
        source: where samples come from.
        spec: the adapter's; sensors that the source lacks are missing.
        data_map: which of the source's sensors and axes stand for the adapter's.
        step_s: seconds from one window's start to the next one's; None lays them side by side.
        subject: whose windows they are.

    Raises:
        DataError: none of the columns is a channel of the spec, or a sensor lacks some.
        ConfigError: a step that cannot be.
    """

    def __init__(
        self,
        source: LiveSource,
        spec: SignalSpec,
        data_map: DataMap = SAME,
        *,
        step_s: float | None = None,
        subject: str = "unknown",
    ) -> None:
        self.source, self.name = source, source.name
        self._spec, self._map, self._step_s, self._subject = spec, data_map, step_s, subject
        check_step(step_s, spec)
        self._pace, self._ended, self._polled_s = Pace(), False, time.monotonic()
        self.heard_s = time.monotonic()
        self.ledger, self._losses = Ledger(), Counter[str]()
        self._match()

    @property
    def losses(self) -> Mapping[str, int]:
        """Give what was left out, by reason: samples, and lines that were none."""
        return dict(self._losses + Counter(getattr(self.source, "losses", {})))

    def _match(self) -> None:
        """Find the spec's modalities among the columns."""
        self._columns = tuple(self.source.columns)
        renamed = self._map.columns(self._spec, self._columns)
        proposal = propose_map(self._columns, self._spec)
        advice = f"say --map {proposal}" if proposal else "say --map SENSOR.AXIS=COLUMN …"
        where = Path(self.name)
        entries = match_columns(self._columns, self._spec, where, renamed, advice)
        entries = tuple(map(self._scaled, entries))
        read = {column for entry in entries for column in entry.columns}
        if others := [name for name in self._columns if name not in read]:
            logger.info("%s: %s are not read", self.name, listed(others))
        counts = (self.ledger, self._losses)
        self.cutter = LiveCutter(entries, self._spec, self._step_s, self._subject, *counts)
        self._entries = entries
        self._clock: SampleClock | None = None
        timed = [e.modality for e in entries if e.modality.axis == "time"]
        lengths = self._spec.subset(m.name for m in timed).lengths_s if timed else (None,)
        self.step_s: float | None = self._step_s or lengths[0]

    def _match_again(self) -> None:
        """Take up columns that came later; those that do not fit are left."""
        try:
            self._match()
        except UserError as error:
            logger.warning("new columns are not read: %s", error)

    def _scaled(self, entry: TableModality) -> TableModality:
        """Convert units that the source names."""
        factors = []
        for channel, column in zip(entry.modality.channels, entry.columns, strict=True):
            unit = self.source.units.get(column) or channel.unit
            factor = unit_factor(unit, channel.unit)
            if factor is None:
                logger.info("%s: %r of %s is taken as %s", self.name, unit, column, channel.unit)
            elif factor != 1.0:
                logger.info("%s: %s is brought from %s to %s", self.name, column, unit,
                            channel.unit)  # fmt: skip
            factors.append(factor or 1.0)
        return replace(entry, scale=tuple(factors))

    def poll(self, wait_s: float) -> list[DueWindow] | None:
        """Give the windows that became whole, after at most `wait_s` seconds; None at the end."""
        if self._ended:
            return None
        idle = time.monotonic() - self._polled_s < IDLE_S
        samples, now_s = self.source.read(wait_s), time.monotonic()
        last: list[DueWindow] = []
        self._ended = samples is None
        if samples is None or tuple(self.source.columns) != self._columns:
            last = [DueWindow(self._map.turn(w), now_s, now_s) for w, _ in self.cutter.finish()]
        if samples is not None:
            if tuple(self.source.columns) != self._columns:
                self._match_again()
            last += self._windows(samples, now_s, idle)
        self._polled_s = time.monotonic()
        return last

    def _windows(self, samples: LiveSamples, now_s: float, idle: bool) -> Iterator[DueWindow]:
        if not len(samples):
            return
        self.heard_s = now_s
        times_s, restarts = self._times_s(samples, now_s), self.cutter.restarts
        cut = list(self.cutter.feed(times_s, samples.values))
        if self.cutter.restarts != restarts:
            self._pace.restart()
        # Where nobody was waiting, only the newest sample says how late samples come by themselves.
        self._pace.arrive(float(times_s.min() if idle else times_s.max()), now_s)
        for window, stop_s in cut:
            yield DueWindow(self._map.turn(window), self._pace.due(stop_s), now_s)

    def _times_s(self, samples: LiveSamples, now_s: float) -> np.ndarray:
        if samples.times_s is not None:
            return samples.times_s
        if self._clock is None:
            logger.info("%s: no time; samples are taken to come at the adapter's rate", self.name)
            self._clock = SampleClock(self._entries, self.name)
        return self._clock.times_s(samples.values, now_s)

    def recent(self) -> Mapping[str, np.ndarray]:
        """Give the newest values of each modality that is there: (channel, step)."""
        return {name: values for name, buffer in self.cutter.buffers.items()
                if (values := buffer.newest).size}  # fmt: skip

    def close(self) -> None:
        """Let go of the source."""
        self.source.close()
