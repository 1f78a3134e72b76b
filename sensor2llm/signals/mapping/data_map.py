"""Which of a device's sensors and axes stand for an adapter's: what `--map` says.

    data_map = parse_map(["total_acc=wrist_accel", "total_acc.x=-y", "total_acc.y=x"], spec)
    data_map.columns(spec, ["time_s", "wrist_accel.x", …])     {'total_acc.x': 'wrist_accel.x', …}
    data_map.turn(window)                                      its axes as in training

On the left stands the adapter's sensor or channel, on the right the device's: a sensor, an axis of
the same sensor, or a column, the latter two with a minus where it points the other way.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from sensor2llm.errors import ConfigError, DataError, SpecError, listed
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.proposal import propose_sensors
from sensor2llm.signals.modality import Modality
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.tables.columns import column_names
from sensor2llm.signals.tables.windows import DESCRIPTIONS, read_windows
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.window import Window

logger = logging.getLogger(__name__)
_BETWEEN = (".", "_", "")


@dataclass(frozen=True)
class DataMap:
    """Hold what stands for what; nothing is changed where it is empty."""

    sensors: Mapping[str, str] = field(default_factory=dict)
    """The adapter's sensor -> the device's."""
    named: Mapping[str, str] = field(default_factory=dict)
    """`<sensor>.<channel>` -> a column."""
    turns: Mapping[str, Float[np.ndarray, "channel channel"]] = field(default_factory=dict)
    """The adapter's sensor -> what its device's channels are multiplied by."""

    def columns(self, spec: SignalSpec, names: Sequence[str]) -> dict[str, str]:
        """Give the columns that stand for channels, where they are called otherwise.

        Raises:
            DataError: there are no columns of a sensor that is mapped.
        """
        columns = {}
        for ours, theirs in self.sensors.items():
            for channel in spec[ours].channel_names:
                axis = axis_name(spec[ours], channel)
                fits = [f"{theirs}{between}{axis}" for between in _BETWEEN]
                fits += [f"{theirs}.{channel}", f"{theirs}.{theirs}_{axis}"]
                fits += [theirs] * (len(spec[ours].channels) == 1)
                column = next((name for name in fits if name in names), None)
                if column is None:
                    raise DataError(
                        f"no column {axis!r} of {theirs!r}, such as {fits[0]!r}; there are "
                        f"{listed(names)}"
                    )
                columns[f"{ours}.{channel}"] = column
        return columns | dict(self.named)

    def turn(self, window: Window) -> Window:
        """Give a window with its axes as the adapter's."""
        if not any(name in window.signals for name in self.turns):
            return window
        signals = {
            name: self.turns[name] @ values if name in self.turns else values
            for name, values in window.signals.items()
        }
        return replace(window, signals=signals)

    def turned(self, windows: Iterable[Window]) -> Iterator[Window]:
        """Turn windows one by one."""
        return map(self.turn, windows)

    def read(
        self,
        path: Path,
        spec: SignalSpec,
        overlap: float = 0.0,
        ledger: Ledger | None = None,
    ) -> Iterator[Window]:
        """Read a file or a store as `read_windows` does, mapped.

        Raises:
            ConfigError: sensors are mapped of what names its own.
        """
        mapped = bool(self.sensors or self.named)
        if path.is_dir():
            return self.read_rows(path, spec, ledger or Ledger())[1]
        if not mapped:
            return self.turned(read_windows(path, spec, overlap, ledger).windows)
        if path.suffix in (".npz", *DESCRIPTIONS):
            raise ConfigError(f"{path.name} names its sensors itself; write the adapter's there")
        columns = self.columns(spec, column_names(path))
        return self.turned(read_windows(path, spec, overlap, ledger, renamed=columns).windows)

    def read_rows(
        self,
        path: Path,
        spec: SignalSpec,
        ledger: Ledger,
        rows: Sequence[int] | None = None,
        *,
        quiet: bool = False,
    ) -> tuple[Sequence[int], Iterator[Window]]:
        """Read some rows of a store, or all, mapped; unless `quiet`, log what is not heard.

        Returns:
            The rows that have a sensor that the adapter hears, and their windows.
        """
        store = WindowStore.open(path)
        rows = range(len(store)) if rows is None else rows
        view, heard, places = self._view(store, spec, rows, quiet=quiet)
        ledger.read("windows", len(rows))
        ledger.keep("windows", len(heard))
        ledger.drop("windows", len(rows) - len(heard), "without a sensor that the adapter hears")
        return heard, self.turned(view.windows(places))

    def _view(
        self, store: WindowStore, spec: SignalSpec, rows: Sequence[int], *, quiet: bool
    ) -> tuple[Windows, Sequence[int], Sequence[int]]:
        """Give the windows with heard sensors, which of the rows those are, and their places."""
        taken = {*self.sensors, *self.sensors.values()}
        names = {name: name for name in store.spec.names if name in spec and name not in taken}
        names |= {theirs: ours for ours, theirs in self.sensors.items()}
        others = [name for name in store.spec.names if name not in names]
        if not (others or self.sensors):
            return convert_store(store, spec, quiet=quiet), rows, rows
        unmapped = [name for name in spec.names if name not in names.values()]
        words = []
        if others and unmapped:
            words = propose_sensors(store.spec.subset(others), spec.subset(unmapped))
        if not names:
            advice = "train an adapter on such windows"
            advice += f", or map it: classify --map {' '.join(words)}" * bool(words)
            raise SpecError(
                f"'{store.path}' has {listed(store.spec.names)}, and the adapter hears none of "
                f"these, but {listed(spec.names)}; {advice}"
            )
        if others and not quiet:
            advice = f"; if they are its own, say --map {' '.join(words)}" * bool(words)
            logger.info("%s: the adapter does not hear %s%s", store.path, listed(others), advice)
        if self.sensors:
            view = ConvertedView(store, names, spec.subset(names.values()))
            return view, *view.places_of(rows)
        view = ConvertedView(store, names, store.spec.subset(names))
        return convert_store(view, spec, quiet=quiet), *view.places_of(rows)

    def words(self, spec: SignalSpec, named: Mapping[str, str]) -> list[str]:
        """Write the turns as they are typed: total_acc.x=-y, or a column in place of y."""
        words = []
        for name, turn in self.turns.items():
            modality = spec[name]
            axes = [axis_name(modality, channel) for channel in modality.channel_names]
            for axis, row in zip(axes, turn, strict=True):
                source = int(np.abs(row).argmax())
                sign = "-" if row[source] < 0 else ""
                column = named.get(f"{name}.{modality.channel_names[source]}", axes[source])
                words.append(f"{name}.{axis}={sign}{column}")
        return words


