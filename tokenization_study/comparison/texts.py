"""Windows as text: the encoder's sensors in every serialiser's form, and summary statistics."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from sensor2llm.adapter.signal_text import SignalText
from sensor2llm.errors import ConfigError
from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.resample import resample
from sensor2llm.signals.serialisation.serialise import Serialiser, SerialiserConfig, make_serialiser
from sensor2llm.signals.spec import Modality
from sensor2llm.signals.store.windows import Windows
from tokenization_study.comparison.config import FACTS, ComparisonConfig

FITTED_WINDOWS = 200
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class WindowTexts:
    """Write a store's windows as text.

    Args:
        store: the windows.
        train: training windows; scales of serialisers are taken from some of them.
        config: modality and decimals of raw numbers.
        rate_hz: that sensors are reduced to; None leaves them at their own. A modality without a
            rate (beats, a row of values) is always written whole.

    Raises:
        ConfigError: the store has no such modality.
    """

    store: Windows
    train: np.ndarray
    config: ComparisonConfig
    rate_hz: float | None = None

    def __post_init__(self) -> None:
        _ = self.modalities

    @cached_property
    def modalities(self) -> tuple[Modality, ...]:
        """Find the modalities that raw rows write."""
        spec, name = self.store.spec, self.config.modality
        if name is not None and name not in spec.names:
            raise ConfigError(
                f"no modality '{name}' in the store; choose from {', '.join(spec.names)}"
            )
        return tuple(m for m in spec.modalities if name in (None, m.name))

    def rate_of(self, modality: Modality) -> float | None:
        """Give the rate that a modality is written at, never above its own; None without one."""
        own = modality.rate_hz
        return own if own is None or self.rate_hz is None else min(self.rate_hz, own)

    @property
    def sensors(self) -> str:
        """Name the sensors that are written."""
        return ", ".join(m.name for m in self.modalities)

    @property
    def rates(self) -> str:
        """Say at which rates they are written."""
        rates = [self.rate_of(m) for m in self.modalities]
        return ", ".join(dict.fromkeys(f"{r:g} Hz" if r else "each value" for r in rates))

    @property
    def reduces(self) -> bool:
        """Say whether a modality is written at less than its own rate."""
        return any(self.rate_of(m) != m.rate_hz for m in self.modalities)

    def reduced(self, row: int) -> dict[str, Float[np.ndarray, "channel step"]]:
        """Give a window's numbers as raw rows write them, without the modalities it lacks."""
        signals, numbers = self.store[row].signals, {}
        for m in self.modalities:
            if m.name in signals:
                values, rate = signals[m.name], self.rate_of(m)
                if m.rate_hz and rate and rate != m.rate_hz:
                    values = resample(values, m.rate_hz, rate)
                numbers[m.name] = np.round(values.astype(np.float64), self.config.decimals) + 0.0
        return numbers

    def numbers(self, form: str, rows: np.ndarray) -> Float[np.ndarray, "window number"]:
        """Give exactly the numbers that windows' texts hold, a column each; NaN where one lacks."""
        if form == FACTS:
            return self._fact_numbers(rows)
        read = [self.reduced(int(row)) for row in rows]
        shapes = {name: values.shape for window in read for name, values in window.items()}
        return np.stack(
            [
                np.concatenate([w.get(n, np.full(s, np.nan)).ravel() for n, s in shapes.items()])
                for w in read
            ]
        )

    def _fact_numbers(self, rows: np.ndarray) -> Float[np.ndarray, "window number"]:
        windows: list[dict[tuple[str, int], float]] = []
        for row in rows:
            facts = extract_facts(self.store[int(row)], self.store.spec).items()
            windows.append(
                {
                    (key, i): float(number)
                    for key, fact in facts
                    for i, number in enumerate(NUMBER.findall(fact.text.partition(": ")[2]))
                }
            )
        columns = sorted(set().union(*windows))
        return np.array([[w.get(column, np.nan) for column in columns] for w in windows])

    def serialiser(self, form: str, modality: Modality) -> Serialiser:
        """Give a serialiser whose scale suits the training windows."""
        made = make_serialiser(form, SerialiserConfig(decimals=self.config.decimals))
        if form != "bins":
            return made
        rows = self.train[:: max(len(self.train) // FITTED_WINDOWS, 1)]
        read = (self.reduced(row).get(modality.name) for row in rows.tolist())
        return made.fit_scale(np.concatenate([v for v in read if v is not None], axis=1))

    def write(self, form: str, rows: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """Write windows as summary statistics (`facts`) or in a serialiser's form."""
        if form == FACTS:
            facts = SignalText(form=FACTS)
            return tuple(facts.write(self.store[int(r)], self.store.spec) for r in rows)
        forms = {m.name: self.serialiser(form, m) for m in self.modalities}
        texts = []
        for row in rows:
            read = self.reduced(int(row))
            blocks = {n: f.write(read[n]) if n in read else "missing" for n, f in forms.items()}
            alone = len(blocks) == 1
            texts.append(
                "\n".join(b if alone else f"{self._head(n)}\n{b}" for n, b in blocks.items())
            )
        return tuple(texts)

    def _head(self, name: str) -> str:
        unit = _unit(next(m for m in self.modalities if m.name == name))
        return f"{name} ({unit}):" if unit else f"{name}:"

    def variables(self, form: str) -> dict[str, Any]:
        """Give the template's further variables: what the numbers are."""
        if form == FACTS:
            return {}
        rates = {self.rate_of(m) for m in self.modalities}
        rate = rates.pop() if len(rates) == 1 else None
        variables: dict[str, Any] = {"modalities": [m.name for m in self.modalities]}
        variables |= {"rate_hz": f"{rate:g}"} if rate else {}
        unit = _unit(self.modalities[0]) if len(self.modalities) == 1 else ""
        return variables | ({"unit": unit} if unit else {})


def _unit(modality: Modality) -> str:
    """Give the unit that all channels share, or an empty text."""
    units = {channel.unit for channel in modality.channels}
    return units.pop() if len(units) == 1 else ""
