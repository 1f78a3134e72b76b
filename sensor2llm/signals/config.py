"""Options of the signal layer; no torch and no scipy here, so that `--help` stays quick."""

from dataclasses import dataclass
from typing import Literal, get_args

from sensor2llm.errors import ConfigError

SplitKind = Literal["published", "subject", "fold", "loso", "data_set"]


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Choose how people are divided into training, validation and test."""

    kind: SplitKind = "subject"
    """Who is tested: subject, fold, loso, published or data_set. These are people drawn at random,
    one of `folds` groups of people, a single person, the data set's own test people, or all people
    of one data set of several that stand side by side."""

    fold: int = 0
    """Which fold is tested, or which person (loso) or data set in order."""

    folds: int = 5
    """How many groups of people there are (kind fold)."""

    seed: int = 0
    """Seed of every draw of people."""

    validation_share: float = 0.2
    """Share of the training people set aside for validation; at least one person."""

    test_share: float = 0.2
    """Share of all people that are the test (kind subject); at least one person."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(SplitKind):
            choices = ", ".join(get_args(SplitKind))
            raise ConfigError(f"unknown split kind {self.kind!r}; choose from {choices}")
        if self.folds < 2:
            raise ConfigError(f"folds must be at least 2, got {self.folds}")
        if self.fold < 0 or (self.kind == "fold" and self.fold >= self.folds):
            raise ConfigError(f"fold must be 0 to {self.folds - 1}, got {self.fold}")
        for name in ("validation_share", "test_share"):
            share = getattr(self, name)
            if not 0.0 < share < 1.0:
                raise ConfigError(f"{name} must lie between 0 and 1, got {share:g}")
