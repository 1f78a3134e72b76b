"""What an audit measured, as plain JSON or a DataFrame.

report.json, schema version 1:

| key | what it holds |
|---|---|
| schema | version of this layout |
| command, versions, method, citation | how the figures were made, and BibTeX |
| input | name, sha256, kind, unit, rate_hz, window_steps, notes |
| tokenizers | name, family, vocabulary_size, sha256 of each of its files |
| measures | one object a tokenizer and serialiser, keys as in `measures` |
| findings | pitfall, tokenizer, serialiser, severity, share, checked, of, note, examples |
| pitfalls | id, name, definition, why, how, worst, levels of every pitfall |
| round_trips | serialiser -> error and bound of writing and reading back; null for as_written |
| remedies, recommendations | keys as in `remedies` |
| encoded_inputs | the budget of signal tokens: tokens_per_window, context_share, times_fewer |
| renderings | tokenizer, serialiser, lines of [text, id] |
| comparison | the comparison's own object, null where it was not run |

Severity is `none`, `low`, `medium` or `high`; `not checked` where the data gave nothing to check.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from sensor2llm.errors import ConfigError
from tokenization_study.checks.catalogue import PITFALLS
from tokenization_study.checks.measures import Measures
from tokenization_study.checks.pitfalls.outcome import Outcome
from tokenization_study.config import SEVERITIES, AuditConfig
from tokenization_study.reading.windows import AuditSource
from tokenization_study.report.remedies import Recommendation, Remedy
from tokenization_study.report.rendering import Rendering
from tokenization_study.tokenizers.tokenizers import Tokenizer

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
LIBRARIES = ("sensor2llm", "tiktoken", "tokenizers", "sentencepiece", "numpy", "mistral-common")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found for one tokenizer and serialiser; `outcome` None: nothing to check."""

    pitfall: str
    tokenizer: str
    serialiser: str
    severity: str
    outcome: Outcome | None

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        outcome = asdict(self.outcome) if self.outcome else {"share": None, "examples": ()}
        own = {name: getattr(self, name) for name in ("pitfall", "tokenizer", "serialiser")}
        return own | {"severity": self.severity} | outcome


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """Hold an audit's figures; `comparison` is what `compare` wrote, if it was run."""

    source: AuditSource
    tokenizers: tuple[Tokenizer, ...]
    config: AuditConfig
    measures: tuple[Measures, ...]
    findings: tuple[Finding, ...]
    renderings: tuple[Rendering, ...]
    round_trips: dict[str, tuple[float, float] | None]
    remedies: tuple[Remedy, ...]
    recommendations: tuple[Recommendation, ...]
    sampled: int
    sha256: str = ""
    """Hash of the input."""
    command: str = ""
    comparison: dict[str, Any] | None = None

    @property
    def worst(self) -> str:
        """Give the worst severity of all findings."""
        levels = [SEVERITIES.index(f.severity) for f in self.findings if f.outcome]
        return SEVERITIES[max(levels, default=0)]

    def reaches(self, severity: str) -> list[Finding]:
        """Give the findings of a severity or worse."""
        least = SEVERITIES.index(severity)
        return [f for f in self.findings if f.outcome and SEVERITIES.index(f.severity) >= least]

    @property
    def encoded_inputs(self) -> list[dict[str, Any]]:
        """Give the budget of encoded inputs beside each measured way of writing."""
        tokens = self.config.signal_tokens
        return [
            {
                "tokenizer": m.tokenizer,
                "serialiser": m.serialiser,
                "tokens_per_window": tokens,
                "context_share": tokens / self.config.context_tokens,
                "windows_in_context": self.config.context_tokens // tokens,
                "times_fewer": m.tokens_per_window / tokens,
            }
            for m in self.measures
        ]

    @property
    def method(self) -> list[str]:
        """Say how the figures were made, a sentence each."""
        config = self.config
        return [
            "Every number of the input was counted for every tokenizer and serialiser, in the "
            "text that it stands in.",
            f"Pairs, edit distances and single texts were checked on a sample of {self.sampled:,} "
            f"numbers (2 %, at most {config.sample_values:,}, seed {config.seed}).",
            f"Checks that rewrite numbers used up to {config.probe_values:,} different ones.",
            "Scales (digits_spaced, bins) come from the first windows of the input.",
            f"The entropy of the signal is that of the sample at {config.resolution_levels} levels "
            "of its 0.5 to 99.5 % range.",
            f"A context has {config.context_tokens:,} tokens; an encoded window takes "
            f"{config.signal_tokens}.",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain JSON (see this module for its keys)."""
        source = self.source
        keys = ("name", "kind", "unit", "rate_hz", "window_steps", "notes")
        pitfalls = [
            {"id": pitfall.id} | {k: v for k, v in asdict(pitfall).items() if k != "check"}
            for pitfall in PITFALLS.values()
        ]
        return {
            "schema": SCHEMA,
            "command": self.command,
            "versions": versions(),
            "citation": citation(),
            "method": self.method,
            "input": {name: getattr(source, name) for name in keys} | {"sha256": self.sha256},
            "config": asdict(self.config),
            "tokenizers": [
                {
                    "name": t.name,
                    "family": t.family,
                    "vocabulary_size": t.vocabulary_size,
                    "sha256": getattr(t, "files", {}),
                }
                for t in self.tokenizers
            ],
            "worst": self.worst,
            "measures": [asdict(m) for m in self.measures],
            "findings": [f.to_dict() for f in self.findings],
            "pitfalls": pitfalls,
            "round_trips": {
                name: None if trip is None else {"error": trip[0], "bound": trip[1]}
                for name, trip in self.round_trips.items()
            },
            "remedies": [asdict(r) for r in self.remedies],
            "recommendations": [asdict(r) for r in self.recommendations],
            "encoded_inputs": self.encoded_inputs,
            "renderings": [asdict(r) for r in self.renderings],
            "comparison": self.comparison,
        }

    def to_frame(self) -> "pd.DataFrame":
        """Give a row a tokenizer and serialiser: its measures, and each pitfall's severity.

        Raises:
            ConfigError: If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ConfigError("a DataFrame needs pandas: pip install sensor2llm[frame]") from None
        rows = []
        for m in self.measures:
            row = {k: v for k, v in asdict(m).items() if not isinstance(v, dict)}
            for f in self.findings:
                if (f.tokenizer, f.serialiser) == (m.tokenizer, m.serialiser):
                    row[f.pitfall] = f.severity
            rows.append(row)
        return pd.DataFrame(rows)


def versions() -> dict[str, str]:
    """Give the versions of what made the report."""
    installed = {}
    for name in LIBRARIES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def citation() -> str:
    """Give the BibTeX entry of the audit that made a report."""
    version = versions().get("sensor2llm", "")
    return (
        "@software{sensor2llm,\n"
        "  title = {sensor2llm: the bridge from sensors to language models},\n"
        "  author = {{The sensor2llm authors}},\n"
        f"  version = {{{version}}},\n"
        "  note = {tokenization audit; state the sha256 of input and tokenizers}\n}"
    )


def by_pair(findings: Sequence[Finding]) -> dict[tuple[str, str, str], Finding]:
    """Give findings by pitfall, tokenizer and serialiser."""
    return {(f.pitfall, f.tokenizer, f.serialiser): f for f in findings}
