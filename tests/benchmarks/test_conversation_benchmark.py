"""Second turns of a chat are counted against the same window alone."""

import numpy as np
import pytest

from benchmarks.quality.conversation import two_turns
from tests.models import LABELS, small_model
from tests.signals.stores import SPEC, make_windows


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    from sensor2llm.signals.store.store import WindowStore

    windows = make_windows(people=6, each=4, labels=LABELS)
    return WindowStore.write(tmp_path_factory.mktemp("turns") / "store", SPEC, windows, LABELS)


def test_shares_are_of_all_pairs(store):
    found = two_turns(small_model(), store, pairs=5, seed=0)
    assert found["pairs"] == 5
    shares = [value for name, value in found.items() if name != "pairs"]
    assert all(0 <= share <= 1 and (5 * share) % 1 == pytest.approx(0) for share in shares)


def test_a_model_that_says_the_same_always_says_the_first_again(store, monkeypatch):
    model = small_model()
    monkeypatch.setattr(model, "generate", lambda *given, **more: ["walk"])
    monkeypatch.setattr(model, "reply", lambda *given, **more: "walk")
    found = two_turns(model, store, pairs=8, seed=0)
    assert found["second_equals_alone"] == found["first_again"] == 1.0
    assert found["second_right"] == found["alone_right"] < 1


def test_windows_of_a_pair_are_of_different_classes_of_the_test_people(store, monkeypatch):
    model = small_model()
    heard = []
    read = model.features

    def listened(batch):
        if isinstance(batch, list):
            heard.append(batch[0])
        return read(batch)

    monkeypatch.setattr(model, "features", listened)
    two_turns(model, store, pairs=6, seed=1)
    assert len(heard) == 12
    assert all(window.label is None for window in heard)
    assert len({window.subject for window in heard}) < len(np.unique(store.subjects))
