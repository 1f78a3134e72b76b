"""What an adapter trains on: tasks mixed by weights, by a seed and the epoch alone."""

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from sensor2llm.adapter.batches import FeatureBatch, Request, RequestBatch
from sensor2llm.adapter.request_table import RequestTable
from sensor2llm.errors import DataError
from sensor2llm.recipes.sources import BatchSource, hide
from sensor2llm.recipes.task import AdapterTask, judge_labels
from sensor2llm.signals.dataset import collate_windows
from tests.models import LABELS, windows
from tests.signals.stores import SPEC

MODALITIES = 3


class Rows:
    """Give features whose steps say which row they are of."""

    def __init__(self, count: int) -> None:
        self.labels = np.arange(count) % 3

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: np.ndarray) -> FeatureBatch:
        steps = torch.from_numpy(rows).float()[:, None, None, None].expand(-1, MODALITIES, 1, 1)
        present = torch.ones(len(rows), MODALITIES, dtype=torch.bool)
        return FeatureBatch(torch.from_numpy(self.labels[rows]), steps, present)


class SignalRows:
    """Give signals that still have to be encoded."""

    def __init__(self) -> None:
        self.windows = windows()
        self.labels = np.array([LABELS.index(w.label) for w in self.windows])

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, rows: np.ndarray):
        return collate_windows([self.windows[i] for i in rows], SPEC, None, LABELS)


def questions(count: int, weight: float = 1.0, task: str = "question_answering", **options):
    """Give items that ask about windows in reverse order."""
    asked = RequestTable.build(Request(task, {"question": f"{i}?"}, f"{i}") for i in range(count))
    return BatchSource(Rows(count), np.arange(count)[::-1].copy(), task, weight, asked, **options)


def task_of(*sources: BatchSource, batch_size: int = 8, seed: int = 3, **options) -> AdapterTask:
    model = SimpleNamespace(llm=SimpleNamespace(device=torch.device("cpu")))
    return AdapterTask(cast(Any, model), sources, sources, batch_size, seed, **options)


def owners(task: AdapterTask, batch: np.ndarray) -> set[int]:
    return set((np.searchsorted(task.first, batch, side="right") - 1).tolist())


def test_one_task_alone_is_a_permutation_by_seed_and_epoch():
    task = task_of(BatchSource.of_labels(Rows(43)))
    for epoch in (0, 1, 5):
        order = np.random.default_rng([3, epoch]).permutation(43)[:40]
        assert np.concatenate(task.batches(epoch)).tolist() == order.tolist()
        assert [len(batch) for batch in task.batches(epoch)] == [8] * 5


def test_a_batch_is_of_one_task_and_batches_follow_the_weights():
    task = task_of(BatchSource.of_labels(Rows(43), 1.0), questions(24, 2.0), questions(16, 0.4))
    found = task.batches(0)
    assert all(len(owners(task, batch)) == 1 for batch in found)
    counts = Counter(owners(task, batch).pop() for batch in found)
    assert counts == {0: 5, 1: 10, 2: 2}
    # Mixed, not task after task.
    assert [owners(task, batch).pop() for batch in found] != sorted([0] * 5 + [1] * 10 + [2] * 2)


def test_the_first_tasks_items_come_once_an_epoch():
    task = task_of(BatchSource.of_labels(Rows(43)), questions(24))
    own = np.concatenate([batch for batch in task.batches(2) if owners(task, batch) == {0}])
    assert len(set(own.tolist())) == len(own) == 40


def test_another_tasks_items_come_again_once_all_have_come():
    task = task_of(BatchSource.of_labels(Rows(40)), questions(12, 2.0))
    drawn = [batch for batch in task.batches(0) if owners(task, batch) == {1}]
    counts = Counter((np.concatenate(drawn) - 40).tolist())
    assert set(counts) == set(range(12))
    assert set(counts.values()) == {6, 7}  # 80 draws of 12 items.


def test_a_task_with_fewer_items_than_a_batch_gives_all_it_has():
    task = task_of(BatchSource.of_labels(Rows(40)), questions(5))
    drawn = [batch for batch in task.batches(0) if owners(task, batch) == {1}]
    assert [sorted((batch - 40).tolist()) for batch in drawn] == [[0, 1, 2, 3, 4]] * 5
    alone = task_of(questions(5))
    assert [sorted(batch.tolist()) for batch in alone.batches(0)] == [[0, 1, 2, 3, 4]]


def test_a_weight_too_small_for_a_batch_gives_none():
    task = task_of(BatchSource.of_labels(Rows(40)), questions(24, 0.01))
    assert all(owners(task, batch) == {0} for batch in task.batches(0))


