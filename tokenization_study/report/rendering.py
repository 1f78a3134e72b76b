"""The person's own lines, token by token."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenization_study.reading.written import SerialisedText
from tokenization_study.tokenizers.tokenizers import Tokenizer

LONGEST_LINE = 96


@dataclass(frozen=True)
class Rendering:
    """Some lines as one tokenizer sees them: (text, id) of every token."""

    tokenizer: str
    serialiser: str
    lines: tuple[tuple[tuple[str, int], ...], ...]


def first_lines(written: SerialisedText, count: int) -> list[str]:
    """Give the first lines of a chunk, cut where they are long."""
    lines: list[str] = []
    for text in written.texts:
        lines += [line for line in text[: 20 * LONGEST_LINE].split("\n") if line.strip()]
        if len(lines) >= count:
            break
    return [line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] for line in lines[:count]]


def render(tokenizer: Tokenizer, serialiser: str, lines: Sequence[str]) -> Rendering:
    """Give the tokens of lines; the second token of one character is shown as its byte."""
    encoded = tokenizer.encode(lines)
    shown = []
    for i, line in enumerate(lines):
        tokens, seen = [], 0
        for token, (start, stop) in zip(encoded.ids_of(i), encoded.spans_of(i), strict=True):
            # What no token stands for (lost by the tokenizer) is left out, as it is for the model.
            text = line[max(start, seen) : stop] if stop > seen else ""
            if not text and stop > start:
                text = tokenizer.token_text(token)
            tokens.append((text, token))
            seen = max(seen, stop)
        shown.append(tuple(tokens))
    return Rendering(tokenizer.name, serialiser, tuple(shown))
