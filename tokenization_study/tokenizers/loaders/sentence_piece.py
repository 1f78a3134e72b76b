"""SentencePiece models (.model)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sentencepiece

from sensor2llm.errors import ModelError, one_line
from tokenization_study.tokenizers.encoded import Encoded, Pieces, Spans, char_spans, in_parts
from tokenization_study.tokenizers.loaders.alignment import align
from tokenization_study.tokenizers.loaders.ranks import show_bytes


class SentencePieceTokenizer:
    """A SentencePiece model, as it encodes text without begin and end."""

    def __init__(
        self, name: str, model: sentencepiece.SentencePieceProcessor, threads: int = 1
    ) -> None:
        self.name = name
        self.files: dict[str, str] = {}
        self.family = "SentencePiece"
        self.vocabulary_size = int(model.vocab_size())
        self.unknown_ids = frozenset({int(model.unk_id())})
        self.special_ids = frozenset(i for i in range(self.vocabulary_size) if model.is_control(i))
        self._model = model
        self._threads = threads
        self._pieces = Pieces(self._piece)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Give the tokens of texts."""
        # Arrays are handed over as they are; lists of Python's numbers take as long as encoding.
        ids = self._model.encode(list(texts), return_type="numpy", num_threads=self._threads)

        def lay_out(part: slice) -> Encoded:
            own = texts[part]
            return align(own, ids[part], self._pieces, lambda i: self._spans(own[i]))

        return in_parts(texts, lay_out)

    def encode_bare(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids alone, as the library's own batch encoding does."""
        return list(self._model.encode(list(texts), out_type=int, num_threads=self._threads))

    def token_text(self, token: int) -> str:
        """Give what a token stands for; bytes of part of a character are shown as <0xNN>."""
        return show_bytes(self._pieces[token])

    def decode(self, ids: Sequence[int]) -> str:
        """Give the text of ids."""
        return str(self._model.decode(list(ids)))

    def _piece(self, token: int) -> bytes:
        if self._model.is_byte(token):
            return bytes([int(self._model.id_to_piece(token)[3:5], 16)])
        return self._model.id_to_piece(token).replace("▁", " ").encode()

    def _spans(self, text: str) -> Spans:
        """Follow the model's own map from its normalised text to the characters of `text`."""
        normal, origin = self._model.normalize(text, with_offsets=True)
        pieces = self._model.encode(text, out_type=str)
        ids = self._model.encode(text, out_type=int)
        # An unknown piece spells what it stands for; a byte piece is one byte of a character.
        sizes = [
            1 if self._model.is_byte(i) else len(piece.encode())
            for i, piece in zip(ids, pieces, strict=True)
        ]
        ends = np.cumsum(np.array(sizes, dtype=np.int64))
        first, last = char_spans(normal.encode(), ends - sizes, ends)
        origin = np.append(np.array(origin, dtype=np.int64), len(text))
        place = origin[np.minimum(first, origin.size - 1)]
        return place, np.maximum(origin[np.minimum(last, origin.size - 1)], place)


def sentence_piece(path: Path, name: str, threads: int) -> SentencePieceTokenizer:
    """Read a .model file; raises ModelError for a broken one."""
    try:
        model = sentencepiece.SentencePieceProcessor()
        model.LoadFromSerializedProto(path.read_bytes())
        model.encode("1")
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        why = one_line(error, 160)
        raise ModelError(
            f"{path.name} is no SentencePiece model ({why}); is the file whole?"
        ) from None
    return SentencePieceTokenizer(name, model, threads)
