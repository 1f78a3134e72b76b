"""Two ways to normalise what an encoder hears: on the training windows, or each window by itself.

Every recipe's encoder hears windows less the training windows' mean, by their spread: a window's
own level and spread are still there. Encoders of time-series libraries mostly bring each window
to mean 0 and spread 1 first [RevIN, Kim et al. 2022], and cannot know how large it was.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.encoders.modality_encoders import MODALITY_ENCODERS
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretraining.run import finetune
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.encoder import LoadedEncoder, get_encoder
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.store import WindowStore

TRAINING, OWN = "on training windows", "each window by itself"
NORMALISED = (TRAINING, OWN)
LEAST_SPREAD = 1e-4
"""Of a channel in the training windows' spreads; a constant channel is divided by it."""


class OwnScale(nn.Module):
    """Bring each channel of each window to mean 0 and spread 1 before a modality's encoder."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch out width"]:
        """Encode windows without their level and spread."""
        centred = values - values.mean(-1, keepdim=True)
        spread = values.std(-1, correction=0, keepdim=True)
        return self.encoder(centred / (spread + LEAST_SPREAD))


def get_heard(recipe: Recipe, store: WindowStore, split: Split, normalised: str) -> LoadedEncoder:
    """Make the recipe's encoder, or take the one that is there, with either normalisation.

    Both learn the same labels from the same windows for as long, from the same first weights.
    """
    if normalised == TRAINING:
        return get_encoder(recipe, store, split, resume=True)
    stages = recipe.new_encoder
    torch.manual_seed(stages.finetune_loop.seed)
    encoder = SignalEncoder.from_modules(
        store.spec, own_scale_modules(store.spec, recipe), stages.encoder
    )
    tuned = finetune(
        encoder, store, split, stages.supervised, stages.finetune_loop,
        recipe.run / "finetune", resume=True,
    )  # fmt: skip
    return LoadedEncoder(tuned.encoder, tuned.normaliser)


def own_scale_modules(spec: SignalSpec, recipe: Recipe) -> Mapping[str, nn.Module]:
    """Build the recipe's encoder of each modality behind `OwnScale`; a row of values keeps its own.

    A row has one step, so that nothing of it would be left.
    """
    config = recipe.new_encoder.encoder
    build = MODALITY_ENCODERS[config.kind]
    return {m.name: OwnScale(build(m, config)) for m in spec.modalities if m.axis != "none"}
