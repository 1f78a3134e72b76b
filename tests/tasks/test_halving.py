"""Memory that runs out costs half a batch's size, once, and not one window."""

import logging
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from sensor2llm.errors import ConfigError
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.batch_split import BatchSplitOnOOM, cut, is_out_of_memory
from sensor2llm.tasks.classification import answer, classify, classify_store, store_batches
from tests.models import LABELS, small_model, windows
from tests.signals.stores import SPEC


class Device:
    """Double numbers, as many at a time as memory holds."""

    def __init__(self, holds, error=torch.OutOfMemoryError):
        self.holds, self.error, self.sizes = holds, error, []

    def __call__(self, numbers):
        self.sizes.append(len(numbers))
        if len(numbers) > self.holds:
            raise self.error("CUDA out of memory. Tried to allocate 20 MiB")
        return [2 * number for number in numbers]


def doubled(device, batches):
    halving = BatchSplitOnOOM()
    return [done for batch in batches for part in halving(device, batch) for done in part]


def test_a_batch_that_fits_is_worked_on_as_it_is(caplog):
    device = Device(holds=8)
    seen = []
    given = list(range(8))
    assert BatchSplitOnOOM()(lambda batch: seen.append(batch) or len(batch), given) == [8]
    assert seen[0] is given
    assert doubled(device, [given, given[:3], []]) == [2 * i for i in (*given, 0, 1, 2)]
    assert device.sizes == [8, 3]
    assert not caplog.records


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
@pytest.mark.parametrize(
    ("sizes", "tried"), [((8, 8, 3), [8, 4, 4, 4, 4, 3]), ((7, 7), [7, 4, 3, 4, 3])]
)
def test_after_running_out_pieces_of_half_the_size_give_all_there_is(error, sizes, tried, caplog):
    batches = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    device = Device(holds=4, error=error)
    with caplog.at_level(logging.WARNING):
        assert doubled(device, batches) == [2 * i for i in range(sum(sizes))]
    assert device.sizes == tried
    told = f"ran out of memory with {sizes[0]} windows at a time; going on with 4"
    assert [record.getMessage() for record in caplog.records] == [f"the device {told}"]


def test_a_later_batch_that_fails_keeps_what_was_done_before():
    device = Device(holds=5)
    assert doubled(device, [[0, 1], [2, 3, 4, 5, 6, 7], [8, 9]]) == [2 * i for i in range(10)]
    assert device.sizes == [2, 6, 3, 3, 2]


def test_running_out_a_second_time_is_one_line_of_advice():
    with pytest.raises(
        ConfigError,
        match="out of memory with 4 windows at a time, though the batch was halved before; "
        "choose a batch_size below 4",
    ):
        doubled(Device(holds=3), [list(range(8))])


def test_a_single_window_cannot_be_halved():
    with pytest.raises(ConfigError, match="out of memory on a single window; take a smaller LLM"):
        doubled(Device(holds=0), [[1]])


def test_any_other_error_goes_through():
    def broken(batch):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        BatchSplitOnOOM()(broken, [1, 2])


def test_what_the_machines_own_allocator_says_is_known():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.int8)
    assert is_out_of_memory(raised.value)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_failed_attempts_tensors_are_gone_before_the_next():
    held = []

    def work(batch):
        assert all(reference() is None for reference in held)
        big = torch.zeros(len(batch))
        held.append(weakref.ref(big))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return len(big)

    assert BatchSplitOnOOM()(work, list(range(4))) == [2, 2]
    assert len(held) == 3


@dataclass
class Nested:
    """A batch around a batch, as batches with questions are."""

    signals: SignalBatch
    asked: tuple[str, ...]
    note: str = "kept"

    def __len__(self):
        return len(self.asked)


def test_a_piece_of_a_batch_has_every_field_of_its_windows():
    signals = SignalBatch(
        signals={"accel": torch.arange(12.0).view(4, 1, 3)},
        present=torch.tensor([[True], [False], [True], [True]]),
        labels=torch.tensor([3, 1, 0, 2]),
        index=torch.arange(4),
    )
    batch = Nested(signals, ("a", "b", "c", "d"))
    piece = cut(batch, 1, 3)
    assert (piece.asked, piece.note, len(piece.signals)) == (("b", "c"), "kept", 2)
    assert torch.equal(piece.signals.signals["accel"], signals.signals["accel"][1:3])
    assert piece.signals.present.tolist() == [[False], [True]]
    assert piece.signals.labels.tolist() == [1, 0]
    assert cut(batch, 0, 9) is batch


@pytest.fixture
def model():
    return small_model()


@pytest.fixture
def store(tmp_path):
    return WindowStore.write(tmp_path / "store", SPEC, windows(10), label_names=LABELS)


def tight(model, name, holds):
    """Let a model's method hold a few windows only; returns the sizes that it was called with."""
    whole, sizes = getattr(model, name), []

    def method(batch, **options):
        sizes.append(len(batch))
        if len(batch) > holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(batch, **options)

    setattr(model, name, method)
    return sizes


def test_windows_are_classified_in_halves(model):
    given = windows(7)
    before = classify(model, given)
    sizes = tight(model, "score", holds=3)
    after = classify(model, given, batch_size=5)
    assert sizes == [5, 3, 2, 2]
    assert [p.start_s for p in after] == [w.start_s for w in given]
    for one, other in zip(before, after, strict=True):
        assert other.probabilities == pytest.approx(one.probabilities, abs=1e-5)


def test_halves_hold_for_the_whole_run(model):
    sizes, halving = tight(model, "score", holds=2), BatchSplitOnOOM()
    for _ in range(2):
        classify(model, windows(4), halving=halving)
    assert sizes == [4, 2, 2, 2, 2]


def test_a_store_is_classified_and_encoded_in_halves(model, store):
    before = classify_store(model, store, range(10))
    sizes = tight(model, "features", holds=4)
    cached = list(store_batches(model, store, range(10), batch_size=6))
    assert [len(batch) for batch in cached] == [3, 3, 3, 1]
    assert sizes == [6, 3, 3, 3, 1]
    # Reading a store encodes as well, and cached features are cut like signals.
    after = classify_store(model, store, range(10), batch_size=8)
    np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-5)
    tight(model, "score", holds=2)
    again = answer(model, cached)
    np.testing.assert_allclose(again.probabilities, before.probabilities, atol=1e-5)


def test_free_answers_are_read_in_halves(model, store):
    before = classify_store(model, store, range(10), by="text")
    sizes = tight(model, "generate", holds=3)
    after = classify_store(model, store, range(10), by="text", batch_size=5)
    assert sizes == [5, 3, 2, 3, 2]
    assert after.texts == before.texts
    assert after.predicted.tolist() == before.predicted.tolist()
