"""Let an adapter go on with another LLM than its own, where that one says the same of windows.

The same weights come in several files: quantised by somebody else, or not at all. An adapter is
refused by identity; asked to accept, it runs its check windows and goes on at 98 % same labels.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.check_windows import CheckWindows
from sensor2llm.errors import ArtefactError
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import Batch, SensorLanguageModel

LEAST_SHARE = 0.98


@dataclass(frozen=True, kw_only=True)
class AcceptedLLM:
    """Say which other LLM an adapter goes on with, and how it was tried."""

    name: str
    """The LLM's name."""
    identity: str
    """Its identity, which is not the one that the adapter states."""
    same_labels: float
    """Share of the check windows that it labels as the adapter's own LLM did."""
    windows: int
    """How many check windows there are."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return asdict(self)


def measure_check_windows(model: SensorLanguageModel, batch: Batch) -> CheckWindows:
    """Keep some windows' features, as bfloat16, and what the model says of these features."""
    with torch.no_grad():
        features = model.features(batch)
    if features.steps is not None:
        features = replace(features, steps=features.steps.detach().to(torch.bfloat16))
    return CheckWindows(features, model.score(features).float())


def accept_llm(adapter: SensorAdapter, llm: FrozenLLM) -> AcceptedLLM:
    """Try another LLM on an adapter's check windows.

    Raises:
        ArtefactError: the adapter has none, the LLM is of another width, or too many labels differ.
    """
    stated = f"'{adapter.llm_name}' ({adapter.llm_identity[:19]})"
    other = f"'{llm.name}' ({llm.identity[:19]})"
    check = adapter.check_windows
    if check is None:
        raise ArtefactError(
            f"the adapter holds no check windows, so {other} cannot be accepted in the place of "
            f"{stated}; load that LLM, or train the adapter again"
        )
    width = adapter.parts.llm_width
    if width is not None and width != llm.width:
        raise ArtefactError(
            f"{other} cannot be accepted in the place of {stated}: its vectors are {llm.width} "
            f"wide, the adapter's {width}; load that LLM, or train an adapter for this one"
        )
    model = SensorLanguageModel(adapter, llm, check=False).eval()
    answers = model.score(check.features).argmax(-1).cpu()
    same = float((answers == check.probabilities.argmax(-1)).double().mean())
    if same < LEAST_SHARE:
        raise ArtefactError(
            f"{other} is not accepted in the place of {stated}: it gives {same:.0%} of "
            f"{len(answers)} check windows the same label, at least {LEAST_SHARE:.0%} are needed; "
            "load that LLM"
        )
    return AcceptedLLM(name=llm.name, identity=llm.identity, same_labels=same, windows=len(answers))
