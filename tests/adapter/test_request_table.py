"""What many windows are asked: columns that give back the same requests."""

import gc
import tracemalloc

import numpy as np
import pytest

from sensor2llm.adapter.batches import Request
from sensor2llm.adapter.request_table import AT_ONCE, RequestTable

REQUESTS = [
    Request(),
    Request("question_answering", {"question": "Is it so?"}, "Yes, é."),
    Request("question_answering", {"question": "Which moves more?", "windows": 2}, "the first"),
    Request("regression", {}, "72.5", 72.5),
    Request("captioning", answer="It rests.", paraphrase=3),
]


def test_requests_are_read_as_they_were_written():
    table = RequestTable.build(REQUESTS)
    assert len(table) == len(REQUESTS)
    assert [table[i] for i in range(len(table))] == list(table) == REQUESTS
    assert table[np.int64(3)] == REQUESTS[3]


@pytest.mark.parametrize("items", [[4, 0, 0], []])
def test_some_are_taken_in_their_order(items):
    taken = RequestTable.build(REQUESTS).take(np.array(items, dtype=np.int64))
    assert list(taken) == [REQUESTS[i] for i in items]


def test_all_are_gone_through_however_many():
    many = [Request("captioning", answer=str(i)) for i in range(AT_ONCE + 3)]
    assert [request.answer for request in RequestTable.build(many)] == [r.answer for r in many]


def test_an_item_takes_less_than_a_hundred_and_fifty_bytes():
    """As objects it takes some seven hundred."""
    n = 5_000
    gc.collect()
    tracemalloc.start()
    objects = [
        Request("question_answering", {"question": f"Is it {i % 50}?"}, str(i)) for i in range(n)
    ]
    as_objects, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    table = RequestTable.build(objects)
    assert table.table.nbytes / n < 150 < 400 < as_objects / n
