"""What concerns whole texts: what is lost, what stands for nothing, what it costs."""

import numpy as np

from tokenization_study.checks.evidence import Evidence
from tokenization_study.checks.pitfalls.outcome import Example, Outcome, share_of, spread

AROUND = 16


def special_unknown(evidence: Evidence) -> Outcome | None:
    """Count unknown and special tokens in all texts."""
    tally = evidence.tally
    if not tally.tokens:
        return None
    bad = tally.unknown + tally.special
    examples = []
    if bad:
        text = tally.special_example
        pieces = evidence.tokenizer.encode([text]).ids_of(0)
        shown = tuple(evidence.tokenizer.token_text(t) for t in pieces)
        note = f"{tally.unknown} unknown and {tally.special} special tokens in all"
        examples.append(Example(text, shown, note))
    return Outcome(
        share=bad / tally.tokens, checked=tally.tokens, of="tokens", examples=tuple(examples)
    )


def non_reversible(evidence: Evidence) -> Outcome | None:
    """Decode the tokens of the sample's texts and compare with the texts."""
    faults: list[bool] = []
    examples: list[Example] = []
    for i, text in enumerate(evidence.sample.segments):
        ids = evidence.encoded.ids_of(i)
        try:
            back = evidence.tokenizer.decode(ids)
        except Exception as error:  # a foreign tokenizer may raise anything: that is the finding
            note = f"cannot decode: {type(error).__name__}"
            return Outcome(
                share=1.0,
                checked=len(evidence.sample.segments),
                of="texts encoded and decoded",
                examples=(Example(text[:AROUND], (text[:AROUND],), note),),
                note=note,
            )
        faults.append(back != text)
        if back != text and len(examples) < 3:
            examples.append(_difference(text, back))
    return share_of(faults, "texts encoded and decoded", examples)


def _difference(text: str, back: str) -> Example:
    pairs = zip(text, back, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(text), len(back)))
    start = max(place - AROUND // 2, 0)
    before, after = text[start : start + AROUND], back[start : start + AROUND]
    return Example(before, (before,), f"{before!r} came back as {after!r}")


def context_spent(evidence: Evidence) -> Outcome | None:
    """Compare the tokens of a window with the context window."""
    tokens = evidence.tokens_per_window
    if tokens is None or not evidence.tally.texts:
        return None
    length = evidence.config.context_tokens
    note = f"{tokens:,.0f} of {length:,} tokens for one window"
    return Outcome(share=tokens / length, checked=evidence.tally.texts, of="windows", note=note)


def model_specific(evidence: Evidence) -> Outcome | None:
    """Compare the splits of the same numbers across tokenizers."""
    if len(evidence.others) < 2 or not len(evidence.sample):
        return None
    faults = np.any([other.inner != evidence.inner for other in evidence.others], axis=0)
    examples = []
    for i in spread(np.flatnonzero(faults).tolist()):
        other = next(e for e in evidence.others if e.inner[i] != evidence.inner[i])
        pieces = (*evidence.pieces(i), " / ", *other.pieces(i))
        note = f"here / in {other.tokenizer.name}"
        examples.append(Example(evidence.sample.texts[i], pieces, note))
    return share_of(faults.tolist(), "numbers, against the other tokenizers", examples)
