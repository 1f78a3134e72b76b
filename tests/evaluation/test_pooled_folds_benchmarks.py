"""The benchmarks of rhythm and stress: one grid, no heart failure, folds kept, people resampled."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.quality import pooled_folds, rhythm, stress
from benchmarks.quality.pooled_folds import ADAPTER, CLASSIFIERS, Classifier, FoldRun, kept
from benchmarks.quality.pooled_scores import auroc, auroc_draws, pooled, summary, table
from benchmarks.quality.rhythm import (
    FLUTTER,
    HEALTHY,
    SIMULATED_WINDOWS,
    alarm_table,
    alarms_of_tested,
    data_of,
    false_alarms,
    healthy_windows,
    make_judged,
    make_store,
    sensitivity,
)
from sensor2llm.command import read_recipe
from sensor2llm.datasets.heart.af_rhythm import FIBRILLATION, LABELS, NORMAL, two_rhythms
from sensor2llm.datasets.heart.beat_intervals import SPEC
from sensor2llm.datasets.heart.premature_beats import PATTERNS
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.evaluation.handcrafted_features import handmade_features
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.tasks.metrics import Predictions, bootstrap_interval
from sensor2llm.training.config import LoopConfig
from tests import toy_store
from tests.llm.tiny import tiny_folder

SPREAD_MS = {"N": 20.0, "AFIB": 150.0}


def beats(label: str, count: int, seed: int = 0) -> np.ndarray:
    """Give intervals in ms, whole samples at 250 Hz."""
    drawn = np.random.default_rng(seed).normal(800, SPREAD_MS.get(label, 20.0), count)
    return np.round(np.clip(drawn, 400, 1500) / 4) * 4


def windows(people: int = 6, each: int = 8) -> list[Window]:
    return [
        Window({"rr": beats(label, 60, seed=100 * person + i)[None]}, f"r{person}", label, 48.0 * i)
        for person in range(people)
        for i, label in enumerate(list(SPREAD_MS) * (each // 2))
    ]


@pytest.fixture
def store(tmp_path) -> WindowStore:
    return WindowStore.write(
        tmp_path / "store", SPEC, two_rhythms(iter(windows()), Ledger()), LABELS
    )


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch):
    quick = {
        name: Classifier(
            lambda one=one, **choice: one.build(**choice).set_params(
                **{"max_iter" if "max_leaf_nodes" in one.choices[0] else "n_estimators": 5}
            ),
            one.choices[:2],
        )
        for name, one in CLASSIFIERS.items()
    }
    monkeypatch.setattr(pooled_folds, "CLASSIFIERS", quick)


def write_beats(folder: Path, record: str, labels: list[str], rate_hz: float = 250.0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    drawn = np.concatenate([beats(x, 60, i) for i, x in enumerate(labels)]) / 1000
    intervals = np.round(drawn * rate_hz) / rate_hz
    rows = zip(np.cumsum(intervals), intervals, np.repeat(labels, 60), strict=True)
    text = "".join(f"{time:.3f}\t{interval:.4f}\t{label}\n" for time, interval, label in rows)
    (folder / f"{record}.txt").write_text(text)


def test_healthy_windows_are_spread_over_each_record_and_called_normal():
    given = [replace(w, label="nsr2db") for w in windows(people=2, each=8)]
    found = list(healthy_windows(given, 3))
    assert [(w.subject, w.start_s) for w in found] == [
        (name, start) for name in ("r0", "r1") for start in (0.0, 48.0 * 4, 48.0 * 7)
    ]
    assert {w.label for w in found} == {NORMAL}


@pytest.mark.parametrize("label", ["chf2db", "congestive heart failure"])
def test_heart_failure_is_refused_as_a_negative(label: str):
    given = [replace(w, label=label) for w in windows(people=1)]
    with pytest.raises(DataError, match="heart failure is no negative"):
        list(healthy_windows(given, 3))


def test_stores_are_made_once_from_the_published_intervals(tmp_path):
    write_beats(tmp_path / "afdb", "04015", ["N", "AFIB", "AFL"])
    write_beats(tmp_path / "nsr2db", "nsr001", ["unlabelled"] * 4, rate_hz=128.0)
    path = tmp_path / "out" / "store"
    with pytest.raises(ConfigError, match="store' is not there yet; give --from FOLDER"):
        make_store(None, path)
    store = make_store(tmp_path / "afdb", path)
    assert data_of(store)["used"] == {NORMAL: 1, FIBRILLATION: 1}
    assert data_of(store)["left out"]["windows of AFL"] == 1
    assert len(make_store(None, path)) == len(store)

    assert make_judged(None, None, tmp_path / "none") == {}
    made = make_judged(tmp_path / "afdb", tmp_path / "nsr2db", tmp_path / "out")
    assert list(made) == [HEALTHY, *PATTERNS, FLUTTER]
    assert {name: len(one) for name, one in made.items()} == {
        HEALTHY: 4, **dict.fromkeys(PATTERNS, 4), FLUTTER: 1,
    }  # fmt: skip
    assert SIMULATED_WINDOWS > 4
    healthy = made[HEALTHY].read([0])["rr"]
    for pattern in PATTERNS:
        assert not np.array_equal(made[pattern].read([0])["rr"], healthy)
    assert made[FLUTTER].subjects.tolist() == ["04015"]
    assert np.asarray(made[FLUTTER].labels).tolist() == [-1]
    again = make_judged(None, None, tmp_path / "out")
    assert {n: one.fingerprint for n, one in again.items()} == {
        n: one.fingerprint for n, one in made.items()
    }


def test_false_alarms_are_the_mean_of_the_folds_and_resample_records(tmp_path):
    given = healthy_windows(windows(people=4), 8)
    store = WindowStore.write(tmp_path / "healthy", SPEC, given, LABELS)
    alarmed = store.subjects == "r0"
    sure = np.stack([1 - alarmed, alarmed], axis=1).astype(float)
    folds = [{"x of healthy": sure}, {"x of healthy": np.tile([1.0, 0.0], (len(store), 1))}]
    found = false_alarms(store, folds, "x of healthy")
    assert found["rate"] == pytest.approx(0.5 / 4)
    assert (found["records"], found["windows"], found["records above 10 %"]) == (4, 32, 1)
    low, high = found["interval"]
    assert low == 0.0
    assert found["rate"] < high <= 0.5
    text = alarm_table({"healthy": {"x": found}, "ectopy": {"x": found}, "flutter": {}})
    assert "| called atrial fibrillation | healthy | ectopy |" in text
    assert f"| x | 12.50% (0.00% to {high:.2%}) | 12.50% (0.00% to {high:.2%}) |" in text


def test_a_record_of_the_folds_is_judged_by_the_fold_that_tests_it(tmp_path):
    store = WindowStore.write(tmp_path / "flutter", SPEC, windows(people=3, each=2))
    always, never = np.tile([0.0, 1.0], (6, 1)), np.tile([1.0, 0.0], (6, 1))
    folds = [{"x of flutter": always}, {"x of flutter": never}]
    found = alarms_of_tested(store, [("r0",), ("r2",)], folds, "x of flutter")
    assert (found["rate"], found["records"], found["windows"]) == (0.5, 2, 4)


def test_sensitivity_is_the_share_of_fibrillation_that_is_called_so():
    p = predictions()
    right = [own for own, true in zip(p.predicted, p.true, strict=True) if true == 1]
    found = sensitivity(p)
    assert found["rate"] == pytest.approx(np.mean(right))
    assert (found["windows"], found["records"]) == (60, 6)
    assert 0 < found["rate"] < 1


def test_auroc_is_scikit_learns_with_weights_and_ties():
    rng = np.random.default_rng(0)
    positive = rng.integers(0, 2, 200)
    scores = np.round(rng.normal(positive, 1), 1)
    weights = rng.integers(0, 4, (3, 200)).astype(float)
    expected = [roc_auc_score(positive, scores, sample_weight=w) for w in weights]
    np.testing.assert_allclose(auroc(scores, positive, weights), expected)
    assert np.isnan(auroc(scores, np.ones(200), np.ones(200)))


def predictions(seed: int = 0, noise: float = 1.0) -> Predictions:
    rng = np.random.default_rng(seed)
    true = np.tile([0, 1], 60)
    chance = 1 / (1 + np.exp(-rng.normal(2 * true - 1, noise)))
    return Predictions(
        labels=LABELS, true=true, predicted=(chance > 0.5).astype(int),
        subjects=np.repeat(list("abcdef"), 20), probabilities=np.stack([1 - chance, chance], 1),
    )  # fmt: skip


def test_auroc_draws_resample_people_as_the_metrics_do():
    p = predictions()
    people = list("abcdef")
    chosen = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), size=4)
    assert p.probabilities is not None
    expected = []
    for times in chosen:
        drawn = zip(people, times, strict=True)
        rows = np.concatenate([np.tile(np.flatnonzero(p.subjects == who), n) for who, n in drawn])
        expected.append(roc_auc_score(p.true[rows], p.probabilities[rows, 1]))
    np.testing.assert_allclose(auroc_draws(p, draws=4), expected)


def test_the_summary_pairs_every_method_with_ours():
    ours, other = predictions(0, 0.5), predictions(1, 2.0)
    rows = summary({"other": other, ADAPTER: ours}, ADAPTER, draws=50)
    less = rows["other"]["ours_minus_this"]
    assert less["macro_f1"] == pytest.approx(rows[ADAPTER]["macro_f1"] - rows["other"]["macro_f1"])
    assert less["level_or_above"]
    assert "ours_minus_this" not in rows[ADAPTER]
    assert rows[ADAPTER]["interval"] == bootstrap_interval(ours)
    text = table(rows)
    assert f"| other | {rows['other']['macro_f1']:.3f} (" in text
    assert f"| {less['macro_f1']:+.3f} (" in text
    json.dumps(rows)


def test_a_fold_is_read_again_only_with_the_same_settings(tmp_path):
    made = []

    def judge() -> dict[str, np.ndarray]:
        made.append(1)
        return {"rows": np.arange(3)}

    for settings in ({"a": 1}, {"a": 1}, {"a": 2}):
        found = kept(tmp_path / "x" / "fold0.npz", settings, judge)
        assert found["rows"].tolist() == [0, 1, 2]
    assert len(made) == 2


def recipe(store: WindowStore) -> Recipe:
    return Recipe(data=store.path, split=SplitConfig(kind="fold", folds=3))


def test_every_person_is_judged_once_and_by_models_that_never_saw_them(store, tmp_path):
    run = FoldRun(recipe=recipe(store), store=store, folds=(0, 1, 2), out=tmp_path)
    folds = run.judge("gradient boosting")
    p = pooled(store, folds, "gradient boosting")
    assert sorted(p.index.tolist()) == list(range(len(store)))
    assert p.probabilities.sum(1) == pytest.approx(1.0)
    for fold, judged in enumerate(folds):
        split = run.split(fold)
        assert set(judged["rows"]) == set(split.test)
        assert not set(judged["rows"]) & set(np.concatenate([split.train, split.validation]))


def test_others_are_judged_by_every_fold_and_folds_are_kept(store, tmp_path, monkeypatch):
    run = FoldRun(
        recipe=recipe(store), store=store, folds=(0, 1), out=tmp_path, others={"healthy": store}
    )
    folds = run.judge("random forest")
    assert {len(fold["random forest of healthy"]) for fold in folds} == {len(store)}
    monkeypatch.setattr(pooled_folds, "fit_handmade", None)
    again = run.judge("random forest")
    assert all((a["rows"] == b["rows"]).all() for a, b in zip(folds, again, strict=True))
    changed = replace(run, made_of={"grid_hz": 1})
    with pytest.raises(TypeError):
        changed.judge("random forest")


def test_the_adapter_and_its_probe_judge_test_people_and_the_others(store, tmp_path):
    short = LoopConfig(epochs=1, batch_size=8, precision="float32")
    encoder = EncoderConfig(width=8, pooled_steps=4)
    small = replace(
        recipe(store),
        prompt="atrial_fibrillation",
        llm=str(tiny_folder("llama")),
        llm_dtype="float32",
        new_encoder=EncoderRecipe(
            pretrain=False, finetune=True, encoder=encoder, finetune_loop=short
        ),
        loop=short,
    )
    run = FoldRun(recipe=small, store=store, folds=(1,), out=tmp_path, others={"healthy": store})
    [found] = run.judge(ADAPTER)
    assert found["rows"].tolist() == run.split(1).test.tolist()
    for name in (ADAPTER, "probe"):
        assert found[name].shape == (len(found["rows"]), 2)
        np.testing.assert_allclose(found[name].sum(1), 1.0, atol=1e-5)
        # The same windows among the other store's are judged alike.
        np.testing.assert_allclose(
            found[f"{name} of healthy"][found["rows"]], found[name], atol=1e-4
        )
    assert read_recipe(tmp_path / "adapter-fold1" / "recipe.yaml", Recipe).split.fold == 1


def test_an_unknown_method_is_named(store, tmp_path):
    run = FoldRun(recipe=recipe(store), store=store, folds=(0,), out=tmp_path)
    with pytest.raises(ConfigError, match="unknown method 'boosting'; choose from adapter, gradi"):
        run.judge("boosting")


@pytest.mark.parametrize("module", [rhythm, stress])
def test_the_recipe_is_by_folds_of_people_and_has_its_prompt(module):
    found = read_recipe(module.RECIPE, Recipe)
    assert found.split == SplitConfig(kind="fold")
    assert found.prompt == {rhythm: "atrial_fibrillation", stress: "stress"}[module]
    assert set(module.METHODS) <= {ADAPTER, *CLASSIFIERS}
    assert {ADAPTER, "gradient boosting"} <= set(module.METHODS)


def test_the_features_store_has_the_same_windows_with_a_row_of_values_a_sensor(tmp_path):
    source = toy_store.make_store(tmp_path)
    made = stress.feature_store(source, tmp_path / "features")
    assert made.spec.names == tuple(f"{name}_features" for name in source.spec.names)
    for name in ("labels", "starts", "subjects"):
        np.testing.assert_array_equal(getattr(made, name), getattr(source, name))
    table = handmade_features(source, [5])
    row = np.concatenate([made[5].signals[name][:, 0] for name in made.spec.names])
    np.testing.assert_allclose(row, table.values[0].astype(np.float32))
    again = stress.feature_store(source, tmp_path / "features")
    assert len(again) == len(source)


def test_a_sensor_whose_features_cannot_be_computed_is_missing(tmp_path):
    pulse = Modality(name="bvp", channels=(Channel(name="bvp", unit="1"),), steps=640, rate_hz=64.0)
    spec = SignalSpec(modalities=(pulse, toy_store.SPEC["values"]), window_s=10.0)
    flat = Window({"bvp": np.ones((1, 640)), "values": np.ones((2, 1))}, "p", "rest")
    source = WindowStore.write(tmp_path / "flat", spec, [flat])
    made = stress.feature_store(source, tmp_path / "features")
    assert made.present.tolist() == [[False, True]]


def test_a_part_of_the_folds_is_no_report(store, tmp_path, capsys):
    options = Namespace(
        recipe=rhythm.RECIPE, methods=["gradient boosting"], folds=[0, 1], out=tmp_path / "out",
        report=tmp_path / "report.json", data=store.path, hear="features",
    )  # fmt: skip
    found = stress.compare(options)
    pooled_folds.tell(found, options)
    assert (tmp_path / "out" / "results.json").is_file()
    assert not options.report.is_file()
    assert "| gradient boosting |" in capsys.readouterr().out
    whole = Namespace(**vars(options) | {"folds": [4, 3, 2, 1, 0], "methods": [ADAPTER]})
    pooled_folds.tell(found, whole)
    assert json.loads(options.report.read_text()) == json.loads(json.dumps(found))
