"""Tokens laid over many texts at once stand where they stand text by text."""

import random

import numpy as np
import pytest

from tokenization_study.encoded import Pieces
from tokenization_study.loaders import alignment

PIECES = Pieces(lambda token: bytes([token]))


def spelt(text: str) -> list[int]:
    """Spell a text as T5 does: behind a space, each white run as one space."""
    return list(" ".join(["", *text.split()]).encode())


def texts(rng: random.Random, letters: str) -> list[str]:
    made = ("".join(rng.choices(letters, k=rng.randint(1, 20))) for _ in range(6))
    return [text for text in made if text.strip()] or ["1"]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("letters", ["12 \n\t.", "12\n\t,", "1é \n"])
def test_collapsed_white_space(seed, letters, monkeypatch):
    given = texts(random.Random(seed), letters)
    ids = [spelt(text) for text in given]

    def own(i):
        raise AssertionError(f"{given[i]!r} has a form of its own")

    if all(text.isascii() for text in given):
        found = alignment.align(given, ids, PIECES, own)
        monkeypatch.setattr(alignment, "_collapsed_spans", lambda *_: None)
        alone = alignment.align(given, ids, PIECES, own)
        np.testing.assert_array_equal(found.starts, alone.starts)
        np.testing.assert_array_equal(found.stops, alone.stops)
    else:
        sizes = np.array([len(i) for i in ids])
        flat = np.array([b for row in ids for b in row], np.uint8)
        data = [text.encode() for text in given]
        ones = np.ones(len(flat), np.int64)
        assert alignment._collapsed_spans(data, flat, sizes, ones) is None


def test_it_is_taken_for_lines_with_breaks_and_not_for_others():
    data = [b"1, 2\n", b"3\t4"]
    flat = np.frombuffer(b" 1, 2 3 4", np.uint8)
    starts, stops = alignment._collapsed_spans(data, flat, np.array([5, 4]), np.ones(9, np.int64))
    assert starts.tolist() == [0, 0, 1, 2, 3, 0, 0, 1, 2]
    assert stops.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3]
    other = np.frombuffer(b" 1, 2 3x4", np.uint8)
    sizes, ones = np.array([5, 4]), np.ones(9, np.int64)
    assert alignment._collapsed_spans(data, other, sizes, ones) is None
