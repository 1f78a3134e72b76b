"""Options of the simulation."""

from dataclasses import dataclass
from typing import Literal, get_args

from sensor2llm.errors import ConfigError

Scenario = Literal["activity", "rhythm", "sleep", "spirometry", "daily", "phone"]


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """Say which recordings are made, of how many people and from which seed."""

    scenario: Scenario = "activity"
    """Recordings of activity, rhythm, sleep, spirometry, daily or phone. rhythm is inter-beat
    intervals, daily a day's summaries, phone the sensors that the released adapter uci-har hears.
    """

    subjects: int = 12
    """Number of people. A person is the same whatever the number of others."""

    sessions: int = 2
    """Recordings a person, each with every class once. daily: weeks; spirometry: three blows."""

    bout_s: float | None = None
    """Seconds of each class a session; unset: 40 (activity, phone), 240 (rhythm), 150 (sleep)."""

    rate_hz: float = 50.0
    """Rate of accelerometers and gyroscope in the scenario activity."""

    window_s: float | None = None
    """Seconds of a window; unset: 5 (activity), 30 (sleep). Rhythm takes windows of 60 beats, phone
    of 2.56 s."""

    missing_share: float = 0.1
    """Share of a recording's modalities that are missing; one always stays."""

    levels: int = 2
    """Labels of the scenario daily: 2 (calm, stressed) or 5 (stress from 1 to 5)."""

    seed: int = 0
    """Seed of everything that is drawn."""

    def __post_init__(self) -> None:
        """Raise ConfigError for what cannot be simulated."""
        if self.scenario not in get_args(Scenario):
            choices = ", ".join(get_args(Scenario))
            raise ConfigError(f"unknown scenario {self.scenario!r}; choose from {choices}")
        for name in ("subjects", "sessions", "bout_s", "rate_hz", "window_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"{name} must be positive, got {value}")
        if self.levels not in (2, 5) or (self.levels != 2 and self.scenario != "daily"):
            raise ConfigError(
                f"levels must be 2 (daily: 2 or 5), got {self.levels} in {self.scenario}"
            )
        if not 0 <= self.missing_share < 1:
            raise ConfigError(f"missing_share must be 0 to below 1, got {self.missing_share}")
        if self.rate_hz < 10:
            raise ConfigError(f"rate_hz must be at least 10 to show steps, got {self.rate_hz:g}")
        if self.seed < 0:
            raise ConfigError(f"seed must not be negative, got {self.seed}")
