"""The recipe's windows: a store that is there, or a simulated one that is made."""

import logging

from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.training.devices import process_state

logger = logging.getLogger(__name__)


def open_data(recipe: Recipe) -> WindowStore:
    """Open the recipe's store; without one, simulate recordings into the run folder once.

    Raises:
        DataError: the path is no WindowStore.
    """
    if recipe.data is not None:
        return WindowStore.open(recipe.data)
    path = recipe.run / "store"
    with process_state().main_process_first():
        if path.is_dir() and WindowStore.open(path).source == f"simulated: {recipe.simulation}":
            return WindowStore.open(path)
        logger.info("simulating recordings of %d people", recipe.simulation.subjects)
        return simulate_store(path, recipe.simulation)
