"""The window's own scale reaches the tokens as one more step of each modality."""

import pytest
import torch

from sensor2llm.bridge.config import PROJECTOR_KINDS, ProjectorConfig
from sensor2llm.bridge.projectors import Projector
from sensor2llm.bridge.window_statistics import WindowStatisticsToken
from sensor2llm.errors import ConfigError, ModelError

SHAPES = [(kind, split) for kind in PROJECTOR_KINDS for split in (False, True)]
each_kind = pytest.mark.parametrize(("kind", "per_modality"), SHAPES)


def build(kind: str, per_modality: bool = False) -> Projector:
    torch.manual_seed(0)
    config = ProjectorConfig(
        kind=kind, tokens=6, hidden=32, per_modality=per_modality, prototypes=16, scale=True
    )
    words = 0.03 * torch.randn(50, 40)
    return Projector(config, 3, 16, 12, 40, 0.03, vocabulary=words, statistics=4).eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    present = torch.tensor([[True, True, True], [True, False, True], [False, True, False]])
    steps = torch.randn(3, 3, 16, 12, generator=generator)
    return steps, present, 100 * torch.randn(3, 3, 4, generator=generator)


@each_kind
def test_the_scale_changes_the_tokens_of_its_own_modality(kind, per_modality):
    projector = build(kind, per_modality)
    steps, present, scale = inputs()
    changed = scale.clone()
    changed[0, 1] *= 1.5
    moved = projector(steps, present, scale) - projector(steps, present, changed)
    assert moved[1:].abs().max() == 0
    tokens = (moved[0].abs().amax(dim=1) > 1e-6).tolist()
    if per_modality:
        assert tokens[:2] == tokens[4:] == [False, False]
    assert any(tokens)


@each_kind
def test_the_scale_of_an_absent_modality_never_matters(kind, per_modality):
    projector = build(kind, per_modality)
    steps, present, scale = inputs()
    other = torch.where(present[:, :, None], scale, torch.nan)
    tokens = projector(steps, present, other)
    assert torch.equal(projector(steps, present, scale), tokens)
    tokens.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in projector.parameters())


@each_kind
def test_gradients_reach_every_parameter(kind, per_modality):
    projector = build(kind, per_modality)
    tokens = projector(*inputs())
    (tokens * torch.randn_like(tokens)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in projector.parameters())


def test_the_step_is_a_small_network_of_squashed_statistics():
    step = WindowStatisticsToken(2, 3, 5)
    scale = torch.tensor([[[0.0, -1.0, 900.0], [0.1, 2.0, -30.0]]])
    given = step(scale, torch.ones(1, 2, dtype=torch.bool))
    for modality in range(2):
        squashed = torch.sign(scale[0, modality]) * torch.log(1 + scale[0, modality].abs())
        first = squashed @ step.in_proj.weight[modality] + step.in_proj.bias[modality]
        expected = torch.nn.functional.gelu(first) @ step.out_proj.weight.T + step.out_proj.bias
        torch.testing.assert_close(given[0, modality, 0], expected)


def test_levels_that_differ_by_a_factor_only_point_elsewhere():
    """The norm behind the step takes away its length, so the direction must carry the level."""
    torch.manual_seed(0)
    step = WindowStatisticsToken(1, 6, 96)
    level = torch.tensor([1.0, 10.0, 1000.0])[:, None, None] * torch.ones(3, 1, 6)
    vectors = step(level, torch.ones(3, 1, dtype=torch.bool)).flatten(1)
    cosine = torch.nn.functional.cosine_similarity(vectors[:-1], vectors[1:])
    assert cosine.max() < 0.98


def test_statistics_count_only_where_the_config_wants_the_scale():
    without = Projector(ProjectorConfig(), 3, 16, 12, 40, 0.03, statistics=4)
    assert without.statistics == 0
    assert not any(name.startswith("scale") for name in without.state_dict())
    assert build("mlp").statistics == 4


def test_errors_name_what_was_given():
    steps, present, scale = inputs()
    with pytest.raises(ConfigError, match="statistics of each modality, got statistics=0"):
        Projector(ProjectorConfig(scale=True), 3, 16, 12, 40, 0.03)
    with pytest.raises(ModelError, match=r"scale, \(modality, statistic\) \(3, 4\), got none"):
        build("mlp")(steps, present)
    with pytest.raises(ModelError, match=r"\(3, 4\), got \(3, 2\)"):
        build("mlp")(steps, present, scale[:, :, :2])
    with pytest.raises(ModelError, match="built without scale"):
        Projector(ProjectorConfig(), 3, 16, 12, 40, 0.03)(steps, present, scale)
