"""Windows as text: reduced numbers in every serialiser's form, and summary statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from sensor2llm.adapter.signal_text import SignalText
from sensor2llm.errors import ConfigError
from sensor2llm.signals.resample import resample
from sensor2llm.signals.serialisation.serialise import Serialiser, SerialiserConfig, make_serialiser
from sensor2llm.signals.spec import Modality
from sensor2llm.signals.store.windows import Windows
from tokenization_study.comparison.config import FACTS, ComparisonConfig

PREFERRED = "total_acc"
FITTED_WINDOWS = 200


@dataclass(frozen=True)
class WindowTexts:
    """Write a store's windows as text.

    Args:
        store: the windows.
        train: training windows; scales of serialisers are taken from some of them.
        config: modality, rate and decimals of raw numbers.

    A modality without a rate (beats, a row of values) is written whole.

    Raises:
        ConfigError: the store has no such modality.
    """

    store: Windows
    train: np.ndarray
    config: ComparisonConfig

    def __post_init__(self) -> None:
        _ = self.modality

    @cached_property
    def modality(self) -> Modality:
        """Find the modality that raw rows write."""
        names = self.store.spec.names
        name = self.config.modality or (PREFERRED if PREFERRED in names else names[0])
        if name not in names:
            raise ConfigError(f"no modality '{name}' in the store; choose from {', '.join(names)}")
        return self.store.spec.modalities[names.index(name)]

    @property
    def rate_hz(self) -> float | None:
        """Give the rate of reduced windows: never above the modality's own; None without one."""
        own = self.modality.rate_hz
        return None if own is None else min(self.config.rate_hz, own)

    @property
    def reduction(self) -> str:
        """Say what is left out of raw rows."""
        m = self.modality
        fewer = f"all {m.steps} of a window"
        if m.rate_hz:
            fewer = f"from {m.rate_hz:g} Hz to {self.rate_hz:g} Hz by a polyphase filter"
        channels = "1 channel" if len(m.channels) == 1 else f"{len(m.channels)} channels"
        return f"{m.name} alone ({channels}), {fewer}, {self.config.decimals} decimals"

    def reduced(self, row: int) -> Float[np.ndarray, "channel step"] | None:
        """Give a window's numbers as raw rows write them; None where the modality is missing."""
        values = self.store[row].signals.get(self.modality.name)
        if values is None:
            return None
        if self.modality.rate_hz and self.rate_hz:
            values = resample(values, self.modality.rate_hz, self.rate_hz)
        return np.round(values.astype(np.float64), self.config.decimals) + 0.0

    def serialiser(self, name: str) -> Serialiser:
        """Give a serialiser whose scale suits the training windows."""
        made = make_serialiser(name, SerialiserConfig(decimals=self.config.decimals))
        if name != "bins":
            return made
        rows = self.train[:: max(len(self.train) // FITTED_WINDOWS, 1)]
        values = [v for row in rows.tolist() if (v := self.reduced(row)) is not None]
        return made.fit_scale(np.concatenate(values, axis=1))

    def write(self, form: str, rows: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """Write windows as summary statistics (`facts`) or in a serialiser's form."""
        if form == FACTS:
            facts = SignalText(form=FACTS)
            return tuple(facts.write(self.store[int(r)], self.store.spec) for r in rows)
        serialiser = self.serialiser(form)
        reduced = (self.reduced(int(row)) for row in rows)
        return tuple("missing" if v is None else serialiser.write(v) for v in reduced)

    def write_full(self, rows: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """Write every modality at its full rate and precision, plain."""
        plain = make_serialiser("plain")
        return tuple(
            "\n".join(plain.write(values) for values in self.store[int(row)].signals.values())
            for row in rows
        )

    def variables(self, form: str) -> dict[str, Any]:
        """Give the template's further variables: what the numbers are."""
        if form == FACTS:
            return {}
        units = sorted({channel.unit for channel in self.modality.channels})
        variables: dict[str, Any] = {"modalities": [self.modality.name]}
        variables |= {"rate_hz": f"{self.rate_hz:g}"} if self.rate_hz else {}
        return variables | ({"unit": units[0]} if len(units) == 1 and units[0] else {})
