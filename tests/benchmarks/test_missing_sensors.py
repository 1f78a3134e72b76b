"""What is lost without sensors, by how many are gone, whole windows the measure."""

import pytest
import torch

from benchmarks.quality.missing_sensors import bridge_score, losses, probe_score, table
from sensor2llm.adapter.batches import FeatureBatch


def told_by_the_first(rows: int = 192, seed: int = 0) -> FeatureBatch:
    """Give windows whose label the first of two modalities tells plainly, the second faintly."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % 2
    steps = torch.randn(rows, 2, 4, 8, generator=generator)
    steps[:, 0, :, 0] += 6.0 * labels[:, None] - 3.0
    steps[:, 1, :, 1] += 2.0 * labels[:, None] - 1.0
    return FeatureBatch(labels, steps, torch.ones(rows, 2, dtype=torch.bool))


def test_losses_are_means_over_the_sets_of_one_size():
    def score(batch: FeatureBatch) -> float:
        return float(batch.present[0].float() @ torch.tensor([0.5, 0.1, 0.2]))

    batch = FeatureBatch(torch.arange(3), present=torch.ones(3, 3, dtype=torch.bool))
    found = losses(batch, ("a", "b", "c"), score)
    assert found["macro_f1"] == pytest.approx(0.8)
    assert found["lost"] == {"1": pytest.approx(80 / 3), "2": pytest.approx(160 / 3)}


def test_a_bridge_that_learned_without_sensors_loses_less():
    train, held_out = told_by_the_first(), told_by_the_first(seed=1)
    without = losses(held_out, ("a", "b"), bridge_score(train, 2, 0.0))
    learned = losses(held_out, ("a", "b"), bridge_score(train, 2, 0.4))
    assert without["macro_f1"] > 0.95
    assert learned["macro_f1"] > 0.95
    assert learned["lost"]["1"] < without["lost"]["1"]


def test_the_probe_takes_what_is_absent_for_zeros():
    train, held_out = told_by_the_first(), told_by_the_first(seed=1)
    found = losses(held_out, ("a", "b"), probe_score(train, held_out, 2))
    assert found["macro_f1"] > 0.95
    assert 0 < found["lost"]["1"] < 50


def test_the_table_has_a_line_a_pair():
    row = {"encoder": 0.3, "bridge": None, "macro_f1": 0.9, "lost": {"1": 12.34, "2": 30.0}}
    text = table([row, row | {"bridge": 0.1}])
    assert "| points lost, 1 missing | points lost, 2 missing |" in text
    assert "| 0.3 | probe | 0.900 | 12.3 | 30.0 |" in text
    assert "| 0.3 | 0.1 | 0.900 | 12.3 | 30.0 |" in text
    assert text.count("\n") == 3
