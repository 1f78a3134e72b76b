"""Label words that training never says: the list, how they are drawn, scored and matched."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from snowballstemmer import stemmer

from research.llm_ablation.judged import without_predictions
from research.llm_ablation.label_words import FILE, UNSEEN, LabelWords
from research.llm_ablation.matching import by_embedding, by_spelling, by_text, said_with
from research.llm_ablation.table import report
from research.llm_ablation.training import RANDOM, TRAINED, Bench
from research.llm_ablation.word_scores import PRIORS, Scored, score_words, with_words
from research.llm_ablation.word_training import MatchedWords, NamedSignals
from research.llm_ablation.words import PROMPT, WordsPart
from sensor2llm.errors import ConfigError

PARTICLES = {"a", "the", "on", "in", "of", "to", "and", "at", "with", "by", "from", "for", "off"}
LABELS = yaml.safe_load(FILE.read_text())["uci_har"]


@pytest.fixture(scope="module")
def words(bench) -> LabelWords:
    names = bench.store.label_names
    return LabelWords(
        names,
        tuple((name, f"{name} now") for name in names),
        tuple((f"first {i}", f"second {i}") for i in range(len(names))),
    )


def stems(words) -> set[str]:
    """Give the stems of all words but particles: "seated" is no new word beside "a seat"."""
    parts = {part for word in words for part in word.split()} - PARTICLES
    return set(stemmer("english").stemWords(sorted(parts)))


@pytest.mark.parametrize("judges", UNSEEN)
def test_unseen_words_are_no_other_forms_of_training_words(judges):
    words = LabelWords.load("uci_har", list(LABELS), judges)
    trained = {word for label in words.train for word in label}
    assert not stems(word for label in words.unseen for word in label) & stems(trained)
    assert [label[0] for label in words.train] == list(LABELS)


def test_words_that_choose_are_none_of_those_that_judge():
    chosen, judged = (
        {word for label in LABELS.values() for word in label[part]} for part in UNSEEN.values()
    )
    assert not stems(chosen) & stems(judged)
    assert stems(["seated", "the steps"]) == stems(["a seat", "stepping"])


@pytest.mark.parametrize(
    ("train", "unseen", "message"),
    [
        ((("a",), ("b",)), (("a",), ("c",)), "label words must differ; 'a' stands there twice"),
        ((("a",), ("b",)), (("c",), ("d", "e")), "equally many unseen words, got {'a': 1, 'b'"),
        ((("a",), ("b",)), ((), ()), "every label needs equally many unseen words"),
    ],
)
def test_words_that_cannot_be_judged_are_refused(train, unseen, message):
    with pytest.raises(ConfigError, match=message):
        LabelWords(("a", "b"), train, unseen)


def test_data_sets_and_labels_without_words_are_named():
    with pytest.raises(ConfigError, match="no label words for 'nowhere' in label_words"):
        LabelWords.load("nowhere", ["walking"], "test")
    with pytest.raises(ConfigError, match="no words for 'flying' of 'uci_har'; add them"):
        LabelWords.load("uci_har", ["walking", "flying"], "test")


def test_a_set_has_one_unseen_word_of_every_label(words):
    assert words.sets[1] == tuple(f"second {i}" for i in range(len(words.names)))
    assert len(words.sets) == 2


@pytest.fixture
def model(bench):
    return bench.untrained(TRAINED, prompt=str(PROMPT), objective="answer")


@torch.no_grad()
def test_signal_tokens_are_measured_from_the_vectors_of_their_labels_name(bench, model):
    naming, batch = NamedSignals(model).eval(), bench.rows("train").batch(np.arange(4))
    llm, heard = model.llm, model.adapter.signal_vectors(batch)
    names = [model.adapter.label_names[label] for label in batch.labels]
    ids = [llm.encode(f" {name}") for name in names]
    named = llm.embed(torch.tensor([(row * 2)[:2] for row in ids]))
    expected = ((heard - named) / llm.embedding_std).square().mean((1, 2)).sum()
    torch.testing.assert_close(naming(batch).total, expected)


@torch.no_grad()
def test_a_word_has_to_find_a_window_of_its_label(bench, words, model):
    batch = bench.rows("train").batch(np.arange(10))
    matching = MatchedWords(model, words.train).eval()
    present = batch.labels.unique().tolist()
    assert len(present) > 1
    losses = []
    for label in present:
        scores = with_words(model, words.train[label]).log_likelihoods(batch).softmax(0)
        losses += scores[batch.labels == label].sum(0).log().neg().tolist()
    step = matching(batch, torch.Generator().manual_seed(0))
    assert float(step.total / step.weight) == pytest.approx(np.mean(losses), abs=1e-3)
    assert {name for name, _ in matching.named_parameters()} == {
        f"model.{name}" for name, _ in model.named_parameters()
    }


def test_each_step_draws_some_of_many_words(bench, model, words, monkeypatch):
    monkeypatch.setattr("research.llm_ablation.word_training.WORDS", 1)
    batch = bench.rows("train").batch(np.arange(10))
    matching = MatchedWords(model, words.train).eval()
    steps = [matching(batch, torch.Generator().manual_seed(n)).total.item() for n in range(6)]
    assert len(set(steps)) > 2


def test_words_are_scored_as_labels_of_that_name_would_be(bench, words):
    model = bench.untrained(TRAINED).eval()
    rows = bench.rows("test"), bench.rows("train")
    every = [word for chosen in words.sets for word in chosen]
    count = len(words.names)
    together = score_words(model, every, *rows).words(range(count, 2 * count))
    alone = score_words(model, words.sets[1], *rows)
    np.testing.assert_allclose(together.judged, alone.judged, atol=1e-3)
    assert model.adapter.label_names == bench.store.label_names


def test_what_is_taken_off_a_word_needs_no_label():
    train = np.log(np.array([[0.5, 0.5], [0.1, 0.9]]))
    scored = Scored(np.log([[0.4, 0.6]]), train)
    assert PRIORS["training windows"](scored) == pytest.approx(train.mean(0))
    assert PRIORS["mean probability"](scored) == pytest.approx(np.log([0.3, 0.7]))
    assert scored.predict("none").tolist() == [1]
    assert scored.predict("mean probability").tolist() == [0]


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
    figures = WordsPart(bench, words, tmp_path).run()
    assert set(figures["runs"][TRAINED]["by_prior"]) == set(PRIORS)
    assert len(figures["runs"][RANDOM]["unseen"]) == len(words.sets)
    again = WordsPart(replace_llms(bench), words, tmp_path).run()
    assert json.dumps(without_predictions(again)) == json.dumps(without_predictions(figures))
    page = report({"tiny": {"words": again}})
    assert "| random-weight LLM | " in page
    assert "20 points were wished: " in page


def test_other_judges_meet_the_bridge_that_was_trained(bench, words, tmp_path, monkeypatch):
    WordsPart(bench, words, tmp_path).run()
    monkeypatch.setattr("research.llm_ablation.words.train", None)
    part = WordsPart(replace(bench, judges="validation"), words, tmp_path)
    judged = part.run()["runs"][TRAINED]
    assert judged["own"]["subjects"] == len(set(bench.subjects("validation").tolist()))


def replace_llms(bench: Bench) -> Bench:
    """Give the same data set without its LLMs: whoever trained again would fail."""
    again = Bench(bench.recipe, bench.store, bench.split, bench.heard, bench.windows)
    again.__dict__["llms"] = {}
    return again
