"""Encoders that others wrote, of any library: wrap them, and `SignalEncoder` takes them.

from transformers import PatchTSTConfig, PatchTSTModel

model = PatchTSTModel(PatchTSTConfig(num_input_channels=3, context_length=128, d_model=32))

def encode(model, values):  # (batch, channel, step) -> (batch, patch, feature)
    return model(past_values=values.transpose(1, 2)).last_hidden_state.mean(1)

accel = ExternalEncoder(model, encode, features=32, width=96)
encoder = SignalEncoder.from_modules(spec, {"accel": accel})
encoder.save_pretrained("my-encoder")
SignalEncoder.from_pretrained("my-encoder", modules={"accel": another_one_built_so})
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.tabular import RowMLP
from sensor2llm.errors import ConfigError
from sensor2llm.signals.spec import Modality, SignalSpec

EXTERNAL = "external"
"""The `EncoderConfig.kind` of an encoder whose modules were given."""

Encode = Callable[[nn.Module, Tensor], Tensor]


class ExternalEncoder(nn.Module):
    """Make a module's features those of a modality encoder.

    `encode` calls the module, trained or not: (module, (batch, channel, step)) to (batch, out_step,
    `features`). A trainable linear layer leads to `width` where `features` is another.
    """

    def __init__(self, module: nn.Module, encode: Encode, features: int, width: int) -> None:
        super().__init__()
        self.module, self.encode = module, encode
        self.outputs = nn.Identity() if features == width else nn.Linear(features, width)

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch out width"]:
        """Give the module's steps in the encoder's width."""
        return self.outputs(self.encode(self.module, values))


def fit_modules(
    spec: SignalSpec, modules: Mapping[str, nn.Module], config: EncoderConfig
) -> nn.ModuleList:
    """Put modules in the order of a spec's modalities, and try each on a window of zeros.

    A modality without an axis that has none gets the usual MLP.

    Raises:
        ConfigError: a modality has no module, a module no modality, two modalities have the same
            module, or a module gives something else than (batch, step, `config.width`).
    """
    unknown = [name for name in modules if name not in spec]
    if unknown:
        raise ConfigError(
            f"a module for the unknown modality {unknown[0]!r}; the spec has "
            f"{', '.join(spec.names)}"
        )
    fitted: list[nn.Module] = []
    for modality in spec.modalities:
        module = modules.get(modality.name)
        if module is None and modality.axis == "none":
            module = RowMLP(modality, config)
        if module is None:
            raise ConfigError(
                f"no module for the modality {modality.name!r}; pass one that maps (batch, "
                f"{len(modality.channels)}, {modality.steps}) to (batch, steps, {config.width})"
            )
        if any(module is other for other in fitted):
            raise ConfigError(
                f"{modality.name!r} has the same module as another modality; its weights would "
                "be saved twice: pass a copy (copy.deepcopy)"
            )
        _try_out(module, modality, config.width)
        fitted.append(module)
    return nn.ModuleList(fitted)


@torch.no_grad()
def _try_out(module: nn.Module, modality: Modality, width: int) -> None:
    """Raise unless a window of zeros becomes (1, step, width); the module's mode stays."""
    modes = {part: part.training for part in module.modules()}
    parameter = next(module.parameters(), torch.empty(0))
    try:
        output = module.eval()(torch.zeros(1, *modality.shape, device=parameter.device))
    finally:
        for part, training in modes.items():
            part.training = training
    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if not isinstance(output, Tensor) or output.dim() != 3 or (len(output), output.shape[2]) \
        != (1, width):  # fmt: skip
        raise ConfigError(
            f"the module of {modality.name!r} makes {shape} of one window, expected (1, steps, "
            f"{width}); wrap it in ExternalEncoder, or set the config's width"
        )
