"""Options of an audit."""

from dataclasses import dataclass

from sensor2llm.errors import ConfigError

AS_WRITTEN = "as_written"
"""The input's own text, left as it is: a serialiser of text files and standard input."""

FEWEST_SAMPLED = 5_000
"""Values that are sampled of a short input, where it has so many."""

FEWEST_PROBED = 500
"""Different values that are rewritten of a short input, where it has so many."""

SEVERITIES = ("none", "low", "medium", "high")


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """Say what is read of the input and how it is cut into windows."""

    columns: tuple[str, ...] = ()
    """Columns to audit: names, or numbers from 1 in a text file; unset: those that vary and are no
    clock."""

    rate_hz: float | None = None
    """Rows a second, where the input does not say it; without one there is nothing per second."""

    window_steps: int = 128
    """Rows of a window, where the input is not cut into windows."""

    unit: str = ""
    """Unit of the numbers, where the input does not say it; used by the check of units."""

    max_windows: int | None = None
    """Audit only so many windows (a store: chosen by the seed; a file: the first); unset: all."""

    def __post_init__(self) -> None:
        for name in ("rate_hz", "window_steps", "max_windows"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}")


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """Say what is measured against what."""

    sample_values: int = 20_000
    """Values of the seeded sample on which pairs, edit distances and single texts are checked; of
    an input of less than a million values 2 %, but no fewer than 5,000."""

    probe_values: int = 1_000
    """Different numbers of the sample that are also rewritten (other minus, decimal comma …); of
    the sample 5 %, but no fewer than 500."""

    seed: int = 0
    """Seed of the sample."""

    context_tokens: int = 8192
    """Length of the context window that shares are given of."""

    price_per_million_tokens: float | None = None
    """Price of a million tokens read, in any currency; unset: no prices."""

    signal_tokens: int = 8
    """Tokens that an encoder would spend on a window: the budget line to compare with."""

    resolution_levels: int = 256
    """Levels to which the signal is quantised for its entropy (of its 0.5 to 99.5 % range)."""

    shown_lines: int = 4
    """Lines of the input that the report renders token by token."""

    def sampled(self, values: int) -> int:
        """Give the values of the sample of an input of so many."""
        return min(self.sample_values, max(FEWEST_SAMPLED, values // 50))

    def probed(self, sampled: int) -> int:
        """Give the different numbers of a sample of so many that are rewritten."""
        return min(self.probe_values, max(FEWEST_PROBED, sampled // 20))

    def __post_init__(self) -> None:
        for name in ("sample_values", "probe_values", "context_tokens", "signal_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if self.resolution_levels < 2:
            raise ConfigError(f"resolution_levels must be 2 or more, got {self.resolution_levels}")
        if self.price_per_million_tokens is not None and self.price_per_million_tokens < 0:
            raise ConfigError("price_per_million_tokens must not be negative")
