"""Masked autoencoder over patches of several modalities: what is hidden, from what is left.

Patches are equal parts of a window, so modalities at different rates have the same patches. Hidden
patches of a modality are replaced, in the input, by one learned value a channel; a dropped modality
is absent from the input. Any encoder can so be pretrained. A small transformer over all modalities'
features reconstructs the values of what was hidden. Cross-modal reconstruction lets it look at
other modalities; without it each modality is reconstructed from its own visible patches alone.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.joint_decoder import JointDecoder
from sensor2llm.pretraining.objective_config import MaskedAutoencoderConfig
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import Modality
from sensor2llm.training.loop import StepLoss


class MaskedPatches(NamedTuple):
    """What the encoder does not see."""

    patches: Bool[Tensor, "batch modality patch"]
    """Hidden patches of modalities that are seen, and every patch of those that are dropped."""
    dropped: Bool[Tensor, "batch modality"]


class MaskedAutoencoder(nn.Module):
    """Pretrain an encoder without labels [Fang et al. 2024; He et al. 2022].

    The aggregator takes no part. Raises ConfigError where the heads do not divide the width.
    """

    def __init__(
        self, encoder: SignalEncoder, config: MaskedAutoencoderConfig | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config or MaskedAutoencoderConfig()
        if encoder.width % self.config.heads:
            raise ConfigError(
                f"heads {self.config.heads} must divide the encoder's width {encoder.width}"
            )
        modalities, patches = encoder.spec.modalities, self.config.patches
        self.decoder = JointDecoder(
            encoder.width, len(modalities), patches, self.config.decoder_layers,
            self.config.heads, self.config.cross_modal,
        )  # fmt: skip
        self.fill = nn.ParameterList(torch.zeros(len(m.channels), 1) for m in modalities)
        self.heads = nn.ModuleList(
            nn.Linear(encoder.width, len(m.channels) * math.ceil(m.steps / patches))
            for m in modalities
        )
        encoder.aggregator.requires_grad_(False)

    def forward(self, batch: SignalBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the mean squared error of what is hidden, times the number of windows."""
        hidden = self.hide(batch.present, generator)
        decoded, _ = self.decode(batch, hidden)
        targets = hidden.patches & batch.present.unsqueeze(2)
        if not self.config.cross_modal:
            targets = targets & ~hidden.dropped.unsqueeze(2)
        total, count = decoded.sum() * 0.0, 0.0
        for i, modality in enumerate(self.encoder.spec.modalities):
            error, values = self._error(
                self.heads[i](decoded[:, i]), batch.signals[modality.name], modality, targets[:, i]
            )
            total, count = total + error, count + values
        return StepLoss(total / max(count, 1.0) * len(batch), float(len(batch)))

    def decode(
        self, batch: SignalBatch, hidden: MaskedPatches
    ) -> tuple[
        Float[Tensor, "batch modality patch width"], Float[Tensor, "batch layer head token token"]
    ]:
        """Encode what is left and give the decoder's tokens with its attention."""
        seen = batch.present & ~hidden.dropped
        signals = {
            m.name: self._cover(i, m, batch.signals[m.name], hidden.patches[:, i], seen[:, i])
            for i, m in enumerate(self.encoder.spec.modalities)
        }
        left = SignalBatch(signals=signals, present=seen, labels=batch.labels, index=batch.index)
        steps = self.encoder.encode_steps(left)
        features = [
            functional.adaptive_avg_pool1d(
                steps[name].transpose(1, 2), self.config.patches
            ).transpose(1, 2)
            for name in self.encoder.spec.names
        ]
        decoded, attention = self.decoder(torch.stack(features, dim=1), seen)
        return decoded, attention

    @torch.no_grad()
    def attention(self, batch: SignalBatch) -> Float[Tensor, "layer head token token"]:
        """Give the decoder's attention with nothing hidden, averaged over whole windows.

        Where no window has every modality, it is NaN. Token i is part `i % patches` of modality
        `i // patches`.
        """
        nothing = MaskedPatches(
            patches=torch.zeros(
                *batch.present.shape, self.config.patches, dtype=torch.bool,
                device=batch.present.device,
            ),
            dropped=torch.zeros_like(batch.present),
        )  # fmt: skip
        _, weights = self.decode(batch, nothing)
        return weights[batch.present.all(1)].mean(0)

    def hide(
        self, present: Bool[Tensor, "batch modality"], generator: torch.Generator | None = None
    ) -> MaskedPatches:
        """Draw what the encoder does not see: the same number of patches in every modality."""
        rows, modalities = present.shape
        patches = self.config.patches
        count = round(self.config.masking_ratio * patches)
        draw = torch.rand(rows, modalities, patches, generator=generator).to(present.device)
        hidden = draw.argsort(-1).argsort(-1) < count
        chance = torch.rand(rows, modalities, generator=generator).to(present.device)
        dropped = present & (chance < self.config.modality_dropout)
        # The modality with the highest draw stays: a window never loses everything.
        last = (chance * present - (~present).float()).argmax(1, keepdim=True)
        dropped = dropped.scatter(1, last, False)
        return MaskedPatches(patches=hidden | dropped.unsqueeze(2), dropped=dropped)

    def _cover(
        self,
        i: int,
        modality: Modality,
        values: Float[Tensor, "batch channel step"],
        hidden: Bool[Tensor, "batch patch"],
        seen: Bool[Tensor, " batch"],
    ) -> Float[Tensor, "batch channel step"]:
        """Put the learned value where patches are hidden, and zeros where the modality is."""
        covered = hidden[:, patch_of_step(modality.steps, self.config.patches).to(hidden.device)]
        return torch.where(covered.unsqueeze(1), self.fill[i], values) * seen[:, None, None]

    def _error(
        self,
        guessed: Float[Tensor, "batch patch value"],
        values: Float[Tensor, "batch channel step"],
        modality: Modality,
        targets: Bool[Tensor, "batch patch"],
    ) -> tuple[Tensor, float]:
        """Give the summed squared error of the patches asked for, and how many values they hold."""
        steps, real = steps_of_patch(modality.steps, self.config.patches)
        target = values[:, :, steps.to(values.device)].transpose(1, 2).flatten(2)
        weight = real.to(values.device)[:, None].expand(-1, len(modality.channels), -1).flatten(1)
        weight = weight * targets.unsqueeze(2)
        error = (guessed.float() - target).square() * weight
        return error.sum(), float(weight.sum())


def patch_of_step(steps: int, patches: int) -> Int[Tensor, " step"]:
    """Give each step's patch: equal parts of the window, whatever the rate.

    With fewer steps than patches some patches have no step.
    """
    return torch.arange(steps) * patches // steps


def steps_of_patch(
    steps: int, patches: int
) -> tuple[Int[Tensor, "patch place"], Bool[Tensor, "patch place"]]:
    """Give each patch's steps, filled up to the longest patch's number, and which are real."""
    owner = patch_of_step(steps, patches)
    own = owner == torch.arange(patches).unsqueeze(1)
    counts = own.sum(1, keepdim=True)
    place = torch.arange(math.ceil(steps / patches))
    first = own.int().argmax(1, keepdim=True)
    return (first + place).clamp(max=steps - 1), place < counts
