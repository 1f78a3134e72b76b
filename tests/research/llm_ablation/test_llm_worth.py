"""What the LLM is worth: words, sources, scores, matching, shots, questions, joint, the page."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from research.llm_ablation.__main__ import SETS
from research.llm_ablation.drawn_words import DrawnWords, WordSet, draw_sets
from research.llm_ablation.joint import ANY, JointPart, Together, labelled_among, write_joined
from research.llm_ablation.judged import difference, kept, said_of, without_predictions
from research.llm_ablation.label_words import FILE, LabelWords
from research.llm_ablation.matching import by_embedding, by_spelling, by_text, said_with
from research.llm_ablation.questions import HELD_TEMPLATES, QuestionsPart
from research.llm_ablation.shots import ShotsPart
from research.llm_ablation.table import report, verdict
from research.llm_ablation.training import RANDOM, TRAINED, Bench
from research.llm_ablation.word_scores import PRIORS, Scored, score_words, with_words
from research.llm_ablation.words import LISTED_PROMPT, WordsPart
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.joined import join_encoders
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.evaluation.evaluation import evaluate_adapter
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.encoder import LoadedEncoder
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.normalise import merge
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.transforms import fit_normaliser
from sensor2llm.tasks.metrics import paired_difference
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder

LOOP = LoopConfig(epochs=2, steps=2, batch_size=8, learning_rate=1e-2, precision="float32")
PARTICLES = {"a", "the", "on", "in", "of", "to", "and", "at", "with", "by", "from", "for"}


@pytest.fixture(scope="module")
def benches(tmp_path_factory) -> dict[str, Bench]:
    """Give two data sets of simulated people whose sensors and labels differ."""
    folder = tmp_path_factory.mktemp("worth")
    found = {}
    for name, scenario, bout_s in (("moves", "activity", 15), ("feels", "rhythm", 150)):
        config = SimulationConfig(scenario=scenario, subjects=6, sessions=1, bout_s=bout_s)
        store = simulate_store(folder / f"{name}-store", config)
        recipe = Recipe(
            data=store.path,
            split=SplitConfig(kind="subject", test_share=0.4),
            llm=str(tiny_folder("llama")),
            llm_dtype="float32",
            projector=ProjectorConfig(tokens=2, hidden=16),
            objective="labels",
            loop=LOOP,
            out=folder / name,
        )
        split = make_split(store, recipe.split)
        torch.manual_seed(0)
        encoder = SignalEncoder(store.spec, EncoderConfig(width=8, pooled_steps=4)).eval()
        heard = LoadedEncoder(encoder, fit_normaliser(store, split.train))
        found[name] = Bench(recipe, store, split, heard, windows=12)
    return found


@pytest.fixture(scope="module")
def bench(benches) -> Bench:
    return benches["moves"]


@pytest.fixture(scope="module")
def words(bench) -> LabelWords:
    names = bench.store.label_names
    return LabelWords(
        names,
        tuple((name, f"{name} now") for name in names),
        tuple((f"first {i}", f"second {i}") for i in range(len(names))),
    )


@pytest.mark.parametrize("data_set", list(yaml.safe_load(FILE.read_text())))
def test_held_out_words_share_no_word_with_training(data_set):
    names = list(yaml.safe_load(FILE.read_text())[data_set])
    words = LabelWords.load(data_set, names)
    trained = {part for known in words.train for word in known for part in word.split()}
    held = {part for known in words.held_out for word in known for part in word.split()}
    assert not (held & trained) - PARTICLES
    assert [known[0] for known in words.train] == names


def test_every_data_set_of_the_benchmark_has_words():
    assert set(SETS) <= set(yaml.safe_load(FILE.read_text()))


@pytest.mark.parametrize(
    ("train", "held_out", "message"),
    [
        ((("a",), ("b",)), (("a",), ("c",)), "label words must differ; 'a' stands there twice"),
        ((("a",), ("b",)), (("c",), ("d", "e")), "equally many held-out words, got {'a': 1, 'b'"),
        ((("a",), ("b",)), ((), ()), "every label needs equally many held-out words"),
    ],
)
def test_words_that_cannot_be_judged_are_refused(train, held_out, message):
    with pytest.raises(ConfigError, match=message):
        LabelWords(("a", "b"), train, held_out)


def test_data_sets_and_labels_without_words_are_named():
    with pytest.raises(ConfigError, match="no label words for 'nowhere' in label_words"):
        LabelWords.load("nowhere", ["walking"])
    with pytest.raises(ConfigError, match="no words for 'flying' of 'uci_har'; add them"):
        LabelWords.load("uci_har", ["walking", "flying"])


def test_a_set_has_one_held_out_word_of_every_label(words):
    assert words.sets[1] == tuple(f"second {i}" for i in range(len(words.names)))
    assert len(words.sets) == 2


def test_drawn_sets_call_every_label_by_a_training_word(words):
    sets = draw_sets(words, 12, shuffled=True, seed=0)
    for chosen in sets:
        assert all(
            chosen.words[p] in known for p, known in zip(chosen.places, words.train, strict=True)
        )
    assert {sets[0].words[place] for place in sets[0].places} == set(words.names)
    assert len({chosen.words for chosen in sets}) > 8
    assert draw_sets(words, 2, shuffled=False, seed=0)[0] == WordSet.of(words.names)


def test_a_step_by_drawn_words_is_a_step_of_a_model_with_these_labels(bench, words):
    model = bench.untrained(TRAINED)
    chosen = draw_sets(words, 2, shuffled=True, seed=1)[1]
    drawn = DrawnWords(model, [chosen], objective="labels").eval()
    batch = bench.rows("train").batch(np.arange(6))
    expected = -torch.log(
        with_words(model, [chosen.words[place] for place in chosen.places])
        .score(batch)
        .gather(1, batch.labels[:, None])
    ).sum()
    torch.testing.assert_close(drawn(batch).total, expected, atol=1e-3, rtol=1e-4)
    names = {name for name, _ in drawn.named_parameters()}
    assert names == {f"model.{name}" for name, _ in model.named_parameters()}


def test_words_are_scored_as_labels_of_that_name_would_be(bench, words):
    model = bench.untrained(TRAINED).eval()
    rows = bench.rows("test"), bench.rows("train")
    every = [word for chosen in words.sets for word in chosen]
    count = len(words.names)
    together = score_words(model, every, *rows, np.zeros(2 * count))
    alone = score_words(model, words.sets[1], *rows, np.zeros(count))
    torch.testing.assert_close(
        torch.from_numpy(together.words(range(count, 2 * count)).test),
        torch.from_numpy(alone.test),
        atol=1e-3,
        rtol=0,
    )
    assert model.adapter.label_names == bench.store.label_names


def test_a_prompt_that_lists_labels_lists_the_new_words(bench, words):
    model = bench.untrained(TRAINED, prompt=str(LISTED_PROMPT))
    assert ", ".join(words.sets[0]) in with_words(model, words.sets[0]).prompting.text()


def test_what_is_taken_off_a_word_needs_no_label():
    train = np.log(np.array([[0.5, 0.5], [0.1, 0.9]]))
    scored = Scored(np.log([[0.4, 0.6]]), train, np.log([0.3, 0.7]), np.log([0.2, 0.8]))
    assert PRIORS["training windows"](scored) == pytest.approx(train.mean(0))
    assert PRIORS["mean probability"](scored) == pytest.approx(np.log([0.3, 0.7]))
    assert PRIORS["before training"](scored) == pytest.approx(np.log([0.3, 0.7]))
    assert PRIORS["silence"](scored) == pytest.approx(np.log([0.2, 0.8]))
    assert scored.predict("none").tolist() == [1]
    assert scored.predict("silence").tolist() == [0]


def test_matchers_find_words_that_are_spelled_alike(bench, words):
    new = [f"{name} now!" for name in words.names]
    own = np.arange(len(new))
    assert by_spelling(new, words).tolist() == own.tolist()
    llm = bench.llms[TRAINED]
    assert by_embedding(llm, [known[1] for known in words.train], words).tolist() == own.tolist()
    assert by_text(llm, new, words.names).shape == own.shape


def test_a_probe_says_the_word_that_its_label_is_matched_to():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    assert said_with(probabilities, np.array([2, 2, 0])).tolist() == [2, 0]


def test_the_words_part_runs_and_goes_on_without_training_again(bench, words, tmp_path):
    part = WordsPart(bench, words, tmp_path)
    found = part.run()
    assert set(found["runs"]["listed"][TRAINED]["by_prior"]) == set(PRIORS)
    assert len(found["runs"]["own"][RANDOM]["unseen"]) == len(words.sets)
    again = WordsPart(replace_llms(bench), words, tmp_path).run()
    assert json.dumps(without_predictions(again)) == json.dumps(without_predictions(found))
    page = report({"words": again})
    assert "random-weight LLM, trained on several words a label" in page
    assert "20 points were wished: " in page


def replace_llms(bench: Bench) -> Bench:
    """Give the same data set without its LLMs: whoever trained again would fail."""
    again = Bench(bench.recipe, bench.store, bench.split, bench.heard, bench.windows)
    again.__dict__["llms"] = {}
    return again


def test_shots_fit_every_method_to_the_same_windows(bench, tmp_path):
    part = ShotsPart(bench, (0,), tmp_path)
    found = part.run()
    assert set(found["shots"]) == {"1", "5"}
    seen = json.loads((tmp_path / f"5-{TRAINED.replace(' ', '_')}-seed0" / "run.json").read_text())
    labels = np.asarray(bench.labels("train"))[seen["windows"]]
    assert np.unique(labels, return_counts=True)[1].max() <= 5
    other = json.loads((tmp_path / f"5-{RANDOM.replace(' ', '_')}-seed0" / "run.json").read_text())
    assert other["windows"] == seen["windows"]
    assert "1 a class, against the probe: the LLM" in report({"shots": found})


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
    assert "Held-out templates: " in report({"questions": found})


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
    assert steps == [len(together.benches) * LOOP.steps] * 2
    part = found["data_sets"]["feels-store"]
    assert [run["cost"]["steps"] for run in part["one each"][TRAINED]] == [LOOP.steps] * 2
    assert len(part["differences"][RANDOM]["each"]) == 1
    page = report({"joint": found})
    assert "points behind its own." in page
    assert "| feels-store | random-weight LLM, 1 seed | " in page
    model = SensorLanguageModel(
        SensorAdapter.load(tmp_path / "all-bundled_LLM-adapter"), together.bench.llms[TRAINED]
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


def test_the_listed_prompt_is_a_template():
    template = PromptTemplate.load(LISTED_PROMPT)
    assert "labels" in template.uses("encoded")
    assert Path(LISTED_PROMPT).is_file()
