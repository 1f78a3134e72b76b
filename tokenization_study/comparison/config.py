"""Options of a comparison; torch-free, so that `--help` stays quick."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor2llm.errors import ConfigError
from sensor2llm.signals.serialisation.config import NAMES

FACTS = "facts"
"""The row family of summary statistics, beside the serialisers."""


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """Which windows, how raw numbers are reduced, and what each prompt may learn from."""

    windows: int = 120
    """Test windows, the same for every row: stratified by person and label."""
    modality: str | None = None
    """The one modality that raw rows write; unset: all that the encoder hears."""
    rate_hz: float = 10.0
    """Rate that raw rows are reduced to; each form is also tried at the encoder's own rate."""
    decimals: int = 2
    """Decimals that raw rows are rounded to."""
    serialisers: tuple[str, ...] = ("plain", "digits_spaced", "scaled_integer", "bins")
    """How raw rows write their numbers."""
    shots: int = 6
    """Solved training windows in a few-shot prompt, labels in turn; fewer where they do not fit."""
    learned: int = 1
    """How many serialisers also get examples, a learned soft prompt, a probe of the LLM's states
    and the encoder's own rate: the best on validation people."""
    soft_tokens: int = 8
    """Vectors of a learned soft prompt."""
    train_windows: int = 240
    """Labelled training windows of what is fitted to numbers; with 0 all that the encoder had."""
    validation_windows: int = 36
    """Windows of validation people: serialisers, soft prompts and layers are chosen on them."""
    epochs: int = 1
    """Passes over the training windows."""
    learning_rate: float = 1e-2
    """Of the soft prompts."""
    free_text: bool = False
    """Let the LLM also answer each window in its own words, which takes as long again."""
    row_minutes: float = 10.0
    """A row that would take longer is timed on one window, not run, and says so."""
    tokens_at_once: int = 16_384
    """Positions in one batch."""
    seed: int = 0
    """Of the sample, the examples, the soft prompts and the bootstrap."""

    def __post_init__(self) -> None:
        for name in ("windows", "rate_hz", "validation_windows", "epochs", "row_minutes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("shots", "learned", "soft_tokens", "decimals", "train_windows"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        if unknown := set(self.serialisers) - set(NAMES):
            choices = ", ".join(NAMES)
            raise ConfigError(f"unknown serialiser '{min(unknown)}'; choose from {choices}")


def read_comparison(path: Path) -> Any:
    """Read what `compare` wrote.

    Raises:
        ConfigError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path.name} is no comparison's JSON ({error})") from None
