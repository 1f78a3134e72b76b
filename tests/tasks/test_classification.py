"""Classification: labels by score and by free answers."""

import numpy as np
import pytest
import torch

from sensor2llm.errors import ConfigError, DataError, SpecError
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.conversion import convert_windows
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import (
    Answered,
    answer,
    classify,
    classify_store,
    parse_label,
    predictions,
    store_batches,
)
from sensor2llm.tasks.metrics import measure
from tests.models import LABELS, small_model, windows
from tests.signals.stores import FOREIGN, SPEC, make_foreign


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture
def store(tmp_path):
    return WindowStore.write(tmp_path / "store", SPEC, windows(12), label_names=LABELS[::-1])


def test_each_window_gets_probabilities_its_start_and_its_subject(model):
    given = windows(5)
    found = classify(model, given, batch_size=2)
    expected = model.score(given)
    for i, prediction in enumerate(found):
        assert list(prediction.probabilities) == list(LABELS)
        assert sum(prediction.probabilities.values()) == pytest.approx(1)
        assert prediction.label == LABELS[int(expected[i].argmax())]
        assert prediction.probabilities[prediction.label] == pytest.approx(float(expected[i].max()))
        assert (prediction.start_s, prediction.subject) == (given[i].start_s, given[i].subject)
    assert classify(model, []) == []


def test_windows_are_classified_whatever_their_own_label_says(model):
    window = Window(windows(1)[0].signals, label="flying")
    assert classify(model, [window])[0].label in LABELS
    with pytest.raises(SpecError, match="unknown modality 'nose'"):
        classify(model, [Window({"nose": np.zeros((1, 4))})])


def test_windows_of_another_spec_are_heard_in_the_adapters(model):
    given = list(make_foreign(people=1))
    found = classify(model, given, spec=FOREIGN)
    expected = classify(model, list(convert_windows(given, FOREIGN, SPEC)))
    assert found == expected
    assert [p.start_s for p in found] == [w.start_s + 0.5 for w in given]
    assert classify(model, windows(5), spec=SPEC) == classify(model, windows(5))
    with pytest.raises(SpecError, match=r"of shape \(3, 48\), the spec expects \(3, 16\)"):
        classify(model, given)


def test_a_store_of_another_spec_gives_what_its_windows_give(model, tmp_path, caplog):
    store = WindowStore.write(tmp_path / "s", FOREIGN, make_foreign(labels=LABELS))
    rows = np.array([41, 1, 8])
    with caplog.at_level("INFO"):
        found = predictions(model, store, rows, batch_size=2)
    assert sum("is converted to what is expected" in text for text in caplog.messages) == 1
    given = [store[int(i)] for i in rows]
    expected = classify(model, given, spec=FOREIGN)
    shares = [list(p.probabilities.values()) for p in expected]
    np.testing.assert_allclose(found.probabilities, shares, atol=1e-5)
    assert [LABELS[i] for i in found.true] == [w.label for w in given]
    assert found.subjects.tolist() == ["s6", "s1", "s2"]
    assert found.starts.tolist() == [p.start_s for p in expected]
    assert found.index.tolist() == rows.tolist()


def test_a_store_gives_what_its_windows_give(model, store):
    rows = np.array([7, 0, 3])
    found = classify_store(model, store, rows, batch_size=2)
    expected = model.score([store[int(i)] for i in rows]).numpy()
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert found.predicted.tolist() == expected.argmax(1).tolist()
    assert found.unparsed_rate == 0.0
    assert classify_store(model, store, []).probabilities.shape == (0, len(LABELS))


def test_cached_features_give_what_the_store_gives(model, store):
    cached = list(store_batches(model, store, range(12), batch_size=5))
    assert [len(batch) for batch in cached] == [5, 5, 2]
    assert not any(batch.steps.requires_grad for batch in cached)
    labels = torch.cat([batch.labels for batch in cached])
    assert [LABELS[i] for i in labels] == [store[i].label for i in range(12)]
    again = answer(model, iter(cached))
    expected = classify_store(model, store, range(12))
    np.testing.assert_allclose(again.probabilities, expected.probabilities, atol=1e-5)


def test_predictions_bring_truth_subjects_and_starts(model, store):
    found = predictions(model, store, [2, 9])
    assert [LABELS[i] for i in found.true] == [store[2].label, store[9].label]
    assert found.subjects.tolist() == [store[2].subject, store[9].subject]
    assert found.starts.tolist() == [store[2].start_s, store[9].start_s]
    assert 0 <= measure(found).accuracy <= 1


def test_a_window_without_a_label_cannot_be_judged(model, tmp_path):
    unlabelled = [Window(w.signals, subject="s1") for w in windows(2)]
    store = WindowStore.write(tmp_path / "bare", SPEC, unlabelled, label_names=LABELS)
    with pytest.raises(DataError, match="2 of 2 windows have no label"):
        predictions(model, store, [0, 1])
    assert len(classify_store(model, store, [0, 1]).predicted) == 2


def test_free_answers_are_read_and_the_unparsed_are_counted(model, store, monkeypatch):
    said = iter([["Walk.", "walk  upstairs"], ["no idea"]])
    monkeypatch.setattr(type(model), "generate", lambda *_a, **_k: next(said))
    found = classify_store(model, store, [0, 1, 2], by="text", batch_size=2)
    assert found.predicted.tolist() == [1, 2, -1]
    assert found.texts == ("Walk.", "walk  upstairs", "no idea")
    assert found.unparsed_rate == pytest.approx(1 / 3)
    assert found.probabilities is None


def test_an_untrained_llm_answers_something_else(model, store):
    found = classify_store(model, store, [0, 1], by="text")
    assert set(found.predicted.tolist()) <= {-1, *range(len(LABELS))}
    assert len(found.texts) == 2


@pytest.mark.parametrize(
    ("text", "label"),
    [("walk", 1), (" WALK. ", 1), ("walk upstairs", 2), ("walk upstairs now", -1), ("", -1)],
)
def test_only_a_whole_label_is_a_label(text, label):
    assert parse_label(text, LABELS) == label


def test_no_answers_have_no_unparsed_rate():
    assert Answered(np.zeros(0, dtype=np.int64)).unparsed_rate == 0.0


def test_wrong_options_are_said(model, store):
    with pytest.raises(ConfigError, match="unknown way 'guess' to classify; choose from score"):
        classify_store(model, store, [0], by="guess")
    with pytest.raises(ConfigError, match="batch_size must be positive, got 0"):
        classify(model, windows(1), batch_size=0)
