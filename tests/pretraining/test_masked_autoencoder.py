"""The masked autoencoder: what is hidden, what reaches the encoder, the loss value by value.

The spec's modalities have 20, 26, 6 and 1 steps, so that 4 patches are equally long, differ by a
step, differ by a step, or have nothing but one; with 8 patches more of them have no step at all.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.joint_decoder import JointDecoder
from sensor2llm.pretraining.masked_autoencoder import MaskedAutoencoder, MaskedPatches
from sensor2llm.pretraining.objective_config import MaskedAutoencoderConfig
from sensor2llm.signals.dataset import SignalBatch
from tests.pretraining.mixed import (
    PATCHES,
    SMALL,
    SPEC,
    build_encoder,
    everything,
    generator,
    make_batch,
)

WIDTH = SMALL.width
JOINT = replace(PATCHES, shared=True, fusion="joint")


def build(config=SMALL, patches: int = 4, **options) -> MaskedAutoencoder:
    options = {"heads": 2, "patches": patches, **options}
    objective = MaskedAutoencoder(build_encoder(config), MaskedAutoencoderConfig(**options))
    torch.manual_seed(1)
    for value in objective.fill:
        nn.init.normal_(value)
    return objective


def drawn(objective: MaskedAutoencoder, present: torch.Tensor, seed: int = 0) -> MaskedPatches:
    """Give what the objective hides with this seed, and hide the very same from now on."""
    hidden = objective.hide(present, generator(seed))
    objective.hide = lambda *_: hidden
    return hidden


def changed(batch: SignalBatch, name: str, where: torch.Tensor) -> SignalBatch:
    """Give the batch with other values of one modality at (batch, step)."""
    values = batch.signals[name]
    other = torch.where(where[:, None], 7 - 3 * values, values)
    return SignalBatch(
        signals=batch.signals | {name: other}, present=batch.present, labels=batch.labels,
        index=batch.index,
    )  # fmt: skip


def covered_steps(hidden: torch.Tensor, steps: int) -> torch.Tensor:
    """Say which steps of (batch, patch) hidden patches are hidden."""
    count = hidden.shape[1]
    return torch.tensor([[bool(row[s * count // steps]) for s in range(steps)] for row in hidden])


@torch.no_grad()
def restated(objective: MaskedAutoencoder, batch: SignalBatch, hidden: MaskedPatches) -> float:
    """Go through every value that is hidden, add its squared error and divide by their number."""
    decoded, _ = objective.decode(batch, hidden)
    total, count = 0.0, 0
    for b in range(len(batch)):
        for m, modality in enumerate(SPEC.modalities):
            size = math.ceil(modality.steps / objective.config.patches)
            values = batch.signals[modality.name][b].double().numpy()
            skipped = hidden.dropped[b, m] and not objective.config.cross_modal
            if not batch.present[b, m] or skipped:
                continue
            for p in range(objective.config.patches):
                guess = objective.heads[m](decoded[b, m, p]).double().numpy()
                if hidden.patches[b, m, p]:
                    steps = range(modality.steps)
                    own = [s for s in steps if s * objective.config.patches // len(steps) == p]
                    for c in range(len(values)):
                        for place, s in enumerate(own):
                            total += (guess[c * size + place] - values[c, s]) ** 2
                            count += 1
    return len(batch) * total / count


@pytest.mark.parametrize("patches", [4, 8])
@pytest.mark.parametrize("cross_modal", [True, False])
@pytest.mark.parametrize("config", [SMALL, PATCHES], ids=["cnn", "transformer"])
def test_the_loss_is_the_mean_squared_error_of_hidden_values(patches, cross_modal, config):
    objective = build(config, patches, cross_modal=cross_modal)
    batch = make_batch()
    hidden = drawn(objective, batch.present)
    assert hidden.dropped.any()
    found = objective(batch)
    assert found.total.item() == pytest.approx(restated(objective, batch, hidden), rel=1e-4)
    assert found.weight == len(batch)


def test_the_generator_decides_what_is_hidden():
    objective, batch = build(), make_batch()
    first, again, other = (objective(batch, generator(s)).total.item() for s in (0, 0, 1))
    assert first == again != other
    hidden = drawn(objective, batch.present)
    assert first == pytest.approx(restated(objective, batch, hidden), rel=1e-4)


@pytest.mark.parametrize(("ratio", "count"), [(0.5, 8), (0.3, 5), (0.0, 0), (0.99, 16)])
def test_the_same_number_of_patches_is_hidden_in_every_modality(ratio, count):
    objective = build(patches=16, masking_ratio=ratio, modality_dropout=0.3)
    hidden = objective.hide(everything(300), generator())
    numbers = hidden.patches.sum(2)
    assert (numbers[hidden.dropped] == 16).all()
    assert (numbers[~hidden.dropped] == count).all()
    if 0 < count < 16:
        often = hidden.patches[~hidden.dropped].float().mean(0)
        assert float((often - count / 16).abs().max()) < 0.08
        a, b = (hidden.patches[~hidden.dropped.any(1), m] for m in (0, 1))
        assert (a != b).any(1).float().mean() > 0.9


@pytest.mark.parametrize("dropout", [0.3, 0.95])
def test_dropout_takes_present_modalities_and_never_the_last_one(dropout):
    objective = build(modality_dropout=dropout)
    present = torch.rand(6000, 4, generator=generator(2)) < 0.6
    hidden = objective.hide(present, generator())
    assert not (hidden.dropped & ~present).any()
    left = (present & ~hidden.dropped).sum(1)
    assert (left[present.any(1)] >= 1).all()
    assert not hidden.dropped[present.sum(1) == 1].any()
    for modalities in (2, 3, 4):
        rows = present.sum(1) == modalities
        # Each goes with that probability, but the one drawn highest stays even if all should go.
        expected = modalities * dropout - dropout**modalities
        taken = float(hidden.dropped[rows].sum(1).float().mean())
        assert taken == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("config", [SMALL, PATCHES, JOINT], ids=["cnn", "transformer", "joint"])
@pytest.mark.parametrize("name", SPEC.names)
def test_hidden_values_change_nothing_but_the_target(name, config):
    objective, batch = build(config).eval(), make_batch(everything(6))
    hidden = objective.hide(batch.present, generator())
    i = SPEC.names.index(name)
    where = covered_steps(hidden.patches[:, i], SPEC[name].steps)
    assert where.any()
    other = changed(batch, name, where)
    with torch.no_grad():
        (before, _), (after, _) = (objective.decode(x, hidden) for x in (batch, other))
        losses = [float(restated(objective, x, hidden)) for x in (batch, other)]
    assert torch.equal(before, after)
    assert losses[0] != losses[1]


def test_visible_values_reach_the_encoder():
    objective, batch = build().eval(), make_batch(everything(6))
    hidden = objective.hide(batch.present, generator())
    for i, name in enumerate(SPEC.names):
        seen = ~hidden.dropped[:, i, None] & ~covered_steps(hidden.patches[:, i], SPEC[name].steps)
        with torch.no_grad():
            before, _ = objective.decode(batch, hidden)
            after, _ = objective.decode(changed(batch, name, seen), hidden)
        differ = (before[:, i] != after[:, i]).any(2).any(1)
        assert torch.equal(differ, seen.any(1))
        assert seen.any()


@torch.no_grad()
def test_hidden_patches_are_the_learned_value_and_dropped_modalities_absent():
    objective, batch = build().eval(), make_batch()
    hidden, seen = objective.hide(batch.present, generator()), []
    encode = objective.encoder.encode_steps
    objective.encoder.encode_steps = lambda given: seen.append(given) or encode(given)
    objective.decode(batch, hidden)
    (given,) = seen
    assert torch.equal(given.present, batch.present & ~hidden.dropped)
    for i, modality in enumerate(SPEC.modalities):
        where = covered_steps(hidden.patches[:, i], modality.steps)
        for b in range(len(batch)):
            found, values = given.signals[modality.name][b], batch.signals[modality.name][b]
            for s in range(modality.steps):
                expected = objective.fill[i][:, 0] if where[b, s] else values[:, s]
                assert torch.equal(found[:, s], expected * given.present[b, i])


@pytest.mark.parametrize("cross_modal", [True, False])
def test_other_modalities_help_only_where_they_may(cross_modal):
    objective = build(cross_modal=cross_modal, modality_dropout=0.0).eval()
    batch = make_batch(everything(6))
    hidden = objective.hide(batch.present, generator())
    other = changed(batch, "ecg", ~covered_steps(hidden.patches[:, 1], 26))
    with torch.no_grad():
        (before, _), (after, _) = (objective.decode(x, hidden) for x in (batch, other))
    assert not torch.equal(before[:, 1], after[:, 1])
    for i in (0, 2, 3):
        assert torch.equal(before[:, i], after[:, i]) != cross_modal


def test_a_dropped_modality_is_reconstructed_from_the_others():
    objective, batch = build(masking_ratio=0.0).eval(), make_batch(everything(6))
    dropped = torch.zeros(6, 4, dtype=torch.bool)
    dropped[:, 0] = True
    hidden = MaskedPatches(patches=dropped[:, :, None].repeat(1, 1, 4), dropped=dropped)
    objective.hide = lambda *_: hidden
    objective(batch).total.backward()
    learned = [any(p.grad is not None and p.grad.any() for p in e.parameters())
               for e in objective.encoder.modalities]  # fmt: skip
    assert learned == [False, True, True, True]


@pytest.mark.parametrize("cross_modal", [True, False])
def test_missing_modalities_do_not_count(cross_modal):
    objective = build(cross_modal=cross_modal)
    losses = [objective(make_batch(fill=fill), generator()).total.item() for fill in (0.0, 50.0)]
    assert losses[0] == losses[1]


def test_perfect_reconstruction_costs_nothing_whatever_lies_beyond_the_end():
    objective, batch = build(patches=4), make_batch(everything(5))
    for i, modality in enumerate(SPEC.modalities):
        size = math.ceil(modality.steps / 4)
        pattern = torch.randn(len(modality.channels), size, generator=generator(i))
        parts = [s * 4 // modality.steps for s in range(modality.steps)]
        places = [parts[:s].count(parts[s]) for s in range(modality.steps)]
        whole = pattern[:, places]
        batch.signals[modality.name] = whole.expand(5, -1, -1)
        nn.init.zeros_(objective.heads[i].weight)
        with torch.no_grad():
            objective.heads[i].bias.copy_(pattern.flatten())
    assert objective(batch, generator()).total.item() == 0
    with torch.no_grad():
        objective.heads[1].bias.add_(1)
    assert objective(batch, generator()).total.item() > 0


def test_where_nothing_is_hidden_nothing_is_paid():
    objective, batch = build(), make_batch()
    shown = torch.zeros(6, 4, dtype=torch.bool)
    objective.hide = lambda *_: MaskedPatches(shown[:, :, None].repeat(1, 1, 4), shown)
    loss = objective(batch).total
    assert loss.item() == 0
    loss.backward()


@torch.no_grad()
def test_features_are_averaged_over_equal_parts_of_each_modalitys_steps():
    objective, batch, seen = build().eval(), make_batch(), []
    objective.decoder.register_forward_pre_hook(lambda _, given: seen.append(given))
    nothing = torch.zeros(6, 4, dtype=torch.bool)
    objective.decode(batch, MaskedPatches(nothing[:, :, None].repeat(1, 1, 4), nothing))
    ((features, shown),) = seen
    assert torch.equal(shown, batch.present)
    for i, steps in enumerate(objective.encoder(batch).steps.values()):
        count = steps.shape[1]
        for part in range(4):
            first, last = part * count // 4, math.ceil((part + 1) * count / 4)
            torch.testing.assert_close(features[:, i, part], steps[:, first:last].mean(1))


def torchs_layer(decoder: JointDecoder, number: int) -> nn.TransformerEncoderLayer:
    """Give torch's own layer with the decoder's weights."""
    attention, norm = decoder.attentions[number], decoder.norms[number]
    width, feed = attention.outer.in_features, decoder.feeds[number]
    layer = nn.TransformerEncoderLayer(
        width, attention.heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
    )
    layer.self_attn.in_proj_weight.data = attention.inner.weight.data
    layer.self_attn.in_proj_bias.data = attention.inner.bias.data
    for theirs, ours in (
        (layer.self_attn.out_proj, attention.outer), (layer.norm1, norm),
        (layer.norm2, feed[0]), (layer.linear1, feed[1]), (layer.linear2, feed[3]),
    ):  # fmt: skip
        theirs.load_state_dict(ours.state_dict())
    return layer.train()


@torch.no_grad()
@pytest.mark.parametrize("cross_modal", [True, False])
def test_the_decoder_is_torchs_transformer_with_learned_tokens_for_what_is_unseen(cross_modal):
    torch.manual_seed(0)
    decoder = JointDecoder(WIDTH, 3, 4, layers=2, heads=2, cross_modal=cross_modal)
    features, seen = torch.randn(2, 3, 4, WIDTH), torch.tensor([[1, 1, 1], [1, 0, 1]]).bool()
    found, _ = decoder(features, seen)
    for b in range(2):
        tokens, forbidden = [], torch.zeros(12, 12, dtype=torch.bool)
        for m in range(3):
            for p in range(4):
                own = features[b, m, p] if seen[b, m] else decoder.unseen
                place = [
                    wave(p / 10_000 ** (2 * k / WIDTH))
                    for wave in (math.sin, math.cos)
                    for k in range(WIDTH // 2)
                ]
                tokens.append(own + decoder.modality[m] + torch.tensor(place))
                for q in range(12):
                    hidden = not seen[b, m] or (not cross_modal and q // 4 != m)
                    forbidden[q, 4 * m + p] = hidden
        x = torch.stack(tokens)[None]
        for number in range(2):
            x = torchs_layer(decoder, number)(x, src_mask=forbidden)
        expected = decoder.last(x).view(3, 4, WIDTH)
        # Without cross-modal attention an unseen modality's tokens may look at nothing.
        rows = [m for m in range(3) if cross_modal or seen[b, m]]
        torch.testing.assert_close(found[b, rows], expected[rows], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def restated_attention(objective: MaskedAutoencoder, batch: SignalBatch) -> np.ndarray:
    """Give one layer's attention with token m·P + p for part p of modality m, averaged."""
    decoder, patches = objective.decoder, objective.config.patches
    steps = objective.encoder(batch).steps
    layer, total = decoder.attentions[0], 0.0
    rows = [b for b in range(len(batch)) if batch.present[b].all()]
    size = WIDTH // layer.heads
    for b in rows:
        tokens = []
        for m, name in enumerate(SPEC.names):
            for p in range(patches):
                count = steps[name].shape[1]
                part = steps[name][b, p * count // patches : math.ceil((p + 1) * count / patches)]
                tokens.append(part.mean(0) + decoder.modality[m] + decoder.place[p])
        query, key, _ = layer.inner(decoder.norms[0](torch.stack(tokens))).split(WIDTH, dim=1)
        heads = []
        for h in range(layer.heads):
            q, k = (x[:, h * size : (h + 1) * size].double().numpy() for x in (query, key))
            scores = np.exp(q @ k.T / math.sqrt(size))
            heads.append(scores / scores.sum(1, keepdims=True))
        total = total + np.stack(heads)
    return total[None] / len(rows)


def test_attention_is_of_whole_windows_with_nothing_hidden_token_by_token():
    objective, batch = build().eval(), make_batch()
    found = objective.attention(batch)
    assert found.shape == (1, 2, 16, 16)
    assert not found.requires_grad
    torch.testing.assert_close(found.sum(-1), torch.ones(1, 2, 16))
    np.testing.assert_allclose(found.numpy(), restated_attention(objective, batch), atol=1e-5)


def test_attention_without_the_cross_modal_part_stays_within_each_modality():
    objective = build(cross_modal=False, decoder_layers=2).eval()
    found = objective.attention(make_batch())
    assert found.shape == (2, 2, 16, 16)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 2, 16))
    for i in range(16):
        for j in range(16):
            assert (found[:, :, i, j] > 0).all() == (i // 4 == j // 4)


def test_nobody_looks_at_what_is_dropped_or_absent():
    objective, batch = build().eval(), make_batch()
    hidden = objective.hide(batch.present, generator())
    with torch.no_grad():
        _, weights = objective.decode(batch, hidden)
    unseen = (~batch.present | hidden.dropped).repeat_interleave(4, dim=1)
    assert hidden.dropped.any()
    for b in range(len(batch)):
        assert not weights[b, :, :, :, unseen[b]].any()
        assert (weights[b, :, :, :, ~unseen[b]] > 0).all()


@pytest.mark.parametrize("config", [SMALL, JOINT], ids=["late", "joint"])
def test_every_part_but_the_aggregator_learns(config):
    objective = build(config, decoder_layers=2)
    objective(make_batch(), generator()).total.backward()
    for name, parameter in objective.named_parameters():
        if name.startswith("encoder.aggregator"):
            assert not parameter.requires_grad
        elif name.endswith("mask_token"):  # of encoders that hide patches themselves
            assert not parameter.grad.any()
        else:
            assert parameter.grad.any(), name


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="heads 3 must divide the encoder's width 8"):
        build(heads=3)
