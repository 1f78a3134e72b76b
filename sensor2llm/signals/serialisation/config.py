"""Options of the serialisers."""

from dataclasses import dataclass

from sensor2llm.errors import ConfigError

MAX_BINS = 65_536
NAMES = (
    "plain", "fixed", "significant", "digits_spaced", "scaled_integer", "scientific", "bins",
    "delta", "lines", "json", "csv",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SerialiserConfig:
    """Say how numbers are written; what a form does not use is ignored."""

    separator: str = ", "
    """Text between two numbers of one channel (plain, fixed, significant and the like)."""

    channel_separator: str = "\n"
    """Text between two channels."""

    unit: str = ""
    """Text put directly after each number, for example ' g'; json states it once."""

    missing: str = "NaN"
    """The word that stands for a missing value (json always writes null)."""

    decimals: int | None = None
    """Decimals; unset: 2 where a form needs them, the shortest exact text in lines, json, csv."""

    significant_digits: int = 3
    """Digits of the forms significant and scientific."""

    scale: float = 1.0
    """What a value is divided by before it is written (digits_spaced, scaled_integer, bins)."""

    offset: float = 0.0
    """What is taken from a value before it is divided (digits_spaced, scaled_integer, bins)."""

    bins: int = 4094
    """Number of equal bins; the default is that of Chronos (Ansari et al. 2024, sec. 3.1)."""

    bin_limit: float = 15.0
    """Bins reach from minus to plus this many scales; values beyond are clipped."""

    bin_base: int = 10
    """Base in which a bin's number is written, 2 to 36."""

    row_lead: str = ""
    """Columns in front of every csv row, for example '1600,A' (subject and activity)."""

    timestamp_start: int | None = None
    """Integer time of the first csv row; unset: no time column."""

    timestamp_step: int = 50_000_000
    """Integer time between two csv rows (nanoseconds at 20 Hz)."""

    row_end: str = ";"
    """Text that ends a csv row, before the line break."""

    def __post_init__(self) -> None:
        """Raise ConfigError for options under which a text could not be read back."""
        self._check_numbers()
        for name in ("separator", "channel_separator", "missing"):
            text = getattr(self, name)
            if not text or any(character in "0123456789.+-" for character in text):
                raise ConfigError(
                    f"{name} must be text without digits, signs and points, got {text!r}"
                )
        if self.separator == self.channel_separator:
            raise ConfigError(f"separator and channel_separator are both {self.separator!r}")
        if any(character in "0123456789.+-" for character in self.unit.strip()[:1]):
            raise ConfigError(f"unit must not start with a digit, sign or point, got {self.unit!r}")
        for part in (self.separator, self.channel_separator):
            if self.unit and part.strip() and part.strip() in self.unit:
                raise ConfigError(f"unit {self.unit!r} contains the separator {part!r}")

    def _check_numbers(self) -> None:
        if self.decimals is not None and not 0 <= self.decimals <= 15:
            raise ConfigError(f"decimals must be 0 to 15, got {self.decimals}")
        if not 1 <= self.significant_digits <= 17:
            raise ConfigError(f"significant_digits must be 1 to 17, got {self.significant_digits}")
        if not self.scale > 0:
            raise ConfigError(f"scale must be positive, got {self.scale}")
        if not 2 <= self.bins <= MAX_BINS:
            raise ConfigError(f"bins must be 2 to {MAX_BINS}, got {self.bins}")
        if not self.bin_limit > 0:
            raise ConfigError(f"bin_limit must be positive, got {self.bin_limit}")
        if not 2 <= self.bin_base <= 36:
            raise ConfigError(f"bin_base must be 2 to 36, got {self.bin_base}")
