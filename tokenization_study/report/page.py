"""The report for people: Markdown, and one HTML page without network or script."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from tokenization_study.checks.catalogue import PITFALLS, Pitfall
from tokenization_study.checks.measures import Distribution, Measures
from tokenization_study.config import SEVERITIES
from tokenization_study.report.remedies import lost
from tokenization_study.report.result import AuditResult, Finding, by_pair, citation, versions

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = 3
LONGEST = 90
CHART = (240, 72)
CONTEXTS = (8_192, 32_768, 131_072)


def html(report: AuditResult) -> str:
    """Give the HTML page; everything that comes from the input is escaped."""
    return render("report.html.j2", report)


def markdown(report: AuditResult) -> str:
    """Give the Markdown report; what comes from the input stands in code spans."""
    return render("report.md.j2", report)


def render(template: str, report: AuditResult) -> str:
    """Fill a template; everything that comes from the input is escaped where it is no Markdown."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html.j2", "svg.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": share, "number": number, "code": code, "visible": visible,
        "shortened": shortened, "cell": table_cell,
    }  # fmt: skip
    return environment.get_template(template).render(view(report))


def view(report: AuditResult) -> dict[str, Any]:
    """Give what the templates show."""
    serialisers = list(dict.fromkeys(m.serialiser for m in report.measures))
    details = [_detail(report, pitfall) for pitfall in PITFALLS.values()]
    return {
        "report": report,
        "source": report.source,
        "serialisers": serialisers,
        "columns": [(m.serialiser, m.tokenizer) for m in report.measures],
        "summary": summary(report),
        "severities": SEVERITIES,
        "heat": heat_map(report),
        "details": details,
        "three_worst": sorted(details, key=_weight, reverse=True)[:SHOWN],
        "charts": [_chart(m, report) for m in report.measures],
        "remedies": _remedies(report),
        "budget": _budget(report),
        "comparison": _comparison(report),
        "versions": versions(),
        "citation": citation(),
    }


def summary(report: AuditResult) -> list[str]:
    """Say the most important in a few sentences."""
    measures = report.measures
    least = min(measures, key=lambda m: m.tokens_per_value)
    most = max(measures, key=lambda m: m.tokens_per_value)
    steady = min(measures, key=lambda m: m.split_consistency)
    kinds = len({f.pitfall for f in report.findings if f.severity == "high"})
    first = f"A number costs {least.tokens_per_value:.1f} tokens ({_where(least)})"
    if most is not least:
        first += f" to {most.tokens_per_value:.1f} ({_where(most)})"
    window = max(measures, key=lambda m: m.tokens_per_window)
    fewer = window.tokens_per_window / report.config.signal_tokens
    return [
        f"{first}, separators included.",
        f"{kinds} of {len(PITFALLS)} pitfalls are severe with at least one tokenizer and way of "
        "writing." if kinds else "No pitfall is severe here.",
        f"Least steady is {_where(steady)}: {1 - steady.split_consistency:.0%} of the numbers are "
        "not split like most of their form.",
        f"One window takes up to {window.tokens_per_window:,.0f} tokens, "
        f"{number(100 * window.context_share)} % of a context of "
        f"{report.config.context_tokens:,}; encoded it takes {report.config.signal_tokens}: "
        f"{fewer:,.0f} times fewer.",
    ]  # fmt: skip


def _where(measures: Measures) -> str:
    return f"{measures.tokenizer}, {measures.serialiser}"


def heat_map(report: AuditResult) -> list[dict[str, Any]]:
    """Give a row a pitfall: its findings in the order of the columns."""
    pairs = by_pair(report.findings)
    return [
        {
            "pitfall": pitfall,
            "findings": [pairs[pitfall.id, m.tokenizer, m.serialiser] for m in report.measures],
        }
        for pitfall in PITFALLS.values()
    ]


def _detail(report: AuditResult, pitfall: Pitfall) -> dict[str, Any]:
    """Give the worst findings of a pitfall, at most one a tokenizer, with an example each."""

    def badness(finding: Finding) -> tuple[int, float]:
        assert finding.outcome is not None
        return SEVERITIES.index(finding.severity), finding.outcome.share

    own = [f for f in report.findings if f.pitfall == pitfall.id and f.outcome]
    worst: dict[str, Finding] = {}
    for finding in sorted(own, key=badness, reverse=True):
        if finding.severity != "none":
            worst.setdefault(finding.tokenizer, finding)
    severity = max((SEVERITIES.index(f.severity) for f in own), default=-1)
    return {
        "pitfall": pitfall,
        "severity": SEVERITIES[severity] if severity >= 0 else "not checked",
        "worst": list(worst.values())[:SHOWN],
        "clean": [f"{f.tokenizer}, {f.serialiser}" for f in own if f.severity == "none"],
    }


def _weight(detail: dict[str, Any]) -> tuple[int, float]:
    """Say how bad a pitfall is: its severity, then the shares that it reaches."""
    level = SEVERITIES.index(detail["severity"]) if detail["severity"] in SEVERITIES else -1
    shares = [min(finding.outcome.share, 1.0) for finding in detail["worst"]]
    return level, sum(shares)


