"""Hear a three-axis sensor by what no turn of the device changes.

    turn_free(torch.zeros(1, 3, 100)).shape     (1, 8, 100)

Of every window, from the values of its three axes alone:

    channel    what
    along      movement along the window's mean vector: up and down, where gravity is in it
    across     size of what is at right angles to the mean vector
    size       size of the movement: the values less their mean
    mean       size of the mean vector, a constant: 1 g where an accelerometer bears gravity
    main       movement along the axis that it is largest on; its sign is that of its skewness
    faint_…    along, size and main as inverse hyperbolic sines: sitting and standing still differ
               in movements that are a hundredth of a step's

A rotation of the device turns all three axes alike and leaves these as they are. So a phone
may lie in a pocket any way round, and a sensor without gravity says so by its mean.

With `faint`, channels of any sensor in time are heard as recorded and, beside them, as faint ones:

    with_faint(torch.zeros(1, 3, 100)).shape    (1, 6, 100)
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.signals.spec import Channel, Modality, SignalSpec

CHANNELS = ("along", "across", "size", "mean", "main", "faint_along", "faint_size", "faint_main")
FAINT = 0.02
"""Of the normalisation's scale: what lies below is spread out by the channels of faint movement."""
_TINY = 1e-6


class TurnFree(nn.Module):
    """Give a modality's encoder the values that no rotation of the three axes changes."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.pools_last = getattr(encoder, "pools_last", False)

    def forward(self, values: Float[Tensor, "batch 3 step"]) -> Float[Tensor, "batch out width"]:
        """Encode windows."""
        return self.encoder(turn_free(values))


def turn_free_names(spec: SignalSpec, config: EncoderConfig) -> frozenset[str]:
    """Name the modalities that are heard so: three axes in time, which turns of the device mix."""
    return frozenset(
        modality.name
        for modality in spec.modalities
        if config.of(modality.name).orientation == "turn_free"
        and modality.axis == "time"
        and [channel.name[-1].lower() for channel in modality.channels] == ["x", "y", "z"]
    )


def faint_names(spec: SignalSpec, config: EncoderConfig) -> frozenset[str]:
    """Name the modalities whose channels are also heard as faint movement."""
    timed = (m.name for m in spec.modalities if m.axis == "time" and config.of(m.name).faint)
    return frozenset(timed) - turn_free_names(spec, config)


def faint_modality(modality: Modality) -> Modality:
    """Give the modality that an encoder behind `with_faint` hears."""
    faint = tuple(replace(c, name=f"faint_{c.name}") for c in modality.channels)
    return replace(modality, channels=(*modality.channels, *faint))


def with_faint(values: Float[Tensor, "batch channel step"]) -> Float[Tensor, "batch heard step"]:
    """Give the channels, and each one's movement with what is faint spread out."""
    return torch.cat([values, _spread(values - values.mean(-1, keepdim=True))], dim=1)


def turn_free_modality(modality: Modality) -> Modality:
    """Give the modality that an encoder behind `turn_free` hears."""
    unit = modality.channels[0].unit
    return replace(modality, channels=tuple(Channel(name=name, unit=unit) for name in CHANNELS))


@torch.no_grad()
def turn_free(values: Float[Tensor, "batch 3 step"]) -> Float[Tensor, "batch heard step"]:
    """Give the channels of this module; no gradient goes to the values."""
    mean = values.mean(-1, keepdim=True)
    movement, level = values - mean, mean.norm(dim=1, keepdim=True)
    up = mean / level.clamp(min=_TINY)
    along = (movement * up).sum(1, keepdim=True)
    across = (movement - along * up).norm(dim=1, keepdim=True)
    size = movement.norm(dim=1, keepdim=True)
    spread = (movement @ movement.transpose(1, 2) / values.shape[-1]).float()
    axis = torch.linalg.eigh(spread)[1][:, :, -1:].to(values)
    main = axis.transpose(1, 2) @ movement
    backward = (main**3).mean(-1, keepdim=True) < 0
    main = torch.where(backward, -main, main)
    faint = _spread(torch.cat([along, size, main], dim=1))
    return torch.cat([along, across, size, level.expand_as(along), main, faint], dim=1)


def _spread(movement: Tensor) -> Tensor:
    return torch.asinh(movement / FAINT) / 4
