"""The benchmark of pretraining: ratios are taken within a round, and the table holds every one."""

import json

import pytest

from benchmarks import speed_tables
from benchmarks.speed.pretraining_speed import (
    RATIOS,
    VARIANTS,
    Runner,
    measure_probe,
    probe_summary,
    ratios,
)
from tests.toy_store import make_store


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    rates = {name: [10.0, 1.0, 4.0] for pair in RATIOS for name in pair}
    found = ratios(rates | {"temporal_cnn": [10.0, 9.0, 2.0]})
    # The medians' ratio would be 9 / 4; the rounds' are 1, 9 and 0.5.
    assert found["temporal_cnn/published"] == {"ratio": 1.0, "least": 0.5, "greatest": 9.0}
    assert list(found) == [f"{ours}/{theirs}" for ours, theirs in RATIOS]


def test_the_published_recipe_is_the_papers() -> None:
    published = VARIANTS["published"]
    assert published.encoder.strides == (1, 1, 1)
    assert (published.loop.batch_size, published.loop.learning_rate) == (8, 1e-4)
    assert (published.loop.optimizer, published.precision) == ("adam", "float32")
    masks = published.crossl
    assert (masks.masking_ratio, masks.similarity, masks.std, masks.covariance) == (
        0.1,
        10,
        10,
        100,
    )


def test_seeds_of_one_store_and_variant_are_averaged() -> None:
    runs = [
        {"store": "a", "variant": "x", "test_macro_f1": f1, "validation_macro_f1": 0.5, "cpu_s": 2}
        for f1 in (0.6, 0.8)
    ]
    row = probe_summary(runs)["a"]["x"]
    assert row["macro_f1"] == pytest.approx(0.7)
    assert row["sd"] == pytest.approx(0.02**0.5)
    assert row["seeds"] == 2


def test_a_slice_trains_the_encoder_and_gives_a_rate(tmp_path) -> None:
    runner = Runner(VARIANTS["patch_transformer_float32"], make_store(tmp_path), fold=0)
    before = [p.detach().clone() for p in runner.module.parameters()]
    assert runner.windows_per_s(seed=0) > 0
    assert any((p != q).any() for p, q in zip(before, runner.module.parameters(), strict=True))


def test_the_table_holds_rates_scores_ratios_and_commands(tmp_path, monkeypatch) -> None:
    row = {"title": "an encoder", "precision": "bf16", "batch_size": 128, "windows_per_s": 1234.5}
    store = {"store": "mine", "variants": {"x": row}, "ratios": {"x/y": {"ratio": 5.25}}}
    scores = {"mine": {"x": {"macro_f1": 0.875, "sd": 0.5, "seeds": 3}}}
    speed = {"command": "the first", "stores": [store]}
    found = {"speed": speed, "probe": {"command": "the second", "summary": scores}}
    path = tmp_path / "pretraining_speed.json"
    monkeypatch.setattr(speed_tables, "RESULTS", tmp_path)
    assert speed_tables.pretraining_speed() == ""
    path.write_text(json.dumps(found))
    text = speed_tables.pretraining_speed()
    assert "| mine | an encoder, bf16 | 128 | 1,234 | 0.875 ± 0.500, 3 seeds |" in text
    assert "| x / y | 5.2 |" in text
    assert "    the first\n    the second\n" in text
    path.write_text(json.dumps({"speed": speed}))
    assert "| 1,234 | – |" in speed_tables.pretraining_speed()


def test_a_probe_run_names_both_parts_scores(tmp_path) -> None:
    run = measure_probe(make_store(tmp_path).path, "patch_transformer_float32", seed=1, fold=0)
    assert (run["variant"], run["seed"], run["epochs"]) == ("patch_transformer_float32", 1, 6)
    assert 0 <= run["validation_macro_f1"] <= 1
    assert 0 <= run["test_macro_f1"] <= 1
    assert run["cpu_s"] > 0
