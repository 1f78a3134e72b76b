"""What a language model takes in memory, and what its linear layers would in float32."""

from dataclasses import dataclass

from torch import Tensor, nn

from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.hooks import decoder_layers
from sensor2llm.llm.tuning.linear_maps import linear_maps

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Sizes:
    """Hold a model's sizes in bytes.

    Args:
        linear: linear maps of the decoder layers as they are held, quantisation states (scales,
            the table of levels, descriptions) counted.
        linear_float32: the same maps in float32.
        whole: everything; embeddings and output head, which are not quantised, counted.
        whole_float32: everything in float32.
    """

    linear: int
    linear_float32: int
    whole: int
    whole_float32: int

    @property
    def linear_share(self) -> float:
        """Give the linear maps' size as a share of that in float32."""
        return self.linear / self.linear_float32

    @property
    def whole_share(self) -> float:
        """Give the whole model's size as a share of that in float32."""
        return self.whole / self.whole_float32


def measure_sizes(llm: FrozenLLM) -> Sizes:
    """Measure a model as it is held in memory; tied tensors count once.

    Example:
        >>> measure_sizes(FrozenLLM.load("bundled", dtype="bfloat16")).linear_share
        0.5
    """
    names = {module: name for name, module in llm.model.named_modules()}
    prefixes, linear_float32 = [], 0
    for layer in decoder_layers(llm.model):
        for name, (in_width, out_width) in linear_maps(layer).items():
            biases = 0 if getattr(layer.get_submodule(name), "bias", None) is None else out_width
            linear_float32 += FLOAT32_BYTES * (in_width * out_width + biases)
            prefixes.append(f"{names[layer]}.{name}.")
    linear = whole = rest = 0
    for name, tensor in _held(llm.model).items():
        whole += tensor.nbytes
        if name.startswith(tuple(prefixes)):
            linear += tensor.nbytes
        else:
            rest += tensor.numel()
    return Sizes(linear, linear_float32, whole, linear_float32 + FLOAT32_BYTES * rest)


def _held(model: nn.Module) -> dict[str, Tensor]:
    """Give each tensor under one of its names; quantisation states are in the dictionary."""
    named = {**dict(model.named_buffers()), **model.state_dict()}
    places = {t.data_ptr(): name for name, t in named.items() if isinstance(t, Tensor)}
    return {name: named[name] for name in places.values()}
