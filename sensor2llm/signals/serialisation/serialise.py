r"""Write numbers as text, and read them back.

    >>> SERIALISERS["fixed"].write(np.array([[0.5, -0.25], [9.81, 9.8]]))
    '0.50, -0.25\n9.81, 9.80'
    >>> SERIALISERS["fixed"].read('0.50, -0.25\n9.81, 9.80')
    array([[ 0.5 , -0.25],
           [ 9.81,  9.8 ]])

Values are (channel, step) arrays or one channel (step,); what is read is always (channel, step).
Channels are written one after the other, each on its own line unless `channel_separator` says
otherwise; `csv` writes a row a step instead. A missing value (NaN) is written as the word
`missing`; infinities are an error. `max_error(values)` bounds what a round trip changes, after
casting to the values' own type; 0 means exact.

| name | example of 7.091625, -0.5916671 |
|---|---|
| plain | `7.091625, -0.5916671` |
| fixed | `7.09, -0.59` |
| significant | `7.09, -0.592` |
| digits_spaced | `7 0 9 , - 5 9` |
| scaled_integer | `709, -59` |
| scientific | `7.09e+00, -5.92e-01` |
| bins | `3014, 1966` |
| delta | `7.09, -7.68` |
| lines | `7.091625\n-0.5916671` |
| json | `[[7.091625, -0.5916671]]` |
| csv | `7.091625;\n-0.5916671;\n` |
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Shaped

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.serialisation.config import NAMES, SerialiserConfig
from sensor2llm.signals.serialisation.layouts import Inline, Json, RowLayout, TextLayout
from sensor2llm.signals.serialisation.numbers import (
    Fixed,
    NumberForm,
    Scientific,
    Shortest,
    Significant,
)
from sensor2llm.signals.serialisation.scaled_numbers import Bins, Delta, ScaledInteger

__all__ = ["SERIALISERS", "Serialiser", "SerialiserConfig", "make_serialiser"]

Values = Shaped[np.ndarray, "..."]


@dataclass(frozen=True)
class Serialiser:
    """Write values as text and read them back: a number form in a layout.

    >>> bins = make_serialiser("bins", SerialiserConfig(bins=100)).fit_scale(np.array([1.0, 3.0]))
    >>> bins.read(bins.write(np.array([1.0, 3.0])))
    array([[0.9, 3.3]])
    """

    name: str
    form: NumberForm
    layout: TextLayout

    def write(self, values: Values) -> str:
        """Give the text of (channel, step) or (step,) values; raises DataError for infinities."""
        values = _channels(values)
        if not self.form.each_alone:
            return self.layout.join([self._cells(row) for row in values])
        cells, steps = self._cells(values.ravel()), values.shape[1]
        return self.layout.join([cells[i : i + steps] for i in range(0, len(cells), steps)])

    def _cells(self, row: Shaped[np.ndarray, " step"]) -> list[str]:
        present = ~np.isnan(row)
        if present.all():
            return self.form.write(row)
        cells = np.full(row.shape, self.layout.missing, dtype=object)
        cells[present] = self.form.write(row[present])
        return cells.tolist()

    def read(self, text: str) -> Float[np.ndarray, "channel step"]:
        """Give the values of a text; raises DataError for a text of another form."""
        if not text.strip():
            raise DataError(f"there is no number to read in an empty text ({self.name})")
        table = self.layout.split(text)
        lengths = [len(row) for row in table]
        if len(set(lengths)) != 1:
            raise DataError(f"channels have {lengths} numbers; all channels need the same number")
        some_missing = self.layout.missing in text
        return np.stack([self._values(row, some_missing) for row in table])

    def _values(self, cells: list[str], some_missing: bool) -> Float[np.ndarray, " step"]:
        missing = self.layout.missing
        absent = [
            i for i, cell in enumerate(cells if some_missing else ())
            if cell == missing or cell.strip() == missing
        ]  # fmt: skip
        try:
            if not absent:
                return self.form.read(cells)
            values = np.full(len(cells), np.nan)
            present = np.ones(len(cells), dtype=bool)
            present[absent] = False
            values[present] = self.form.read([cells[i] for i in np.flatnonzero(present).tolist()])
        except ValueError as error:
            raise DataError(f"text was not written by {self.name!r}: {error}") from None
        return values

    def max_error(self, values: Values) -> float:
        """Bound |read(write(values)) - values| after casting to the values' own type."""
        return max(self.form.max_error(row[~np.isnan(row)]) for row in _channels(values))

    def fit_scale(self, values: Values) -> "Serialiser":
        """Give the serialiser whose scale suits the values (digits_spaced, bins; others: same)."""
        finite = values[np.isfinite(values)]
        if not finite.size:
            raise DataError(f"{self.name} cannot take its scale from values that are all missing")
        return replace(self, form=self.form.fit_scale(finite))


def _channels(values: Values) -> Shaped[np.ndarray, "channel step"]:
    """Give values as (channel, step); raises DataError for what cannot be written."""
    values = np.asarray(values)
    if values.ndim not in (1, 2) or not values.size:
        raise DataError(
            f"values must be (channel, step) or (step,) and not empty, got {values.shape}"
        )
    if values.dtype.kind not in "iuf":
        raise DataError(f"values must be numbers, got {values.dtype}")
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise DataError(f"{infinite} values are infinite; clip them or make them NaN (missing)")
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    return np.atleast_2d(values)


def _form(name: str, config: SerialiserConfig) -> NumberForm:
    decimals = 2 if config.decimals is None else config.decimals
    digits = config.significant_digits
    forms: dict[str, NumberForm] = {
        "plain": Shortest(),
        "fixed": Fixed(decimals),
        "significant": Significant(digits),
        "digits_spaced": ScaledInteger(decimals, config.scale, config.offset, spaced=True),
        "scaled_integer": ScaledInteger(decimals, config.scale, config.offset),
        "scientific": Scientific(digits),
        "bins": Bins(config),
        "delta": Delta(decimals),
    }
    exact = Shortest() if config.decimals is None else Fixed(decimals)
    return forms.get(name, exact)


def _layout(name: str, config: SerialiserConfig) -> TextLayout:
    if name == "json":
        return Json(config.unit)
    if name == "csv":
        return RowLayout(
            lead=config.row_lead,
            timestamp_start=config.timestamp_start,
            timestamp_step=config.timestamp_step,
            end=config.row_end,
            unit=config.unit,
            missing=config.missing,
        )
    if name == "lines":
        return Inline("\n", "\n\n", config.unit, config.missing)
    if name != "digits_spaced":
        return Inline(config.separator, config.channel_separator, config.unit, config.missing)
    if not config.separator.strip():
        raise ConfigError("digits_spaced puts spaces between digits; choose a visible separator")
    separator = f" {config.separator.strip()} "
    return Inline(separator, config.channel_separator, config.unit, config.missing)


def make_serialiser(name: str, config: SerialiserConfig | None = None) -> Serialiser:
    """Give a serialiser by name with its options; raises ConfigError for an unknown name."""
    if name not in NAMES:
        raise ConfigError(f"unknown serialiser {name!r}; choose from {', '.join(NAMES)}")
    config = config or SerialiserConfig()
    return Serialiser(name, _form(name, config), _layout(name, config))


SERIALISERS: dict[str, Serialiser] = {name: make_serialiser(name) for name in NAMES}
"""All serialisers with their default options."""
