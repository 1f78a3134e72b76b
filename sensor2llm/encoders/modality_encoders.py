"""Which encoders of one modality there are, and how a spec's are built."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.deepconvlstm import (
    ChannelwiseConvolutions,
    DeepConvLSTM,
    JointConvolutions,
)
from sensor2llm.encoders.external import EXTERNAL, ExternalEncoder
from sensor2llm.encoders.foundation.catalogue import (
    FOUNDATIONS,
    Foundation,
    load_plugin,
    plugin_names,
)
from sensor2llm.encoders.foundation.frozen import FrozenFoundation, load_frozen
from sensor2llm.encoders.inception import InceptionTime
from sensor2llm.encoders.orientation import (
    TurnFree,
    faint_modality,
    faint_names,
    turn_free_modality,
    turn_free_names,
)
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
    "inception": lambda m, config: InceptionTime(len(m.channels), config),
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


def is_kind(name: str) -> bool:
    """Say whether a word is a kind of encoder: one of ours, a foundation encoder, a plugin's."""
    return name in MODALITY_ENCODERS or name in FOUNDATIONS or name in plugin_names()


def find_kind(name: str) -> Any:
    """Give what builds a modality's encoder of this kind, or its `Foundation`.

    Raises:
        ConfigError: the kind is unknown, or its package cannot be imported.
    """
    kind = MODALITY_ENCODERS.get(name) or FOUNDATIONS.get(name) or load_plugin(name)
    if kind is None:
        choices = ", ".join([*MODALITY_ENCODERS, *FOUNDATIONS, *plugin_names()])
        raise ConfigError(f"unknown encoder {name!r}; choose from {choices}")
    return kind


def load_foundation(config: EncoderConfig) -> FrozenFoundation | None:
    """Load the foundation encoder that a configuration names; None where its kind is none.

    Raises:
        ConfigError: the kind is unknown.
        ArtefactError: see `load_frozen`.
    """
    kind = None if config.kind == EXTERNAL else find_kind(config.kind)
    return load_frozen(kind, config) if isinstance(kind, Foundation) else None


def build_encoders(
    spec: SignalSpec, config: EncoderConfig, foundation: FrozenFoundation | None = None
) -> tuple[nn.ModuleList, Backbone | FrozenFoundation | None]:
    """Build an encoder a modality, and what they share; a row of values always gets an MLP.

    Args:
        spec: modalities.
        config: kind and sizes.
        foundation: the foundation encoder that the kind names.

    Raises:
        ConfigError: the kind is unknown, or needs modules of others.
    """
    _check_kinds(spec, config)
    shared = foundation or (Backbone(config) if config.shared else None)
    turn_free, faint = turn_free_names(spec, config), faint_names(spec, config)

    def build(modality: Modality) -> nn.Module:
        if modality.name in turn_free:
            return TurnFree(build_as_heard(turn_free_modality(modality)))
        if modality.name in faint:  # `encode_steps` adds these channels
            return build_as_heard(faint_modality(modality))
        return build_as_heard(modality)

    def build_as_heard(modality: Modality) -> nn.Module:
        own = config.of(modality.name)
        if modality.axis == "none":
            return RowMLP(modality, own)
        if isinstance(shared, Backbone):
            return PatchTransformer(modality, config, shared)
        if shared is not None and own.kind == config.kind:
            return ExternalEncoder(shared, _call, shared.features, config.width)
        return find_kind(own.kind)(modality, own)

    # A list, not a dict: a modality may be called "values", which ModuleDict refuses.
    return nn.ModuleList(build(modality) for modality in spec.modalities), shared


def _call(module: nn.Module, values: Tensor) -> Tensor:
    return module(values)


def _check_kinds(spec: SignalSpec, config: EncoderConfig) -> None:
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
    find_kind(config.kind)
    for kind in {config.of(name).kind for name in config.by_modality} - {config.kind}:
        if isinstance(find_kind(kind), Foundation):
            raise ConfigError(
                f"{kind!r} is one encoder for all modalities and stands in by_modality; make it "
                "the kind, and name other kinds in by_modality"
            )
