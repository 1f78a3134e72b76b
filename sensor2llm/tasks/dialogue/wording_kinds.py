"""What a typed question wants, by the known wordings that it is like.

    kinds = WordingKinds([("label", "what is he doing", {"which"}), ...])
    kinds.likeliest("what s he doing there", {"which"})         'label'

Kernel ridge regression: every known wording votes for its kind with a learned weight, the more the
more alike it is in its words, in the letters of its words, and in its cues.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import chain

import numpy as np
from jaxtyping import Float, Int
from scipy import linalg

LETTERS, WORDS = (3, 4, 5), (1, 2, 3)
"""How many letters, and words, are compared as one."""
RIDGE = 0.3
LAST_WORDS = 1024
"""Words whose pieces are remembered: most wordings have the same ones."""
MOST_PAIRED = 40
"""In how many wordings a piece may be for its wordings to be paired; of others a matrix is made."""
Wording = tuple[str, str, Collection[str]]
"""A kind, a text in plain words that is of it, and the cues of that text."""
Weights = tuple[Int[np.ndarray, " piece"], Float[np.ndarray, " piece"]]


class WordingKinds:
    """Tell the kinds of wordings apart.

    Args:
        wordings: known ones.
    """

    def __init__(self, wordings: Sequence[Wording]) -> None:
        counts = Counter(kind for kind, _, _ in wordings)
        self.kinds = tuple(counts)
        pieces = [_pieces(text) for _, text, _ in wordings]
        common = Counter(chain.from_iterable(pieces))
        self._place = {piece: number for number, piece in enumerate(common)}
        self._rarity = 1 + np.log(len(pieces) / np.array(list(common.values())))
        cues = sorted({cue for _, _, of_text in wordings for cue in of_text})
        self._cue_place = {cue: number for number, cue in enumerate(cues)}
        self._cues = np.stack([self._marks(of_text) for _, _, of_text in wordings])
        rows = [self._words(one) for one in pieces]
        alike = self._alike(rows) + _shared(self._cues, self._cues)
        rare = np.sqrt([counts[kind] for kind, _, _ in wordings])
        alike[np.diag_indices_from(alike)] += RIDGE * rare / rare.mean()
        is_kind = np.array([[kind == one for one in self.kinds] for kind, _, _ in wordings])
        self._votes = linalg.solve(alike, is_kind.astype(np.float32), assume_a="pos")
        self._word_votes = np.zeros((len(self._place), len(self.kinds)), dtype=np.float32)
        for (places, weights), votes in zip(rows, self._votes, strict=True):
            self._word_votes[places] += weights[:, None] * votes

    def _alike(self, rows: Sequence[Weights]) -> Float[np.ndarray, "wording wording"]:
        """Give the cosines of wordings; a piece that one alone has only tells it from the rest.

        Most pieces are of few wordings: those are multiplied pair by pair.
        """
        n, places = len(rows), np.concatenate([places for places, _ in rows])
        row = np.repeat(np.arange(n), [len(places) for places, _ in rows])
        weights, counts = np.concatenate([weights for _, weights in rows]), np.bincount(places)
        count = counts[places]
        often = count > MOST_PAIRED
        column = np.cumsum(counts > MOST_PAIRED) - 1
        dense = np.zeros((n, int(column[-1]) + 1), dtype=np.float32)
        dense[row[often], column[places[often]]] = weights[often]
        alike = dense @ dense.T
        order = np.argsort(places, kind="stable")
        for size in range(2, MOST_PAIRED + 1):
            some = order[count[order] == size].reshape(-1, size)
            cells = row[some][:, :, None] * n + row[some][:, None]
            np.add.at(alike.reshape(-1), cells, weights[some][:, :, None] * weights[some][:, None])
        np.fill_diagonal(alike, 1)
        return alike

    def likeliest(
        self, text: str, cues: Collection[str], among: Collection[str] | None = None
    ) -> str:
        """Give the kind of a text in plain words, of some where they are named."""
        places, weights = self._words(_pieces(text))
        score = weights @ self._word_votes[places]
        score += (_shared(self._marks(cues)[None], self._cues) @ self._votes)[0]
        order = [self.kinds[i] for i in np.argsort(-score)]
        return next(kind for kind in order if among is None or kind in among)

    def _words(self, pieces: Counter[str]) -> Weights:
        """Give the places and weights of the pieces that are known; their squares sum to 1."""
        known = {self._place[piece]: n for piece, n in pieces.items() if piece in self._place}
        places = np.fromiter(known, dtype=np.intp, count=len(known))
        times = np.fromiter(known.values(), dtype=np.float64, count=len(known))
        weights = ((1 + np.log(times)) * self._rarity[places]).astype(np.float32)
        return places, weights / max(float(np.linalg.norm(weights)), 1e-6)

    def _marks(self, cues: Collection[str]) -> Float[np.ndarray, " cue"]:
        vector = np.zeros(len(self._cue_place), dtype=np.float32)
        vector[[self._cue_place[cue] for cue in cues if cue in self._cue_place]] = 1
        return vector


def _pieces(text: str) -> Counter[str]:
    words = ["^", *text.split(), "$"]
    pieces = [" ".join(words[i : i + n]) for n in WORDS for i in range(len(words) - n + 1)]
    return Counter(chain(pieces, *map(_letters, words)))


@lru_cache(LAST_WORDS)
def _letters(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    return tuple(f"_{padded[i : i + n]}" for n in LETTERS for i in range(len(padded) - n + 1))


def _shared(
    one: Float[np.ndarray, "row cue"], other: Float[np.ndarray, "column cue"]
) -> Float[np.ndarray, "row column"]:
    """Compare cues, each alone and every two of them together: as a cosine of all of those."""
    sizes = [rows.sum(1) * (rows.sum(1) + 1) / 2 for rows in (one, other)]
    common = one @ other.T
    scale = np.sqrt(np.outer(np.maximum(sizes[0], 1), np.maximum(sizes[1], 1)))
    return common * (common + 1) / 2 / scale
