"""Audit what tokenizers do to numbers.

    report = audit(values, ["bundled", "cl100k_base"], ["plain", "digits_spaced"])
    report.worst, report.to_frame(), report.save("audit")

An input is gone through once, a chunk at a time: every number is counted for every tokenizer and
serialiser; a seeded sample is kept for the checks of pairs and single texts.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.serialisation.serialise import Serialiser, SerialiserConfig
from tokenization_study.checks.catalogue import PITFALLS
from tokenization_study.checks.columns import ColumnSampler, text_columns
from tokenization_study.checks.evidence import Evidence
from tokenization_study.checks.measures import Measures, measure, tokens_per_window
from tokenization_study.checks.sample import SegmentSampler
from tokenization_study.config import AS_WRITTEN, AuditConfig, InputConfig
from tokenization_study.reading.inputs import Values, open_source
from tokenization_study.reading.windows import AuditSource, Chunk
from tokenization_study.reading.written import SerialisedText, Writer, make_writers
from tokenization_study.report.remedies import measure_remedies, recommend
from tokenization_study.report.rendering import Rendering, first_lines, render
from tokenization_study.report.report import AuditReport
from tokenization_study.report.result import Finding
from tokenization_study.tokenizers.processes import ParallelCounting, free_cores
from tokenization_study.tokenizers.segment_cache import Counter
from tokenization_study.tokenizers.tally import TokenTally
from tokenization_study.tokenizers.tokenizers import (
    Tokenizer,
    check_names,
    default_tokenizers,
    load_tokenizer,
)

FORMS = ("plain", "fixed", "digits_spaced")
NUMERIC = (".csv", ".tsv", ".parquet", ".pq", ".npz", ".yaml", ".yml")
ROUND_TRIPS = 8


def audit(
    values: Values,
    tokenizers: Sequence[str | Tokenizer] | None = None,
    serialisers: Sequence[str | Serialiser] | None = None,
    *,
    data: InputConfig | None = None,
    config: AuditConfig | None = None,
    form: SerialiserConfig | None = None,
    pattern: str | None = None,
    threads: int = 1,
    processes: int | None = None,
    command: str = "",
) -> AuditReport:
    """Audit tokenizers on numbers.

    Args:
        values: A path or `-`; an array (step,), (channel, step) or (window, channel, step); a list
            of numbers or of lines; a WindowStore.
        tokenizers: Names (see `tokenizers`) or tokenizers; by default what this machine has.
        serialisers: Names, `as_written` for a text's own lines, or serialisers; by default
            as_written for text, else plain, fixed and digits_spaced.
        data: What is read.
        config: What is measured.
        form: Separator, unit, decimals of the serialisers given by name.
        pattern: Split pattern of a rank file that is not known.
        threads: Threads that encode, where a library leaves the choice.
        processes: Processes that count for several tokenizers; by default as many as cores are
            free.
        command: What was typed, for the report.

    Raises:
        DataError: For an input that is empty, broken, or has no number.
        ModelError: For a tokenizer that is nowhere or broken.
        ConfigError: For an unknown serialiser, or fewer than one thread or process.
    """
    data, config = data or InputConfig(), config or AuditConfig()
    for name, number in (("threads", threads), ("processes", processes)):
        if number is not None and number < 1:
            raise ConfigError(f"{name} must be positive, got {number}")
    chosen = serialisers or _default_serialisers(values)
    writers = make_writers(chosen, form)
    loaded = _load(tokenizers, pattern, threads)
    source = open_source(
        values,
        data,
        seed=config.seed,
        as_text=any(writer.is_text for writer in writers),
        as_values=not all(writer.is_text for writer in writers),
    )
    _check_text(source, writers)
    runs = [Run(writer, loaded, config) for writer in writers]
    columns = ColumnSampler(config.seed)
    with ParallelCounting([r.counters for r in runs], processes or free_cores()) as counting:
        for chunk in source.chunks:
            columns.add(chunk)
            for number, run in enumerate(runs):
                if (written := run.write(chunk)) is not None:
                    counting.add(number, written)
        for run, tallies in zip(runs, counting.tallies(), strict=True):
            run.tallies = tallies
    return _report(source, runs, columns, config, form or SerialiserConfig(), command)


def _load(
    tokenizers: Sequence[str | Tokenizer] | None, pattern: str | None, threads: int
) -> list[Tokenizer]:
    if tokenizers is None:
        return default_tokenizers(pattern, threads)
    loaded = [load_tokenizer(t, pattern, threads) if isinstance(t, str) else t for t in tokenizers]
    check_names(loaded)
    return loaded


def _default_serialisers(values: Values) -> Sequence[str]:
    if isinstance(values, str | Path):
        path = Path(values)
        return FORMS if path.is_dir() or path.suffix in NUMERIC else (AS_WRITTEN,)
    if isinstance(values, list | tuple) and values and isinstance(values[0], str):
        return (AS_WRITTEN,)
    return FORMS


def _check_text(source: AuditSource, writers: list[Writer]) -> None:
    if any(writer.is_text for writer in writers) and not source.has_text:
        raise DataError(
            f"{source.name} has no text of its own; as_written is for CSV, raw lines and -"
        )


class Run:
    """One serialiser's way through the input."""

    def __init__(
        self, writer: Writer, tokenizers: Sequence[Tokenizer], config: AuditConfig
    ) -> None:
        self.writer = writer
        self.tallies = [TokenTally(tokenizer) for tokenizer in tokenizers]
        self.counters = [
            Counter(tokenizer, tally, writer)
            for tokenizer, tally in zip(tokenizers, self.tallies, strict=True)
        ]
        self.sampler = SegmentSampler(config.sample_values, config.seed)
        self.lines: list[str] = []
        self.round_trip: tuple[float, float] | None = None
        self.tokenizers = tokenizers
        self._shown = config.shown_lines

    def write(self, chunk: Chunk) -> SerialisedText | None:
        """Write a chunk once for all tokenizers; None where it has nothing for this form."""
        if not (chunk.texts if self.writer.is_text else chunk.windows):
            return None
        self.writer.fit(chunk)
        written = self.writer.write(chunk)
        if not self.lines:
            self.lines = first_lines(written, self._shown)
        if self.round_trip is None and not self.writer.is_text:
            trips = [self.writer.round_trip(w) for w in chunk.windows[:ROUND_TRIPS]]
            self.round_trip = (max(e for e, _ in trips), max(b for _, b in trips))
        self.sampler.add(written)
        return written

    def evidence(self, source: AuditSource, config: AuditConfig) -> list[Evidence]:
        """Give what the checks look at, a tokenizer each."""
        size = config.sampled(self.tallies[0].values)
        sample = self.sampler.sample(size, self.writer.name == "digits_spaced", self.writer.letters)
        steps = source.window_steps or 1
        all_evidence = [
            Evidence(
                tokenizer=tokenizer,
                tally=tally,
                sample=sample,
                config=config,
                unit=source.unit,
                tokens_per_window=tokens_per_window(tally, self.writer.is_text, steps),
            )
            for tokenizer, tally in zip(self.tokenizers, self.tallies, strict=True)
        ]
        for evidence in all_evidence:
            evidence.others = all_evidence
        return all_evidence


