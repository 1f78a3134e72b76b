"""A store as `prepare` makes it: written, summed up, and drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.summary import describe, summarise
from sensor2llm.datasets.writing import write_source
from sensor2llm.plots.figures import check_picture
from sensor2llm.plots.store import plot_classes
from sensor2llm.signals.labels import warn_of_spellings
from sensor2llm.signals.reader_options import SourceOptions


def prepare_store(
    name: str,
    path: Path | None,
    out: Path,
    options: SourceOptions,
    simulation: SimulationConfig,
    stores: Sequence[Path],
    picture: Path | None,
) -> tuple[dict[str, Any], str]:
    """Write a store with `write_source`, and the picture of its classes where one is wanted.

    Returns:
        A summary of plain JSON types, and as text for people.
    """
    if picture:
        check_picture(picture)
    store = write_source(name, path, out, options, simulation, stores)
    warn_of_spellings(store.label_names)
    summary = summarise(store)
    if picture:
        summary["picture"] = str(plot_classes(store, picture))
    return summary, describe(summary)
