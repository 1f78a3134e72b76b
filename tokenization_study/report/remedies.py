"""Remedies that papers and practice name, each measured on some of the person's numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.serialisation.serialise import SerialiserConfig
from tokenization_study.checks.columns import Columns
from tokenization_study.checks.measures import split_entropy
from tokenization_study.config import AuditConfig
from tokenization_study.reading.windows import Chunk
from tokenization_study.reading.written import Writer, make_writers
from tokenization_study.tokenizers.tally import TokenTally
from tokenization_study.tokenizers.tokenizers import Tokenizer

CONSISTENT = 0.9
FAITHFUL = 0.02
FORMS = {
    "plain": "none: the shortest exact text",
    "fixed": "rounding: two decimals",
    "significant": "rounding: three digits",
    "scaled_integer": "scaling: integers of hundredths",
    "bins": "bins: the number of one of 4094 equal bins",
    "digits_spaced": "digit-level: digits apart, scaled",
}


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What writing the sample's numbers in one form does with one tokenizer."""

    tokenizer: str
    form: str
    remedy: str
    tokens_per_value: float
    against_plain: float
    """Tokens over those of the plain form."""
    split_consistency: float
    error: float
    """Root of the mean squared error over the standard deviation, of the column that loses most."""
    worst_column: str
    """Which column that is."""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """How to write these numbers for one tokenizer, or not to."""

    tokenizer: str
    form: str
    text: str


def lost(remedy: Remedy) -> str:
    """Say what a form loses of the column that loses most."""
    is_lossless = f"{remedy.error:.2%}" == "0.00%"
    where = "" if is_lossless else f" in {remedy.worst_column}, the worst column"
    return f"{remedy.error:.2%} of a standard deviation lost{where}"


def measure_remedies(
    tokenizers: Sequence[Tokenizer], columns: Columns, form: SerialiserConfig
) -> list[Remedy]:
    """Write some values of all columns in each form and count."""
    chunk = Chunk(windows=columns.stretches)
    measured = []
    for writer in make_writers(list(FORMS), form):
        try:
            writer.fit(chunk)
            written = writer.write(chunk)
            error, column = _error(writer, columns, written.texts)
        except DataError:
            continue
        for tokenizer in tokenizers:
            tally = TokenTally(tokenizer)
            tally.add(written, tokenizer.encode(written.texts))
            if tally.values:
                measured.append((tokenizer.name, writer.name, tally, error, column))
    plain = {name: tally.tokens for name, form, tally, *_ in measured if form == "plain"}
    return [
        Remedy(
            tokenizer=name,
            form=form,
            remedy=FORMS[form],
            tokens_per_value=tally.tokens / tally.values,
            against_plain=tally.tokens / max(plain.get(name, tally.tokens), 1),
            split_consistency=split_entropy(tally.patterns())[1],
            error=error,
            worst_column=column,
        )
        for name, form, tally, error, column in measured
    ]


def _error(writer: Writer, columns: Columns, texts: Sequence[str]) -> tuple[float, str]:
    """Give the root mean squared error of writing and reading, and the column where it is worst.

    It is counted in the column's own standard deviations.
    """
    worst, place = 0.0, (0, 0)
    squares = [np.zeros(len(spread)) for spread in columns.spreads]
    counts = [np.zeros(len(spread)) for spread in columns.spreads]
    for window, text in zip(columns.stretches, texts, strict=True):
        for i, (part, serialiser) in enumerate(
            zip(window, writer.serialisers(window), strict=True)
        ):
            if not part.size:
                continue
            # The window's text is its only part's, unless values are missing.
            is_all = len(window) == 1 and not np.isnan(part).any()
            off = serialiser.read(text if is_all else serialiser.write(part)) - part
            off /= np.where(columns.spreads[i], columns.spreads[i], np.inf)[:, None]
            squares[i] += np.nansum(off**2, axis=1)
            counts[i] += (~np.isnan(off)).sum(axis=1)
    for i in range(len(columns.spreads)):
        errors = np.sqrt(squares[i] / np.maximum(counts[i], 1))
        if errors.size and errors.max() > worst:
            worst, place = float(errors.max()), (i, int(errors.argmax()))
    return worst, columns.name(*place)


def recommend(
    tokenizers: Sequence[Tokenizer],
    remedies: Sequence[Remedy],
    window_values: float,
    config: AuditConfig,
) -> list[Recommendation]:
    """Choose a form for each tokenizer.

    Of the forms that lose less than 2 % of any column's standard deviation, those that split at
    least 90 % of the numbers alike are preferred; of these the one with fewest tokens.
    """
    recommendations = []
    for tokenizer in tokenizers:
        own = [r for r in remedies if r.tokenizer == tokenizer.name]
        faithful = [r for r in own if r.error <= FAITHFUL] or own
        if not faithful:
            continue
        steady = [r for r in faithful if r.split_consistency >= CONSISTENT]
        best = (
            min(steady, key=lambda r: r.tokens_per_value)
            if steady
            else max(faithful, key=lambda r: r.split_consistency)
        )
        tokens = best.tokens_per_value * window_values
        factor = tokens / config.signal_tokens
        text = (
            f"write these numbers as {best.form}: {best.tokens_per_value:.1f} tokens a value, "
            f"{best.split_consistency:.0%} of the numbers split alike, {lost(best)}; "
            f"that is {tokens:,.0f} tokens a window. Encoded, a window "
            f"takes {config.signal_tokens} tokens: {factor:,.0f} times fewer"
        )
        recommendations.append(Recommendation(tokenizer=tokenizer.name, form=best.form, text=text))
    return recommendations