def _chart(measures: Measures, report: AuditResult) -> dict[str, Any]:
    """Give the bars of the tokens a number takes, on one axis for the whole report."""
    most = max(m.tokens_per_number.most for m in report.measures)
    spread: Distribution = measures.tokens_per_number
    step = spread.edges[1] - spread.edges[0] if len(spread.edges) > 1 else 1
    width, height = CHART
    unit, top = (width - 8) / (most + 1), max(spread.counts)
    total = sum(spread.counts)
    bars = [
        {
            "x": round(4 + edge * unit, 2),
            "width": round(max(step * unit - 1, 1), 2),
            "y": round(height - 16 - count / top * (height - 22), 2),
            "height": round(count / top * (height - 22), 2),
            "title": f"{edge} tokens: {count:,} numbers ({count / total:.1%})",
        }
        for edge, count in zip(spread.edges, spread.counts, strict=True)
        if count
    ]
    ticks = sorted({0, most // 2, most})
    return {
        "measures": measures, "bars": bars, "width": width, "height": height,
        "ticks": [(round(4 + (t + 0.5) * unit, 1), t) for t in ticks],
        "mean_x": round(4 + (spread.mean + 0.5) * unit, 1),
    }  # fmt: skip


def _remedies(report: AuditResult) -> list[dict[str, Any]]:
    """Give a row a remedy: its measured effect with each tokenizer."""
    rows = []
    for form in dict.fromkeys(r.form for r in report.remedies):
        own = [r for r in report.remedies if r.form == form]
        cells = [
            f"{r.tokens_per_value:.1f} tokens (x {r.against_plain:.2f}), "
            f"{r.split_consistency:.0%} alike"
            for r in own
        ]
        rows.append({"name": own[0].remedy, "form": form, "note": lost(own[0]), "cells": cells})
    if not report.remedies:
        return rows
    return [*rows, *_other_remedies(report)]


def _other_remedies(report: AuditResult) -> list[dict[str, Any]]:
    first = report.measures[0].serialiser
    own = [m for m in report.measures if m.serialiser == first]
    tokens = report.config.signal_tokens
    longer = [
        ", ".join(f"{int(c // m.tokens_per_window)} in {c // 1024}k" for c in CONTEXTS)
        if m.tokens_per_window
        else "-"
        for m in own
    ]
    encoded = [f"{tokens} tokens a window (x {tokens / m.tokens_per_window:.4f})" for m in own]
    return [
        {
            "name": "longer context", "form": first, "cells": longer,
            "note": "whole windows that fit; the splits stay as they are",
        },
        {
            "name": "prompt tuning", "form": first,
            "note": "adds its own positions; its effect on answers is in the comparison",
            "cells": ["splits and tokens unchanged"] * len(own),
        },
        {
            "name": "encoder and adapter", "form": "signal tokens", "cells": encoded,
            "note": "no number is written; no pitfall of this table applies",
        },
    ]  # fmt: skip


def _budget(report: AuditResult) -> list[dict[str, Any]]:
    rows = []
    for m, encoded in zip(report.measures, report.encoded_inputs, strict=True):
        rows.append(asdict(m) | {"times_fewer": encoded["times_fewer"]})
    return rows


def _comparison(report: AuditResult) -> dict[str, Any] | None:
    """Give the comparison's rows as a table, whatever columns they have."""
    rows = (report.comparison or {}).get("rows")
    if not isinstance(rows, list) or not rows:
        return None
    names = [k for k, v in rows[0].items() if isinstance(v, str | int | float | list | None)]
    return {
        "names": [name.replace("_", " ") for name in names],
        "rows": [[number(row.get(name)) for name in names] for row in rows],
    }


def share(finding: Finding) -> str:
    """Give a finding's share for a cell of the heat map."""
    if finding.outcome is None:
        return "–"
    percent = 100 * finding.outcome.share
    if 0 < percent < 1:
        return "<1"
    return f"{percent:,.0f}"


def number(value: Any) -> str:
    """Write a number for a table."""
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return " to ".join(number(part) for part in value)
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if value and abs(value) < 0.01:
        return f"{value:.1e}"
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def visible(text: str) -> str:
    """Show white space that would not be seen."""
    return text.replace("\r", "␍").replace("\n", "⏎").replace("\t", "⇥")


def shortened(text: str) -> str:
    """Cut a text of the input; sentences of the report are never cut."""
    shown = visible(text)
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"


def code(text: str) -> str:
    """Give a code span of Markdown that nothing in the text can leave."""
    return f"`{shortened(text).replace('`', 'ˋ').replace('|', '¦')}`"


def table_cell(text: str) -> str:
    """Escape a name for a cell of a Markdown table."""
    plain = visible(text).replace("|", "¦").replace("`", "ˋ")
    return plain.replace("<", "&lt;").replace(">", "&gt;").replace("[", "\\[")
