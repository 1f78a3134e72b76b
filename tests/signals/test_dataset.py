"""Batches: equal to single windows, normalised where present, zeros where absent, repeatable."""

import numpy as np
import pytest
import torch

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.dataset import WindowDataset, collate_windows
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.transforms import fit_normaliser
from sensor2llm.signals.window import Window
from tests.signals.stores import SPEC, make_windows


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return WindowStore.write(tmp_path_factory.mktemp("data") / "store", SPEC, make_windows())


@pytest.fixture(scope="module")
def normaliser(store):
    return fit_normaliser(store, np.arange(24))


def assert_equal(one, other):
    for name in SPEC.names:
        torch.testing.assert_close(one.signals[name], other.signals[name])
    assert torch.equal(one.present, other.present)
    assert torch.equal(one.labels, other.labels)


def test_a_batch_equals_the_collated_windows(store, normaliser):
    dataset = WindowDataset(store, np.arange(8, 40), normaliser)
    batch = dataset.batch([5, 0, 1])
    windows = [store[i] for i in (13, 8, 9)]
    assert_equal(batch, collate_windows(windows, SPEC, normaliser, store.label_names))
    assert batch.index.tolist() == [13, 8, 9]


def test_shapes_types_and_presence(store):
    batch = WindowDataset(store, [0, 1]).batch([0, 1])
    assert {n: tuple(v.shape) for n, v in batch.signals.items()} == {
        "accel": (2, 3, 16), "rr": (2, 1, 5), "person": (2, 2, 1)}  # fmt: skip
    assert all(v.dtype == torch.float32 for v in batch.signals.values())
    assert batch.present.tolist() == [[True, True, True], [False, True, True]]
    assert batch.labels.dtype == batch.index.dtype == torch.int64
    assert len(batch.to("cpu")) == 2


def test_absent_rows_stay_zero_after_normalisation(store, normaliser):
    batch = WindowDataset(store, np.arange(48), normaliser).batch(np.arange(48))
    for column, name in enumerate(SPEC.names):
        absent = ~batch.present[:, column]
        assert absent.any()
        assert (batch.signals[name][absent] == 0).all()
        assert (batch.signals[name][~absent] != 0).all()


@pytest.mark.parametrize("without", [("rr",), ["person", "accel"], {"accel"}])
def test_what_is_left_out_is_as_if_it_had_never_been_recorded(store, normaliser, without, tmp_path):
    """A store of the same windows less these modalities; a window may be left with nothing."""
    kept = [
        Window({k: v for k, v in w.signals.items() if k not in without}, w.subject, w.label)
        for w in store
    ]
    some = [row for row, window in enumerate(kept) if window.signals]
    bare = WindowStore.write(tmp_path / "bare", SPEC, [kept[row] for row in some])
    rows = np.arange(len(some))
    found = WindowDataset(store, some, normaliser, without).batch(rows)
    assert_equal(found, WindowDataset(bare, rows, normaliser).batch(rows))
    for name in without:
        assert not found.present[:, SPEC.names.index(name)].any()
    whole = WindowDataset(store, some, normaliser).batch(rows)
    for name in set(SPEC.names) - set(without):
        assert torch.equal(found.signals[name], whole.signals[name])


def test_leaving_out_changes_neither_the_store_nor_other_data_sets(store):
    before = WindowDataset(store, np.arange(8)).batch(range(8))
    nothing = WindowDataset(store, np.arange(8), without=SPEC.names).batch(range(8))
    assert not nothing.present.any()
    assert not any(values.any() for values in nothing.signals.values())
    assert_equal(WindowDataset(store, np.arange(8), without=()).batch(range(8)), before)


def test_an_unknown_modality_cannot_be_left_out(store):
    with pytest.raises(SpecError, match="unknown modality 'gyro'; the spec has accel, rr, person"):
        WindowDataset(store, [0], without=["gyro"])


def test_collate_refuses_what_does_not_fit(store):
    with pytest.raises(SpecError, match="unknown modality"):
        collate_windows([Window({"gyro": np.zeros((3, 16))})], SPEC, None)
    with pytest.raises(DataError, match="unknown label 'fly'; the labels are rest, walk"):
        collate_windows(
            [Window({"rr": np.zeros((1, 5))}, label="fly")], SPEC, None, ["rest", "walk"]
        )
    assert collate_windows([store[0]], SPEC, None).labels.tolist() == [-1]
