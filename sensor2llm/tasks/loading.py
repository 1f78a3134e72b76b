"""Load an adapter with its frozen LLM as its recipe loaded it."""

from pathlib import Path

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel


def load_model(
    name: str | Path,
    llm: str | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
) -> SensorLanguageModel:
    """Load an adapter with its LLM as the recipe loaded it: number format, random weights.

    Args:
        name: an adapter's folder, released name or hub name.
        llm: another place of the adapter's LLM.
        device: where it runs; the first GPU if there is one, else the CPU.
        dtype: another number format of the LLM's weights than the recipe's.

    Raises:
        ArtefactError: the adapter is broken, or made for another LLM.
    """
    adapter = SensorAdapter.load(name)
    recipe = adapter.recipe
    loop = recipe.get("loop")
    frozen = FrozenLLM.load(
        llm or adapter.llm_place(),
        dtype=dtype or recipe.get("llm_dtype", "auto"),
        device=device,
        quantization=recipe.get("llm_quantization"),
        random_weights=bool(recipe.get("llm_random_weights")),
        seed=loop.get("seed", 0) if isinstance(loop, dict) else 0,
    )
    return SensorLanguageModel(adapter, frozen).eval()