def test_an_epoch_follows_from_the_epoch_alone():
    sources = (BatchSource.of_labels(Rows(43)), questions(24, 2.0))
    first, second = task_of(*sources), task_of(*sources)
    for epoch in range(3):
        first.batches(epoch)
    found, again = first.batches(3), second.batches(3)
    assert [batch.tolist() for batch in found] == [batch.tolist() for batch in again]
    assert [b.tolist() for b in first.batches(4)] != [b.tolist() for b in again]
    other = task_of(*sources, seed=4)
    assert [b.tolist() for b in other.batches(3)] != [b.tolist() for b in again]


def test_a_batch_holds_its_tasks_windows_and_what_each_is_asked():
    task = task_of(BatchSource.of_labels(Rows(40)), questions(24))
    for batch in task.batches(0):
        read = task.collate(batch)
        if owners(task, batch) == {0}:
            assert read.requests is None
            assert read.steps[:, 0, 0, 0].tolist() == batch.tolist()
        else:
            items = batch - 40
            assert read.steps[:, 0, 0, 0].tolist() == (23 - items).tolist()
            assert [asked.answer for asked in read.requests] == [str(i) for i in items]


def hidden_of(task: AdapterTask, epoch: int, rows: np.ndarray) -> list[list[bool]]:
    task.batches(epoch)
    return (~task.collate(rows).present).tolist()


def test_modality_dropout_repeats_by_seed_and_epoch():
    rows = np.arange(30)
    options: dict[str, Any] = {"batch_size": 30, "modality_dropout": 0.5}
    task = task_of(BatchSource.of_labels(Rows(40)), **options)
    first = hidden_of(task, 0, rows)
    assert 0.2 < np.mean(first) < 0.5
    assert hidden_of(task_of(BatchSource.of_labels(Rows(40)), **options), 0, rows) == first
    assert hidden_of(task, 1, rows) != first
    assert hidden_of(task, 0, rows) == first
    assert hidden_of(task_of(BatchSource.of_labels(Rows(40)), seed=4, **options), 0, rows) != first
    assert not np.any(hidden_of(task_of(BatchSource.of_labels(Rows(40)), batch_size=30), 0, rows))


@pytest.mark.parametrize("name", ["question_answering", "captioning"])
def test_what_is_asked_about_is_never_dropped(name):
    task = task_of(questions(30, task=name), batch_size=30, modality_dropout=0.9)
    assert not np.any(hidden_of(task, 0, np.arange(30)))
    other = task_of(questions(30, task="regression"), batch_size=30, modality_dropout=0.9)
    assert np.any(hidden_of(other, 0, np.arange(30)))


def test_what_an_item_lacks_is_hidden_in_training_and_in_validation():
    hidden = np.random.default_rng(0).random((24, MODALITIES)) < 0.3
    source = questions(24, hidden=hidden)
    items = np.array([5, 0, 17])
    for generator in (None, np.random.default_rng(0)):
        assert torch.equal(~source.batch(items, generator).present, torch.from_numpy(hidden[items]))


def test_training_draws_a_way_to_ask_and_measuring_takes_the_first():
    for source in (questions(24, paraphrases=3), BatchSource.of_labels(Rows(24), paraphrases=3)):
        task, rows = task_of(source, batch_size=24), np.arange(24)
        task.batches(0)
        drawn = [asked.paraphrase for asked in task.collate(rows).requests]
        assert set(drawn) == {0, 1, 2}
        task.batches(1)
        assert [asked.paraphrase for asked in task.collate(rows).requests] != drawn
        task.batches(0)
        assert [asked.paraphrase for asked in task.collate(rows).requests] == drawn
        measured = source.batch(rows).requests
        assert measured is None or {asked.paraphrase for asked in measured} == {0}
    assert all(part.requests is None for part in task.prior_batches())


def test_signals_are_asked_and_hidden_as_features_are():
    rows = SignalRows()
    asked = RequestTable.build(Request("captioning", answer=str(i)) for i in range(len(rows)))
    hidden = np.zeros((len(rows), 3), dtype=bool)
    hidden[2, 0] = True
    source = BatchSource(rows, np.arange(len(rows)), "captioning", 1.0, asked, hidden)
    found = source.batch(np.array([2, 5]))
    assert isinstance(found, RequestBatch)
    assert found.requests == (asked[2], asked[5])
    assert not found.signals.present[0, 0]
    assert not found.signals.signals["accel"][0].any()
    labelled = BatchSource.of_labels(rows).batch(np.array([0, 4]))
    assert labelled.labels.tolist() == rows.labels[[0, 4]].tolist()
    gone = torch.zeros(2, 3, dtype=torch.bool)
    gone[:, 2] = True
    assert not hide(labelled, gone).present[:, 2].any()


