"""Projectors: K tokens on the language model's scale, whatever is missing."""

import pytest
import torch

from sensor2llm.bridge.config import PROJECTOR_KINDS, ProjectorConfig
from sensor2llm.bridge.projectors import PROJECTORS, Projector
from sensor2llm.bridge.temporal_pooling import LearnedTemporalPooling, segments, token_modalities
from sensor2llm.errors import ConfigError, ModelError

SIZES = {"modalities": 3, "in_width": 12, "out_width": 40, "target_std": 0.03}
# What the language model's layers look at is as wide as the projector inside, on a norm's scale.
GIVEN = dict.fromkeys(PROJECTOR_KINDS, (40, 0.03)) | {"cross_attention": (32, 1.0)}
WEIGHTS = ("weight", "bias")
SHAPES = [(kind, split) for kind in PROJECTOR_KINDS for split in (False, True)]
each_kind = pytest.mark.parametrize(("kind", "per_modality"), SHAPES)


def build(kind: str, per_modality: bool = False, steps: int = 16, **options) -> Projector:
    torch.manual_seed(0)
    scale = bool(options.get("statistics"))
    config = ProjectorConfig(
        kind=kind, tokens=6, hidden=32, per_modality=per_modality, prototypes=16, scale=scale
    )
    projector = Projector(config, steps=steps, **(SIZES | options)).eval()
    generator = torch.Generator().manual_seed(2)
    projector.use_vocabulary(0.03 * torch.randn(50, 40, generator=generator))
    return projector


