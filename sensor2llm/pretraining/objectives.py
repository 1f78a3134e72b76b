"""The pretraining objectives by name: every one trains a `SignalEncoder` without labels."""

from collections.abc import Callable

from torch import nn

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.cocoa import Cocoa
from sensor2llm.pretraining.crossl import CroSSL
from sensor2llm.pretraining.masked_autoencoder import MaskedAutoencoder
from sensor2llm.pretraining.multimodal_nce import MultimodalNCE
from sensor2llm.pretraining.objective_config import ObjectiveConfig
from sensor2llm.pretraining.simclr import SimCLR
from sensor2llm.signals.transforms import Normaliser

OBJECTIVES: dict[str, Callable[..., nn.Module]] = {
    "crossl": CroSSL,
    "cocoa": Cocoa,
    "simclr": SimCLR,
    "masked_autoencoder": MaskedAutoencoder,
    "multimodal_nce": MultimodalNCE,
}
CONTRASTS_MODALITIES = ("cocoa", "multimodal_nce")


def build_objective(
    encoder: SignalEncoder, config: ObjectiveConfig, normaliser: Normaliser | None = None
) -> nn.Module:
    """Build the pretraining objective whose options are given.

    Raises:
        ConfigError: the objective contrasts modalities and the encoder has only one.
    """
    if config.kind in CONTRASTS_MODALITIES and len(encoder.spec.names) < 2:
        raise ConfigError(
            f"{config.kind} contrasts modalities and {encoder.spec.names[0]!r} is the only one; "
            "take crossl with mask temporal or random, simclr or masked_autoencoder"
        )
    if config.kind == "simclr":
        return OBJECTIVES[config.kind](encoder, config, normaliser)
    return OBJECTIVES[config.kind](encoder, config)