def test_validation_is_the_mean_of_the_tasks_scores_by_their_weights():
    sources = (BatchSource.of_labels(Rows(8), 1.0), questions(4, 3.0))
    judges = {
        "classification": lambda model, source: {"score": 0.2, "macro_f1": 0.2},
        "question_answering": lambda model, source: {"score": 0.6, "asked": float(len(source))},
    }
    found = task_of(*sources, judges=judges).validate()
    assert found.score == pytest.approx((0.2 + 3 * 0.6) / 4)
    assert found.metrics == {"validation_macro_f1": 0.2, "validation_asked": 4.0}
    task = task_of(*sources, judges=judges)
    task.validation = []
    assert task.validate() is None


def test_labels_are_judged_by_macro_f1_and_the_right_labels_likelihood():
    chances = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    chances /= chances.sum(1, keepdim=True)

    def score(batch):
        return chances[batch.steps[:, 0, 0, 0].long()]

    model = SimpleNamespace(llm=SimpleNamespace(device=torch.device("cpu")), score=score)
    source = BatchSource.of_labels(Rows(20))
    found = judge_labels(cast(Any, model), source)
    labels = np.arange(20) % 3
    said = chances.argmax(1).numpy()
    parts = []
    for label in range(3):
        right = np.sum((said == label) & (labels == label))
        parts.append(2 * right / (np.sum(said == label) + np.sum(labels == label)))
    assert found["macro_f1"] == found["score"] == pytest.approx(np.mean(parts))
    assert found["macro_f1"] == pytest.approx(f1_score(labels, said, average="macro"))
    expected = np.mean([-np.log(float(chances[i, label])) for i, label in enumerate(labels)])
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_prior_is_measured_on_labelled_windows_spread_over_all():
    task = task_of(questions(24), BatchSource(Rows(40), np.arange(0, 40, 2)))
    (found,) = task.prior_batches(windows=5)
    assert found.steps[:, 0, 0, 0].tolist() == [0, 8, 18, 28, 38]


def test_a_task_without_items_is_said():
    with pytest.raises(DataError, match="the task captioning has no window to train on; choose"):
        task_of(BatchSource.of_labels(Rows(8)), questions(0, task="captioning"))


def pairs(count: int, **options):
    """Give items two a unit, every third unit about two windows, with answers of many lengths."""
    asked = RequestTable.build(
        Request("question_answering", {"question": "?" * (i // 2 % 7)}, f"{i}")
        for i in range(count)
    )
    unit = np.arange(count) // 2
    second = np.where(unit % 3 == 0, (np.arange(count) + 1) % count, -1)
    return BatchSource(
        Rows(count), np.arange(count), "question_answering", 1.0, asked, second=second, unit=unit,
        **options,
    )  # fmt: skip


@pytest.mark.parametrize("lead", [True, False])
def test_what_belongs_side_by_side_is_in_one_batch_and_windows_are_as_many(lead):
    source = pairs(96)
    task = task_of(*([source] if lead else [BatchSource.of_labels(Rows(96)), source]))
    asked = 0
    for batch in task.batches(0):
        read = task.collate(batch)
        if read.requests is None:
            continue
        asked += len(batch)
        answers = [int(request.answer) for request in read.requests]
        assert {answer ^ 1 for answer in answers} == set(answers)
        two = {answer // 2 % 3 == 0 for answer in answers}
        assert len(two) == 1
        assert (read.second is not None) == two.pop()
        if read.second is not None:
            rows = read.second.steps[:, 0, 0, 0].tolist()
            assert rows == [(answer + 1) % 96 for answer in answers]
    assert asked >= 60


def test_a_batch_holds_every_length_in_its_order():
    task = task_of(pairs(192))
    spreads = []
    for batch in task.batches(0):
        lengths = [len(r.template_values["question"]) for r in task.collate(batch).requests]
        spreads.append(max(lengths) - min(lengths))
        assert lengths[:4] < lengths[-4:]  # The parts of a step are of like length.
    assert np.mean(spreads) > 4  # Eight of 0 to 6, drawn at random.


def test_shares_of_one_and_two_windows_are_those_of_the_items():
    one, two = pairs(96).by_windows()
    assert (len(one), len(two)) == (64, 32)
    assert one.weight == pytest.approx(2 * two.weight)
    assert one.weight + two.weight == pytest.approx(1)
    assert questions(8).by_windows()[0].weight == 1
