"""Few windows, questions and one adapter for all; differences, and what the page says of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from research.llm_ablation.joint import ANY, JointPart, Together, labelled_among, write_joined
from research.llm_ablation.judged import difference, kept, said_of
from research.llm_ablation.questions import HELD_TEMPLATES, QuestionsPart
from research.llm_ablation.shots import ShotsPart
from research.llm_ablation.table import report, verdict
from research.llm_ablation.training import RANDOM, TRAINED, Bench
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.encoders.joined import join_encoders
from sensor2llm.errors import DataError
from sensor2llm.evaluation.evaluation import evaluate_adapter
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.encoder import LoadedEncoder
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.normalise import merge
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.metrics import paired_difference


def test_shots_fit_every_method_to_the_same_windows(bench, tmp_path):
    part = ShotsPart(bench, (0,), tmp_path)
    found = part.run()
    assert set(found["shots"]) == {"1", "5"}
    seen = json.loads((tmp_path / f"5-{TRAINED.replace(' ', '_')}-seed0" / "run.json").read_text())
    labels = np.asarray(bench.labels("train"))[seen["windows"]]
    assert np.unique(labels, return_counts=True)[1].max() <= 5
    other = json.loads((tmp_path / f"5-{RANDOM.replace(' ', '_')}-seed0" / "run.json").read_text())
    assert other["windows"] == seen["windows"]
    assert "1 a class, against the probe: the LLM" in report({"tiny": {"shots": found}})


def test_questions_held_out_are_none_of_training(bench, tmp_path, monkeypatch):
    # So that both test people are asked what is held out.
    monkeypatch.setattr("research.llm_ablation.questions.PER_WINDOW", 12)
    part = QuestionsPart(bench, tmp_path, windows=20)
    asked = part.asked("train", "templates")
    assert {q.asked.template for q in asked.new.questions} <= set(HELD_TEMPLATES)
    assert not {q.asked.template for q in asked.known.questions} & set(HELD_TEMPLATES)
    wordings = part.asked("train", "wordings")
    new = {q.question for q in wordings.new.questions}
    assert new
    assert not new & {q.question for q in wordings.known.questions}
    found = part.run()
    assert set(found["wordings"]) == {TRAINED, RANDOM, "no LLM", "frequent"}
    assert "Held-out templates: " in report({"tiny": {"questions": found}})


STEPS = 2


@pytest.fixture(scope="module")
def together(benches, tmp_path_factory) -> Together:
    stores = {bench.store.path: bench.recipe.split for bench in benches.values()}
    first = benches["moves"].recipe
    path = write_joined(stores, tmp_path_factory.mktemp("joined") / "store")
    store = WindowStore.open(path)
    named = {bench.store.path.name: bench for bench in benches.values()}
    encoder = join_encoders([bench.heard.encoder for bench in benches.values()])
    normaliser = merge([bench.heard.normaliser for bench in benches.values()])
    recipe = replace(first, data=path, split=SplitConfig(kind="published"), out=path.parent / "all")
    split = make_split(store, recipe.split)
    return Together(Bench(recipe, store, split, LoadedEncoder(encoder, normaliser), ANY), named)


def test_one_adapter_hears_each_data_set_at_its_own_place(together, benches):
    source, feels = together.source("feels-store", "test"), benches["feels"].rows("test")
    chosen = np.arange(3)
    read, own = source.batch(chosen), feels.batch(chosen)
    first = len(benches["moves"].store.spec.names)
    assert torch.equal(read.steps[:, first:], own.steps)
    assert torch.equal(read.present[:, first:], own.present)
    assert not read.present[:, :first].any()
    names = [together.bench.store.label_names[i] for i in source.labels[chosen].tolist()]
    assert names == [benches["feels"].store.label_names[i] for i in own.labels.tolist()]


def test_a_window_gets_a_label_of_its_own_data_set(together):
    model, source = together.bench.untrained(TRAINED).eval(), together.source("feels-store", "test")
    numbers = together.numbers("feels-store")
    said = labelled_among(model, source, numbers)
    scores = model.score(source.batch(np.arange(len(source))))[:, torch.from_numpy(numbers)]
    assert said.tolist() == scores.argmax(1).tolist()


def test_another_order_or_another_split_of_the_joined_store_is_refused(together):
    turned = dict(reversed(together.benches.items()))
    with pytest.raises(DataError, match=r"holds \['moves-store', 'feels-store'\], expected"):
        Together(together.bench, turned)
    bench = together.bench
    other = make_split(bench.store, SplitConfig(kind="subject", seed=4))
    wrong = Bench(bench.recipe, bench.store, other, bench.heard, ANY)
    with pytest.raises(DataError, match="in that part; split both alike"):
        Together(wrong, together.benches).source("feels-store", "test")


def test_the_joint_part_takes_as_many_steps_a_data_set_and_saves_its_adapter(together, tmp_path):
    found = JointPart(together, tmp_path, {TRAINED: (0, 1), RANDOM: (0,)}).run()
    steps = [cost["steps"] for cost in found["cost"][TRAINED]]
    assert steps == [len(together.benches) * STEPS] * 2
    part = found["data_sets"]["feels-store"]
    assert [run["cost"]["steps"] for run in part["one each"][TRAINED]] == [STEPS] * 2
    assert len(part["differences"][RANDOM]["each"]) == 1
    page = report({"tiny": {"joint": found}})
    assert "points behind its own." in page
    assert "| feels-store | random-weight LLM, 1 seed | " in page
    model = SensorLanguageModel(
        SensorAdapter.load(tmp_path / "all-trained_LLM-adapter"), together.bench.llms[TRAINED]
    ).eval()
    own = together.benches["feels-store"]
    said = labelled_among(
        model, together.source("feels-store", "test"), together.numbers("feels-store")
    )
    assert said.tolist() == part["one adapter"][TRAINED][0]["predicted"]
    evaluation = evaluate_adapter(model, own.store, own.split, rows=own.positions("test"))
    assert evaluation.metrics["windows"] == len(said)


def test_a_difference_is_the_mean_of_its_pairs_and_as_unsure_as_they_differ(bench):
    labels, names = bench.labels("test"), bench.store.label_names
    right, bad = {"predicted": labels}, {"predicted": (labels + 1) % len(names)}
    both = difference(bench, [right, bad], [bad, right])
    assert both["each"] == pytest.approx([1, -1])
    assert both["macro_f1"] == pytest.approx(0)
    assert both["interval"] == pytest.approx([-1, 1])
    half = {"predicted": np.where(np.arange(12) % 2, labels, bad["predicted"])}
    one = difference(bench, [right], [half])
    expected, _ = paired_difference(
        *(said_of(bench, run["predicted"], names) for run in (right, half))
    )
    assert one["macro_f1"] == pytest.approx(expected)
    assert one["interval"][0] <= expected <= one["interval"][1]


def test_a_run_that_is_kept_is_not_made_again(tmp_path):
    path = tmp_path / "run.json"
    assert kept(path, lambda: {"value": 1}) == {"value": 1}
    assert kept(path, lambda: {"value": 2}) == {"value": 1}


@pytest.mark.parametrize(
    ("interval", "each", "said"),
    [
        ((0.1, 0.3), (0.2,), "the LLM adds, +20.0 points (+10.0 to +30.0)."),
        ((-0.1, 0.3), (0.5, -0.1), "nothing that is sure, +20.0 points (-10.0 to +30.0; single pa"),
        ((-0.3, -0.1), (-0.2, -0.1), "the LLM is worse, -15.0 points"),
    ],
)
def test_the_page_says_plainly_what_the_llm_adds(interval, each, said):
    figures = {"macro_f1": float(np.mean(each)), "interval": interval, "each": list(each)}
    assert said in verdict("Here", figures)
