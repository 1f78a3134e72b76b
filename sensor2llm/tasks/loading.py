"""Load an adapter with its frozen LLM as its recipe loaded it."""

import logging
from pathlib import Path

import numpy as np

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.errors import ConfigError
from sensor2llm.llm.chat import check_plain
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.acceptance import accept_llm
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window

logger = logging.getLogger(__name__)


def load_model(
    name: str | Path,
    llm: str | None = None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    llm_accept: bool = False,
    placement: str | None = None,
) -> SensorLanguageModel:
    """Load an adapter with its LLM as the recipe loaded it: number format, random weights.

    Args:
        name: an adapter's folder, released name or hub name.
        llm: another place of the adapter's LLM.
        device: where it runs; the first GPU if there is one, else the CPU.
        dtype: another number format of the LLM's weights than the recipe's.
        llm_accept: go on with another LLM than the adapter's where it labels the adapter's check
            windows alike; `accepted` of the model then says so.
        placement: where the device is worn, a word for the adapter's prompt.

    Raises:
        ArtefactError: the adapter is broken, or made for another LLM, which was not accepted.
        ConfigError: no prompt of the adapter has a place for the placement.
    """
    adapter = SensorAdapter.load(name)
    values = _placed(adapter, placement)
    recipe = adapter.recipe
    loop = recipe.get("loop")
    frozen = FrozenLLM.load(
        llm or adapter.llm_place(),
        dtype=dtype or recipe.get("llm_dtype", "auto"),
        device=device,
        quantization=recipe.get("llm_quantization"),
        device_map=recipe.get("llm_device_map"),
        random_weights=bool(recipe.get("llm_random_weights")),
        seed=loop.get("seed", 0) if isinstance(loop, dict) else 0,
    )
    if not llm_accept or frozen.matches(adapter.llm_identity):
        return SensorLanguageModel(adapter, frozen, template_values=values).eval()
    accepted = accept_llm(adapter, frozen)
    logger.warning(
        "'%s' (%s) is accepted in the place of '%s': %.1f %% of %d check windows labelled alike",
        accepted.name, accepted.identity[:19], adapter.llm_name, 100 * accepted.same_labels,
        accepted.windows,
    )  # fmt: skip
    model = SensorLanguageModel(adapter, frozen, check=False, template_values=values).eval()
    model.accepted = accepted.to_dict()
    return model


def blank_window(spec: SignalSpec) -> Window:
    """Make a window in which nothing happens: a model's first answer takes longest.

    No person's should wait for that.
    """
    signals = {
        m.name: np.stack([np.full(m.steps, np.clip(0.0, *one.bounds)) for one in m.channels])
        for m in spec.modalities
    }
    return Window(signals)


def _placed(adapter: SensorAdapter, placement: str | None) -> dict[str, str]:
    if placement is None:
        return {}
    if not any(template.takes_placement for template in adapter.templates.values()):
        raise ConfigError(
            "this adapter was not trained to be told where a device is worn; leave --placement out"
        )
    check_plain(placement, "the placement")
    return {"placement": placement}