def _findings(serialiser: str, evidence: list[Evidence]) -> list[Finding]:
    findings = []
    for one in evidence:
        for pitfall in PITFALLS.values():
            outcome = pitfall.check(one)
            severity = "not checked" if outcome is None else pitfall.severity(outcome.share)
            findings.append(
                Finding(
                    pitfall=pitfall.id,
                    tokenizer=one.tokenizer.name,
                    serialiser=serialiser,
                    severity=severity,
                    outcome=outcome,
                )
            )
    return findings


def _report(
    source: AuditSource, runs: list[Run], sampler: ColumnSampler, config: AuditConfig,
    form: SerialiserConfig, command: str,
) -> AuditReport:  # fmt: skip
    tokenizers = runs[0].tokenizers
    measures: list[Measures] = []
    findings: list[Finding] = []
    renderings: list[Rendering] = []
    trips: dict[str, Any] = {}
    all_evidence = [run.evidence(source, config) for run in runs]
    for run, evidence in zip(runs, all_evidence, strict=True):
        name = run.writer.name
        measures += [measure(one, name, source.rate_hz) for one in evidence]
        findings += _findings(name, evidence)
        renderings += [render(t, name, run.lines) for t in tokenizers]
        trips[name] = run.round_trip
    sample = all_evidence[0][0].sample
    columns = sampler.columns(source.columns) or text_columns(sample)
    remedies = measure_remedies(tokenizers, columns, form) if columns else []
    tally, is_text = runs[0].tallies[0], runs[0].writer.is_text
    windows = tally.steps / (source.window_steps or 1) if is_text else tally.texts
    signal = tally.values * sample.is_signal.mean() / windows
    return AuditReport(
        source=source,
        tokenizers=tuple(tokenizers),
        config=config,
        measures=tuple(measures),
        findings=tuple(findings),
        renderings=tuple(renderings),
        round_trips=trips,
        remedies=tuple(remedies),
        recommendations=tuple(recommend(tokenizers, remedies, signal, config)),
        sampled=len(sample),
        sha256=source.hash(),
        command=command,
    )