SAME = DataMap()


def parse_map(words: Sequence[str], spec: SignalSpec) -> DataMap:
    """Read what was typed.

    Raises:
        ConfigError: a word is none of the forms, or two of the adapter's axes would be one.
        SpecError: the adapter has no such sensor.
    """
    sensors: dict[str, str] = {}
    named: dict[str, str] = {}
    rows: dict[str, dict[int, tuple[int, float]]] = {}
    for word in words:
        left, sign, right = (part.strip() for part in word.partition("="))
        if not sign or not left or not right:
            raise ConfigError(
                f"cannot read --map {word!r}; write SENSOR=SENSOR (total_acc=wrist_accel) or "
                "SENSOR.AXIS=AXIS (total_acc.x=-y)"
            )
        name, point, axis = left.partition(".")
        modality = spec[name]
        if not point:
            sensors[name] = right
            continue
        channel = _channel(modality, axis)
        source, minus = right.removeprefix("-"), right.startswith("-")
        try:
            place = _channel(modality, source)
        except SpecError:
            place, named[f"{name}.{modality.channel_names[channel]}"] = channel, source
        rows.setdefault(name, {})[channel] = (place, -1.0 if minus else 1.0)
    turns = {name: _matrix(spec[name], own) for name, own in rows.items()}
    return DataMap(sensors, named, turns)


def axis_name(modality: Modality, channel: str) -> str:
    """Give a channel's name without its sensor's: x of total_acc_x, and of ax among ay and az."""
    names = modality.channel_names
    if len(names) > 1 and len({name[:-1] for name in names}) == 1:
        return channel[-1]
    return channel.removeprefix(f"{modality.name}_") or channel


def _channel(modality: Modality, name: str) -> int:
    for place, channel in enumerate(modality.channel_names):
        if name in (channel, axis_name(modality, channel)):
            return place
    raise SpecError(
        f"{modality.name!r} has no axis {name!r}; it has "
        f"{', '.join(axis_name(modality, c) for c in modality.channel_names)}"
    )


def _matrix(
    modality: Modality, rows: Mapping[int, tuple[int, float]]
) -> Float[np.ndarray, "channel channel"]:
    """Give what channels are multiplied by; axes that are not mapped stay."""
    matrix = np.zeros((len(modality.channels), len(modality.channels)), np.float32)
    for channel in range(len(matrix)):
        place, sign = rows.get(channel, (channel, 1.0))
        matrix[channel, place] = sign
    if (np.abs(matrix).sum(0) > 1).any():
        raise ConfigError(
            f"two axes of {modality.name!r} would be one and the same; map each axis to another"
        )
    return matrix
