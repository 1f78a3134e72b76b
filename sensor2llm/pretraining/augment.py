"""Variations of training windows that leave their label true: how a sensor sits, pace, noise.

The strongest is a small random rotation. A phone at the waist never sits twice alike, and what
tells sitting from standing is little more than where gravity points.
"""

import re

import torch
from jaxtyping import Float
from torch import Tensor

from sensor2llm.pretraining.objective_config import AugmentConfig
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.transforms import Normaliser
from sensor2llm.signals.views.converted import unit_factor

_SENSOR_WORD = re.compile(r"(body|total|linear|gravity|acc\w*|gyr\w*|mag\w*)\d*", re.IGNORECASE)

Generator = torch.Generator | None
Signals = dict[str, Tensor]


class Augmenter:
    """Vary normalised training windows; every draw comes from the generator.

    Three-axis modalities (channels that end in x, y, z) of one body site turn together, in their
    own units: the normalisation is undone and done again. A site is what is left of a modality's
    name without its sensor word: `watch_accel` and `watch_gyro` are one, `body_acc` and
    `total_acc` too. Without a normaliser the values are taken as they are.
    """

    def __init__(
        self, spec: SignalSpec, normaliser: Normaliser | None, config: AugmentConfig
    ) -> None:
        self.spec, self.config = spec, config
        self.sites = {m.name: body_site(m.name) for m in spec.modalities if is_vector(m)}
        self.accelerations = {n for n in self.sites if _is_acceleration(spec[n])}
        self.statistics = {m.name: _statistics(m, normaliser) for m in spec.modalities}

    def __call__(self, batch: SignalBatch, generator: Generator = None) -> SignalBatch:
        """Give a varied copy; absent modalities stay zeros."""
        signals = self._in_time(dict(batch.signals), generator)
        signals = self._without_gravity(self._slower(signals, generator), generator)
        signals = self._in_space(signals, generator)
        if self.config.noise:
            signals = {
                name: values + self.config.noise * _normal(values.shape, values, generator)
                for name, values in signals.items()
            }
        present = self._present(batch, generator)
        signals = {
            name: values * present[:, i, None, None].to(values.dtype)
            for i, (name, values) in enumerate(signals.items())
        }
        return SignalBatch(signals=signals, present=present, labels=batch.labels, index=batch.index)

    def _in_time(self, signals: Signals, generator: Generator) -> Signals:
        """Shift and stretch all of a window's time axes alike, mirroring what lies outside."""
        if not (self.config.shift or self.config.warp):
            return signals
        like = next(iter(signals.values()))
        rows = len(like)
        shift = self.config.shift * (2 * torch.rand(rows, generator=generator) - 1)
        pace = torch.exp(self.config.warp * torch.randn(rows, generator=generator))
        timed = {m.name for m in self.spec.modalities if m.axis == "time"}
        return {
            name: resample_at(values, pace.to(like), shift.to(like)) if name in timed else values
            for name, values in signals.items()
        }

    def _slower(self, signals: Signals, generator: Generator) -> Signals:
        """Take what half the rate does not measure out of some windows' time axes."""
        if not self.config.rate_loss:
            return signals
        like = next(iter(signals.values()))
        lost = torch.rand(len(like), 1, 1, generator=generator) < self.config.rate_loss
        lost, timed = lost.to(like.device), [m.name for m in self.spec.modalities if m.rate_hz]
        return signals | {n: torch.where(lost, half_band(signals[n]), signals[n]) for n in timed}

    def _without_gravity(self, signals: Signals, generator: Generator) -> Signals:
        """Take the mean of some windows' accelerations out, in their own units."""
        if not self.config.gravity_loss:
            return signals
        like = next(iter(signals.values()))
        lost = torch.rand(len(like), 1, 1, generator=generator) < self.config.gravity_loss
        lost, signals = lost.to(like.device), dict(signals)
        for name in sorted(self.accelerations):
            values, (mean, scale) = signals[name], (s.to(like) for s in self.statistics[name])
            centred = values - values.mean(-1, keepdim=True) - (mean / scale)[:, None]
            signals[name] = torch.where(lost, centred, values)
        return signals

    def _in_space(self, signals: Signals, generator: Generator) -> Signals:
        """Rotate each site and scale each modality: one affine map a window and modality."""
        if not (self.config.rotation_rad or self.config.scale):
            return signals
        rows = len(next(iter(signals.values())))
        turns = {
            site: random_rotations(rows, self.config.rotation_rad, generator)
            for site in sorted(set(self.sites.values()))
        }
        return {
            m.name: signals[m.name]
            if m.axis == "none"
            else self._affine(m.name, signals[m.name], turns, generator)
            for m in self.spec.modalities
        }

    def _affine(
        self, name: str, values: Tensor, turns: dict[str, Tensor], generator: Generator
    ) -> Tensor:
        mean, scale = (s.to(values) for s in self.statistics[name])
        factor = torch.exp(self.config.scale * _normal((len(values), 1, 1), values, generator))
        turn = torch.eye(len(mean)).to(values)
        if name in self.sites:
            turn = turns[self.sites[name]].to(values)
        matrix = factor * turn
        offset = (matrix @ mean - mean) / scale
        return (matrix * scale / scale[:, None]) @ values + offset[..., None]

    def _present(self, batch: SignalBatch, generator: Generator) -> Tensor:
        """Take modalities away; a window that would lose all keeps what it has."""
        if not self.config.modality_dropout:
            return batch.present
        draw = torch.rand(batch.present.shape, generator=generator)
        present = batch.present & (draw >= self.config.modality_dropout).to(batch.present.device)
        return torch.where(present.any(1, keepdim=True), present, batch.present)


