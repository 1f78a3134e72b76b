"""Write a source into a store, with a progress bar on stderr."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from rich.progress import track

from sensor2llm.datasets.catalogue import open_source
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.errors import ConfigError
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.side_by_side import union_modalities


def write_source(
    name: str,
    path: Path | None,
    out: Path,
    options: SourceOptions,
    simulation: SimulationConfig,
    stores: Sequence[Path] = (),
) -> WindowStore:
    """Write `name` (see `open_source`) to the store `out`; nothing half written is left.

    `path` holds the data (none for `simulated`); `simulation` says what `simulated` makes, and
    `stores` what `joined` puts side by side.

    Raises:
        ConfigError: For an unknown name, or an option that it does not have.
        DataError: For files that are not as published, or described.
    """
    if stores and name != "joined":
        raise ConfigError(f"{name} has no option --stores; only joined has")
    if name == "simulated":
        options.allow("simulated", *(f"simulation.{field.name}" for field in fields(simulation)))
        return _simulated(path, out, simulation)
    if simulation != SimulationConfig():
        raise ConfigError(f"{name} has no option --simulation; only simulated has")
    reading = (
        _joined(path, options, stores) if name == "joined" else open_source(name, path, options)
    )
    console = Console(stderr=True)
    windows = track(
        reading.windows,
        description=f"preparing {Path(name).stem}",
        total=reading.total,
        console=console,
        transient=True,
        disable=not console.is_terminal,  # a bar that nobody sees would still end its line
    )
    return WindowStore.write(
        out,
        reading.spec,
        windows,
        label_names=reading.label_names,
        published=reading.published,
        source=reading.source,
        parts=reading.parts,
        ledger=reading.ledger,
    )


def _joined(path: Path | None, options: SourceOptions, stores: Sequence[Path]) -> Reading:
    options.allow("joined", "stores")
    if path is not None:
        raise ConfigError(f"joined reads stores (--stores A B); leave --from {path} out")
    return union_modalities([WindowStore.open(store) for store in stores])


def _simulated(path: Path | None, out: Path, config: SimulationConfig) -> WindowStore:
    from sensor2llm.datasets.simulation.simulate import simulate_store

    if path is not None:
        raise ConfigError(f"simulated makes its own data; leave --from {path} out")
    return simulate_store(out, config)
