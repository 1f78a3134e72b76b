"""Which encoders of one modality there are, and how a spec's are built."""

from collections.abc import Callable

from torch import nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.deepconvlstm import (
    ChannelwiseConvolutions,
    DeepConvLSTM,
    JointConvolutions,
)
from sensor2llm.encoders.external import EXTERNAL
from sensor2llm.encoders.orientation import TurnFree, turn_free_modality, turn_free_names
from sensor2llm.encoders.patch_transformer import Backbone, PatchTransformer
from sensor2llm.encoders.resnet import ResNet
from sensor2llm.encoders.tabular import RowMLP
from sensor2llm.encoders.temporal_cnn import TemporalCNN
from sensor2llm.errors import ConfigError
from sensor2llm.signals.spec import Modality, SignalSpec

MODALITY_ENCODERS: dict[str, Callable[[Modality, EncoderConfig], nn.Module]] = {
    "temporal_cnn": lambda m, config: TemporalCNN(len(m.channels), config),
    "patch_transformer": PatchTransformer,
    "resnet": lambda m, config: ResNet(len(m.channels), config),
    "deepconvlstm": lambda m, config: DeepConvLSTM(
        ChannelwiseConvolutions(len(m.channels)), config
    ),
    "deepconvlstm_crossl": lambda m, config: DeepConvLSTM(
        JointConvolutions(len(m.channels)), config
    ),
}
"""By name, what builds an encoder: (batch, channel, step) to (batch, out_step, width).

An encoder may have `pools_last` (its last step stands for the window, not the mean of all) and
`patches` with `encode_kept` (it can leave tokens out).
"""


def build_encoders(
    spec: SignalSpec, config: EncoderConfig
) -> tuple[nn.ModuleList, Backbone | None]:
    """Build an encoder a modality, and what they share; a row of values always gets an MLP.

    Raises:
        ConfigError: the kind is unknown, or needs modules of others.
    """
    if unknown := sorted(config.by_modality.keys() - set(spec.names)):
        raise ConfigError(
            f"by_modality names the unknown modality {unknown[0]!r}; the spec has "
            f"{', '.join(spec.names)}"
        )
    if config.kind == EXTERNAL:
        raise ConfigError(
            "the encoder's modules are of others (kind 'external'), which only Python can pass: "
            "SignalEncoder.from_modules(spec, modules), or from_pretrained(folder, modules=modules)"
        )
    for kind in {config.kind, *(config.of(name).kind for name in config.by_modality)}:
        if kind not in MODALITY_ENCODERS:
            choices = ", ".join(MODALITY_ENCODERS)
            raise ConfigError(f"unknown encoder {kind!r}; choose from {choices}")
    backbone = Backbone(config) if config.shared else None

    turn_free = turn_free_names(spec, config)

    def build(modality: Modality) -> nn.Module:
        own = config.of(modality.name)
        if modality.axis == "none":
            return RowMLP(modality, own)
        if modality.name in turn_free:
            return TurnFree(MODALITY_ENCODERS[own.kind](turn_free_modality(modality), own))
        if backbone is not None:
            return PatchTransformer(modality, config, backbone)
        return MODALITY_ENCODERS[own.kind](modality, own)

    # A list, not a dict: a modality may be called "values", which ModuleDict refuses.
    return nn.ModuleList(build(modality) for modality in spec.modalities), backbone