def is_vector(modality: Modality) -> bool:
    """Say whether a modality's channels are the x, y and z of one three-axis sensor."""
    return [channel.name[-1].lower() for channel in modality.channels] == ["x", "y", "z"]


def _is_acceleration(modality: Modality) -> bool:
    """Say whether a modality is an acceleration, with gravity or without."""
    return unit_factor(modality.units[0], "g") is not None


def body_site(name: str) -> str:
    """Give where on the body a modality is, by its name: "watch_gyro" gives "watch"."""
    return "_".join(word for word in re.split(r"[_-]", name) if not _SENSOR_WORD.fullmatch(word))


def random_rotations(
    rows: int, deviation_rad: float, generator: Generator = None
) -> Float[Tensor, "rows 3 3"]:
    """Draw rotations whose rotation vector is normal, `deviation_rad` an axis (Rodrigues)."""
    vector = deviation_rad * torch.randn(rows, 3, generator=generator)
    x, y, z = vector.unbind(1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(rows, 3, 3)
    return torch.matrix_exp(skew)


def resample_at(
    values: Float[Tensor, "batch channel step"],
    pace: Float[Tensor, " batch"],
    shift: Float[Tensor, " batch"],
) -> Float[Tensor, "batch channel step"]:
    """Read windows at another pace about their centre, shifted by a share of their length.

    Values between steps are interpolated linearly; beyond the ends the window is mirrored.
    """
    steps = values.shape[-1]
    centred = torch.arange(steps, device=values.device) - (steps - 1) / 2
    place = pace[:, None] * centred + (steps - 1) / 2 + shift[:, None] * steps
    last = max(steps - 1, 1)
    place = last - (place.remainder(2 * last) - last).abs()
    place = place.clamp(0, steps - 1)
    low = place.floor().long().clamp(max=max(steps - 2, 0))
    share = (place - low).unsqueeze(1)
    below = values.gather(2, low.unsqueeze(1).expand_as(values))
    above = values.gather(2, (low + 1).clamp(max=steps - 1).unsqueeze(1).expand_as(values))
    return torch.lerp(below, above, share)


def half_band(values: Float[Tensor, "batch channel step"]) -> Float[Tensor, "batch channel step"]:
    """Take out what is faster than a quarter of the rate.

    The line through a window's ends is left alone: a step from end to start would ring.
    """
    steps = values.shape[-1]
    share = torch.linspace(0, 1, steps, device=values.device)
    line = values[..., :1] + share * (values[..., -1:] - values[..., :1])
    spectrum = torch.fft.rfft((values - line).float())
    spectrum[..., steps // 4 + 1 :] = 0
    return torch.fft.irfft(spectrum, n=steps).to(values) + line


def _statistics(modality: Modality, normaliser: Normaliser | None) -> tuple[Tensor, Tensor]:
    channels = len(modality.channels)
    if normaliser is None:
        return torch.zeros(channels), torch.ones(channels)
    mean, scale = normaliser.statistics(modality.name)
    return torch.as_tensor(mean).float(), torch.as_tensor(scale).float()


def _normal(shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator).to(like)
