"""Tokens stand where a character by character reading of the text puts them."""

import random

import numpy as np
import pytest

from tokenization_study.tokenizers.encoded import Pieces, flatten
from tokenization_study.tokenizers.loaders import alignment

PIECES = Pieces(lambda token: bytes([token]))


def spelt_behind_a_space(text: str) -> list[tuple[int, int, int]]:
    """Spell a text as T5 does (a space first, each white run as one): (byte, start, stop)."""
    found, is_blank = [(ord(" "), 0, 0)], True
    for i, character in enumerate(text.rstrip()):
        if not character.isspace():
            found += [(byte, i, i + 1) for byte in character.encode()]
        elif not is_blank:
            found.append((ord(" "), i, i + 1))
        is_blank = character.isspace()
    return found


def refuse(i: int) -> alignment.Spans:
    raise AssertionError(f"text {i} has a form of its own")


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("letters", ["12 \n\t.", "12\n\t,", "1\n"])
def test_white_space_that_is_collapsed(seed, letters):
    rng = random.Random(seed)
    # A space that the text begins with is as good a reading of the first token as none.
    made = ["".join(rng.choices(letters, k=rng.randint(1, 20))).lstrip(" ") for _ in range(6)]
    texts = [text for text in made if text.strip()] or ["1"]
    rows = [spelt_behind_a_space(text) for text in texts]
    found = alignment.align(texts, [[b for b, _, _ in row] for row in rows], PIECES, refuse)
    spans = list(zip(found.starts.tolist(), found.stops.tolist(), strict=True))
    expected = [(start, stop) for row in rows for _, start, stop in row]
    # A token that stands for nothing may lie anywhere.
    assert [s for s in spans if s[0] < s[1]] == [e for e in expected if e[0] < e[1]]
    assert [s[0] < s[1] for s in spans] == [e[0] < e[1] for e in expected]


def test_breaks_and_accents_are_laid_out_without_asking_the_library():
    texts = ["1é\n2\n", "3\t4"]
    ids = [list(b" 1\xc3\xa9 2"), list(b" 3 4")]
    found = alignment.align(texts, ids, PIECES, refuse)
    assert found.starts.tolist() == [0, 0, 1, 1, 2, 3, 0, 0, 1, 2]
    assert found.stops.tolist() == [0, 1, 2, 2, 3, 4, 0, 1, 2, 3]


def test_a_text_of_another_form_is_left_to_the_library():
    spans = np.array([0, 1, 2]), np.array([1, 2, 3])
    asked = []
    found = alignment.align(["1,2"], [list(b"1x2")], PIECES, lambda i: asked.append(i) or spans)
    assert asked == [0]
    assert found.stops.tolist() == [1, 2, 3]


def test_lists_and_arrays_of_ids_are_laid_flat():
    rows = [[1, 2], np.array([3], dtype=np.int32), []]
    ids, bounds = flatten(rows)
    assert (ids.tolist(), bounds.tolist(), ids.dtype) == ([1, 2, 3], [0, 2, 3, 3], np.int64)
    assert flatten([])[0].tolist() == []
