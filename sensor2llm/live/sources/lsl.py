"""Samples of Lab Streaming Layer: any number of streams, found on the network by name."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from sensor2llm.errors import ConfigError, DataError, listed
from sensor2llm.live.sources.source import NOTHING, LiveSamples

FIND_S = 3.0
"""How long a stream is looked for."""
BUFFER_S = 60
"""Seconds of samples that wait for us where the model is slow; older ones are lost."""
_LOOK_S = 0.005


class LslSource:
    """Listen to streams of Lab Streaming Layer.

    A column is called as its channel's label where the stream has labels, with the stream's name
    before it (`watch.x`) where the label is a single letter or there twice; without labels, as
    `watch.1`, `watch.2`, …, or `watch` alone. Stamps are those of the streams, on this machine's
    clock, in seconds since 1970.

    Args:
        names: of the streams, with commas between them.

    Raises:
        ConfigError: pylsl is not there.
        DataError: there is no such stream, or it is one of texts.
    """

    def __init__(self, names: str) -> None:
        self._lsl = _pylsl()
        self.name = names
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        self._inlets = [self._open(name) for name in wanted]
        infos = [inlet.info(timeout=FIND_S) for inlet in self._inlets]
        self._named = _named(infos)
        self.columns: Sequence[str] = tuple(name for own in self._named for name in own)
        units = (info.get_channel_units() or [] for info in infos)
        pairs = zip(self._named, units, strict=True)
        self.units = {column: str(unit) for columns, own in pairs
                      for column, unit in zip(columns, own, strict=False) if unit}  # fmt: skip
        self._since_1970_s = time.time() - self._lsl.local_clock()
        self._turn = 0

    def _open(self, name: str) -> Any:
        lsl = self._lsl
        streams = lsl.resolve_byprop("name", name, minimum=1, timeout=FIND_S)
        if not streams:
            others = sorted({info.name() for info in lsl.resolve_streams(wait_time=0.5)})
            there = f"there are {listed(others)}" if others else "there is none at all"
            raise DataError(
                f"no stream called {name!r} was found within {FIND_S:g} s; {there}: is the device "
                "on, and in this network?"
            )
        info = streams[0]
        if info.channel_format() == lsl.cf_string:
            raise DataError(f"the stream {name!r} is one of texts; name one of numbers")
        flags = lsl.proc_clocksync | lsl.proc_dejitter | lsl.proc_monotonize
        if info.nominal_srate() == lsl.IRREGULAR_RATE:
            flags = lsl.proc_clocksync | lsl.proc_monotonize
        inlet = lsl.StreamInlet(info, max_buflen=BUFFER_S, processing_flags=flags)
        inlet.open_stream(timeout=FIND_S)
        return inlet

    def read(self, wait_s: float) -> LiveSamples | None:
        """Give what one of the streams sent; nothing where none did."""
        until_s = time.monotonic() + wait_s
        while True:
            for _ in self._inlets:
                # The streams take turns: one that always has something must not hide the others.
                self._turn = (self._turn + 1) % len(self._inlets)
                rows, stamps = self._pull(self._inlets[self._turn])
                if stamps:
                    table = np.asarray(rows, np.float64).T
                    values = dict(zip(self._named[self._turn], table, strict=True))
                    return LiveSamples(values, np.asarray(stamps) + self._since_1970_s)
            if time.monotonic() >= until_s:
                return NOTHING
            time.sleep(_LOOK_S)

    def _pull(self, inlet: Any) -> tuple[list, list]:
        try:
            return inlet.pull_chunk(timeout=0.0)
        except self._lsl.LostError:
            # Without an id of its source a stream that is gone cannot come back by itself.
            return [], []

    def close(self) -> None:
        """Leave the streams."""
        for inlet in self._inlets:
            inlet.close_stream()


def _pylsl() -> Any:
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:
        raise ConfigError("lsl:// needs pylsl: pip install 'sensor2llm[live]'") from error
    return pylsl


def _named(infos: Sequence[Any]) -> list[list[str]]:
    """Name the columns of each stream."""
    labels = [[str(label or "") for label in info.get_channel_labels() or []] for info in infos]
    flat = [label for own in labels for label in own]
    return [
        [label if len(label) > 1 and flat.count(label) == 1 else f"{info.name()}.{label}"
         for label in own] if own and all(own) else _numbered(info)
        for info, own in zip(infos, labels, strict=True)
    ]  # fmt: skip


def _numbered(info: Any) -> list[str]:
    count = info.channel_count()
    return [info.name()] if count == 1 else [f"{info.name()}.{i + 1}" for i in range(count)]
