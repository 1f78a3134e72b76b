"""What a paper takes from an audit: tables as CSV and LaTeX, figures as SVG, how to cite it.

| file | what it holds |
|---|---|
| measures.csv, measures.tex | a row a tokenizer and form: its measures |
| pitfalls.csv, pitfalls.tex, pitfalls.svg | share and severity of every pitfall |
| tokens.svg | how many tokens a number takes, a chart a tokenizer and form |

The LaTeX needs the package booktabs; high severities are bold.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from tokenization_study.checks.catalogue import PITFALLS
from tokenization_study.report import page
from tokenization_study.report.result import AuditResult

COLUMNS = {
    "tokens_per_value": "tokens a value",
    "tokens_per_window": "tokens a window",
    "context_share": "share of context",
    "split_consistency": "split alike",
    "place_alignment": "place alignment",
    "distance_correlation": "distance correlation",
}
"""Measures of the LaTeX table; the CSV has all."""
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def files(report: AuditResult) -> dict[str, str]:
    """Give the content of each file by its name."""
    measures = [_scalars(asdict(m)) for m in report.measures]
    findings = [_scalars(f.to_dict()) for f in report.findings]
    return {
        "measures.csv": _csv(measures),
        "measures.tex": _measures_tex(report),
        "pitfalls.csv": _csv(findings),
        "pitfalls.tex": _pitfalls_tex(report),
        "pitfalls.svg": page.render("pitfalls.svg.j2", report),
        "tokens.svg": page.render("tokens.svg.j2", report),
    }


def _scalars(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not isinstance(value, dict | list | tuple)}


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _measures_tex(report: AuditResult) -> str:
    rows = (
        [latex(m.tokenizer), latex(m.serialiser)]
        + [page.number(getattr(m, name)).replace("–", "--") for name in COLUMNS]
        for m in report.measures
    )
    return _table(["tokenizer", "written as", *COLUMNS.values()], rows, texts=2)


def _pitfalls_tex(report: AuditResult) -> str:
    head = [f"{latex(m.tokenizer)}, {latex(m.serialiser)}" for m in report.measures]
    rows = []
    for row in page.heat_map(report):
        shares = [(page.share(f).replace("–", "--"), f.severity) for f in row["findings"]]
        cells = [rf"\textbf{{{text}}}" if level == "high" else text for text, level in shares]
        rows.append([latex(row["pitfall"].name), *(cell.replace("<", "$<$") for cell in cells)])
    return _table([rf"pitfall, \% of what was checked ({len(PITFALLS)})", *head], rows, texts=1)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> str:
    kinds = "l" * texts + "r" * (len(head) - texts)
    names = " & ".join(head)
    body = "".join(" & ".join(row) + r" \\" + "\n" for row in rows)
    return (
        f"\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{names} \\\\\n\\midrule\n{body}"
        "\\bottomrule\n\\end{tabular}\n"
    )


def latex(text: str) -> str:
    """Escape a name that comes from outside for LaTeX."""
    plain = re.sub(r"[\\~^]|[&%$#_{}]", lambda m: _SPECIAL.get(m[0], "\\" + m[0]), text)
    return page.visible(plain)
