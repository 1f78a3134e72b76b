"""What can be chosen when a published data set is read; numpy-free, so that `--help` is quick."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from sensor2llm.errors import ConfigError

MAX_WINDOW_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Options of the readers; left out, a reader has its own default.

    Raises:
        ConfigError: For an overlap outside 0 to 1 or a window that is not positive.
    """

    overlap: float | None = None
    """Share of a window that the next one repeats, from 0 to below 1. Left out: pamap2, mhealth,
    motionsense, hhar, wesad 0.5; others 0; a table: its YAML's `overlap`."""
    window_s: float | None = None
    """Length of a window in seconds. Left out: wisdm, wisdm_v1, capture24, cinc2017 10; pamap2,
    mhealth 5.12; motionsense, hhar 2.56; wesad 30; a table: its YAML's `window_s`; an
    export: phones and accelerometers 10, empatica 30, fit 60, fitbit 600, apple_health 3600."""
    devices: Literal["watch", "phone", "both", "wrist", "chest"] | None = None
    """Of wisdm and hhar: watch, phone or both; of wesad: wrist, chest or both."""
    subjects: Literal["all", "complete"] | None = None
    """Of wisdm: all people, or those with a file for every sensor."""

    classes: Literal["all", "stress"] | None = None
    """Of wesad: all four conditions, or stress against the rest."""
    labels: Path | None = None
    """Of a device's export: a CSV of intervals, start,end,label and perhaps person; times with
    their zone or in Unix seconds. Left out, windows have no label."""

    def __post_init__(self) -> None:
        if self.overlap is not None and not 0 <= self.overlap < 1:
            raise ConfigError(f"overlap must be from 0 to below 1, got {self.overlap:g}")
        if self.window_s is not None and not self.window_s > 0:
            raise ConfigError(f"window_s must be positive, got {self.window_s:g}")
        if self.window_s is not None and self.window_s > MAX_WINDOW_S:
            raise ConfigError(f"window_s must be at most {MAX_WINDOW_S:g}, got {self.window_s:g}")

    def chosen(self) -> dict[str, object]:
        """Give the options that were chosen, without those left at `None`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def allow(self, source: str, *names: str) -> None:
        """Refuse an option that `source` does not have.

        Raises:
            ConfigError: Naming the option, the source and the options that it has.
        """
        for name in self.chosen():
            if name not in names:
                has = ", ".join(map(_option, names)) or "none"
                raise ConfigError(f"{source} has no option {_option(name)}; its options: {has}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