def inputs(steps: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    present = torch.tensor([[True, True, True], [True, False, True], [False, True, False]] * 2)
    return torch.randn(6, 3, steps, 12, generator=generator), present


def test_every_kind_that_the_config_knows_is_built_here():
    assert tuple(PROJECTORS) == PROJECTOR_KINDS


@each_kind
@pytest.mark.parametrize("steps", [1, 7, 16])
def test_the_number_of_tokens_does_not_depend_on_the_steps(kind, per_modality, steps):
    tokens = build(kind, per_modality, steps)(*inputs(steps))
    assert tokens.shape == (6, 6, GIVEN[kind][0])


@each_kind
def test_tokens_start_on_the_scale_of_the_embeddings(kind, per_modality):
    tokens = build(kind, per_modality)(*inputs()).detach() / GIVEN[kind][1]
    assert float(tokens.std()) == pytest.approx(1, rel=0.05)
    assert tokens.std(dim=-1).sub(1).abs().max() < 0.1


@each_kind
def test_what_an_absent_modality_contains_never_matters(kind, per_modality):
    projector = build(kind, per_modality)
    steps, present = inputs()
    other = torch.where(present[:, :, None, None], steps, torch.nan)
    assert torch.equal(projector(steps, present), projector(other, present))


@each_kind
def test_being_absent_is_not_being_zero(kind, per_modality):
    projector = build(kind, per_modality)
    steps, _ = inputs()
    everyone = torch.ones(6, 3, dtype=torch.bool)
    absent = everyone.clone()
    absent[:, 1] = False
    steps[:, 1] = 0
    assert (projector(steps, everyone) - projector(steps, absent)).abs().max() > 1e-4


@each_kind
def test_rows_do_not_see_each_other(kind, per_modality):
    projector = build(kind, per_modality)
    steps, present = inputs()
    alone = torch.cat([projector(steps[i : i + 1], present[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(projector(steps, present), alone)


@each_kind
def test_gradients_reach_every_parameter_and_the_present_steps_only(kind, per_modality):
    projector = build(kind, per_modality)
    steps, present = inputs()
    steps.requires_grad_()
    tokens = projector(steps, present)
    (tokens * torch.randn_like(tokens)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in projector.parameters())
    reached = steps.grad.abs().sum(dim=(2, 3)) > 0
    assert torch.equal(reached, present)


@pytest.mark.parametrize("kind", PROJECTOR_KINDS)
def test_per_modality_tokens_see_one_modality_only(kind):
    projector = build(kind, per_modality=True)
    steps, _ = inputs()
    everyone = torch.ones(6, 3, dtype=torch.bool)
    changed = steps.clone()
    changed[:, 1] += torch.randn(16, 12)
    moved = (projector(steps, everyone) - projector(changed, everyone)).abs().amax(dim=(0, 2))
    assert (moved > 1e-6).tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize("kind", PROJECTOR_KINDS)
def test_the_default_sizes_stay_small_on_a_small_language_model(kind):
    config = ProjectorConfig(kind=kind)
    projector = Projector(config, 3, 16, 96, 256, target_std=0.02)
    assert sum(parameter.numel() for parameter in projector.parameters()) < 2_500_000


def test_tokens_are_split_evenly_over_the_modalities():
    seen = token_modalities(ProjectorConfig(tokens=7, per_modality=True), 3)
    assert seen.sum(dim=0).tolist() == [3, 2, 2]
    assert seen.sum(dim=1).tolist() == [1] * 7


def test_stretches_share_the_steps_in_order():
    joint = segments(torch.ones(2, 3, dtype=torch.bool), 3)
    torch.testing.assert_close(joint, torch.tensor([[2, 1, 0], [0, 1, 2]]) / 3)
    split = segments(token_modalities(ProjectorConfig(tokens=3, per_modality=True), 2), 4)
    halves = torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5], [0.25, 0.25, 0.25, 0.25]])
    torch.testing.assert_close(split, halves)
    more = segments(torch.ones(6, 1, dtype=torch.bool), 3)
    torch.testing.assert_close(more, torch.eye(3).repeat_interleave(2, dim=0))


def test_a_mix_starts_as_the_average_unless_told_otherwise():
    seen, (steps, _) = torch.ones(2, 3, dtype=torch.bool), inputs()
    average = steps.mean(dim=2).flatten(1)
    torch.testing.assert_close(LearnedTemporalPooling(seen, 16)(steps)[:, 1], average)
    halves = LearnedTemporalPooling(seen, 16, segments(seen, 16))(steps)
    torch.testing.assert_close(halves[:, 0], steps[:, :, :8].mean(dim=2).flatten(1))


@each_kind
def test_the_same_seed_builds_the_same_projector(kind, per_modality):
    first, second = (build(kind, per_modality).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@each_kind
def test_a_loaded_state_gives_the_same_tokens(kind, per_modality):
    first, second = build(kind, per_modality), build(kind, per_modality)
    for parameter in second.parameters():
        torch.nn.init.normal_(parameter)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(*inputs()), second(*inputs()))


def test_settings_and_weights_of_a_bridge_of_the_first_version_still_load():
    mapping = {"kind": "perceiver", "tokens": 6, "hidden": 32, "depth": 1, "heads": 4}
    config = ProjectorConfig(**mapping, dropout=0.1, per_modality=False)
    projector = Projector(config, steps=16, **SIZES)
    assert not config.scale
    assert projector.statistics == 0
    block = (
        "attention.in_proj_weight attention.in_proj_bias attention.out_proj.weight "
        "attention.out_proj.bias norm_latents.weight norm_latents.bias norm_steps.weight "
        "norm_steps.bias feed_forward.0.weight feed_forward.0.bias feed_forward.1.weight "
        "feed_forward.1.bias feed_forward.4.weight feed_forward.4.bias"
    )
    assert set(projector.state_dict()) == {
        *("missing", "gain", "target_std", "norm_in.weight", "norm_in.bias"),
        *(f"body.{name}" for name in ("latents", "modality", "position")),
        *(
            f"body.{name}.{part}"
            for name in ("in_proj", "out_proj.0", "out_proj.1")
            for part in WEIGHTS
        ),
        *(f"body.blocks.0.{name}" for name in block.split()),
    }
    old = {"mix": "0.weight", "hidden": "1.weight 1.bias", "token": "4.weight 4.bias"}
    names = {f"body.{name}" for names in old.values() for name in names.split()}
    mlp = Projector(ProjectorConfig(), steps=16, **SIZES).state_dict()
    assert {name for name in mlp if name.startswith("body")} == names


def test_vectors_for_the_layers_are_as_wide_as_the_projector_inside():
    assert build("cross_attention").out_width == 32
    assert build("perceiver").out_width == 40
    assert float(build("cross_attention").target_std) == 1


def test_the_scale_is_kept_in_the_state():
    loaded = build("mlp", target_std=1.0)
    loaded.load_state_dict(build("mlp", target_std=0.5).state_dict())
    assert float(loaded.target_std) == 0.5


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_projector_lists_the_known_ones():
    with pytest.raises(ConfigError, match="unknown projector 'perciever'; choose from linear"):
        ProjectorConfig(kind="perciever")


def test_errors_name_what_was_given():
    with pytest.raises(ModelError, match=r"\(3, 4, 12\).*built for \(3, 16, 12\)"):
        build("mlp")(*inputs(steps=4))
    with pytest.raises(ConfigError, match="a token for each of 3 modalities, got 2"):
        token_modalities(ProjectorConfig(tokens=2, per_modality=True), 3)
    with pytest.raises(ConfigError, match="tokens must be positive, got 0"):
        ProjectorConfig(tokens=0)
    with pytest.raises(ConfigError, match="dropout"):
        ProjectorConfig(dropout=1.0)
    with pytest.raises(ConfigError, match="multiple of heads=4, got 30"):
        ProjectorConfig(kind="perceiver", hidden=30)
    for kind in ("qformer", "reprogramming", "cross_attention"):
        with pytest.raises(ConfigError, match="multiple of heads=4, got 30"):
            ProjectorConfig(kind=kind, hidden=30)
    with pytest.raises(ConfigError, match="prototypes must be positive, got 0"):
        ProjectorConfig(prototypes=0)
    with pytest.raises(ConfigError, match="every must be positive, got 0"):
        ProjectorConfig(every=0)
    assert ProjectorConfig(kind="mlp", hidden=30).hidden == 30
