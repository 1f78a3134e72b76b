"""Boundaries as bits are what looking at each number by itself gives."""

import numpy as np
import pytest

from tokenization_study.reading.cells import find_cells
from tokenization_study.tokenizers.tally import LONGEST, distinct, masks


def restated(start: int, stop: int, is_start: np.ndarray) -> int:
    """Give the bits of one number, character by character, its end included."""
    places = range(min(stop - start, LONGEST) + 1)
    return sum(1 << k for k in places if is_start[start + k])


@pytest.mark.parametrize(
    "text", ["7", "-12.5e3, 481\n0.25", f"{'9' * 70},1", f"x{'12345678 ' * 9}"]
)
def test_boundaries_are_bits_wherever_a_number_starts(text):
    is_start = np.random.default_rng(0).random(len(text) + 1) < 0.5
    for lead in range(9):
        cells = find_cells(" " * lead + text)
        shifted = np.concatenate([np.ones(lead, dtype=bool), is_start])
        pairs = zip(cells.starts.tolist(), cells.stops.tolist(), strict=True)
        assert masks(cells, shifted).tolist() == [restated(a, b, shifted) for a, b in pairs]


@pytest.mark.parametrize("count", [0, 1, 500])
def test_distinct_keys_are_those_of_numpy(count):
    random = np.random.default_rng(count)
    keys = random.integers(0, 40, count).astype(np.uint64) * np.uint64(2**58 + 1)
    kinds, first, place = distinct(keys)
    expected, at = np.unique(keys, return_index=True)
    order = np.argsort(kinds)
    np.testing.assert_array_equal(kinds[order], expected)
    np.testing.assert_array_equal(first[order], at)
    np.testing.assert_array_equal(kinds[place], keys)


def test_no_number_has_no_boundaries():
    assert masks(find_cells("none"), np.ones(5, dtype=bool)).tolist() == []
