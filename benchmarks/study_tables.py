"""Tables of the studies, from the results.json that `study` wrote."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
Line = Mapping[str, Any]


def read(name: str) -> dict[str, Any] | None:
    """Read a study's results, or None where it was not run."""
    path = RESULTS / name / "results.json"
    study: dict[str, Any] | None = None
    if path.is_file():
        study = json.loads(path.read_text(encoding="utf-8"))
    return study


def by_store(name: str) -> Callable[[], str]:
    """Give a table writer: a row a method and use, a column a store, all labels, all sensors."""

    def written() -> str:
        study = read(name)
        if study is None:
            return ""
        lines = [x for x in study["rows"] if x["share"] == 1 and not x["missing"] + x["without"]]
        stores = list(dict.fromkeys(line["store"] for line in lines))
        rows: dict[tuple[str, str], dict[str, Line]] = {}
        for line in lines:
            rows.setdefault((line["method"], line["use"]), {})[line["store"]] = line
        cells = [
            [method, use, *(_with_difference(of_store.get(store)) for store in stores)]
            for (method, use), of_store in rows.items()
        ]
        return _table(["method", "encoder", *stores], cells, study["command"])

    return written


def by_share(name: str) -> Callable[[], str]:
    """Give a table writer: macro-F1 by share of labels, and the difference to labels alone."""

    def written() -> str:
        study = read(name)
        if study is None:
            return ""
        lines = [line for line in study["rows"] if not line["missing"] + line["without"]]
        columns = list(dict.fromkeys((line["share"], line["by"]) for line in lines))
        heads = [f"{100 * share:g} %" + " of people" * (by == "subject") for share, by in columns]
        rows: dict[tuple[str, str], dict[tuple[float, str], Line]] = {}
        for line in lines:
            rows.setdefault((line["method"], line["use"]), {})[line["share"], line["by"]] = line
        cells = [
            [method, use, *(_with_difference(row.get(column)) for column in columns)]
            for (method, use), row in rows.items()
        ]
        return _table(["method", "encoder", *heads], cells, study["command"])

    return written


def by_missing(name: str, taught: bool = False) -> Callable[[], str]:
    """Give a table writer: nothing missing, each device, and by how many are missing.

    Args:
        name: of the study.
        taught: take the rows where the same sensors were missing when labels were learnt.
    """

    def written() -> str:
        study = read(name)
        if study is None:
            return ""
        lines = [
            line for line in study["rows"]
            if line["share"] == 1 and line["without"] == (line["missing"] if taught else [])
        ]  # fmt: skip
        return _by_missing(lines, study["command"])

    return written


def _by_missing(lines: Sequence[Line], command: str) -> str:
    groups: dict[str, Callable[[Line], bool]] = {
        "nothing missing": lambda line: not line["missing"],
        "the watch": lambda line: _device(line, "watch"),
        "the phone": lambda line: _device(line, "phone"),
    }
    shown = ("watch", "phone")
    sets = {tuple(line["missing"]) for line in lines if not any(_device(line, x) for x in shown)}
    for count in sorted({len(names) for names in sets} - {0}):
        groups[f"{count} of 4 (mean)"] = lambda line, count=count: len(line["missing"]) == count
    rows: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        rows.setdefault((line["method"], line["use"]), []).append(line)
    cells = [
        [method, use, *(_mean([x for x in of_row if belongs(x)]) for belongs in groups.values())]
        for (method, use), of_row in rows.items()
    ]
    return _table(["method", "encoder", *groups], cells, command)


def against_random() -> str:
    """Give spatial less random masking with each modality, or a device, missing."""
    study = read("missing_against_random")
    if study is None:
        return ""
    lines = [
        line for line in study["rows"]
        if line["method"] == "crossl spatial" and line["share"] == 1
        and (len(line["missing"]) < 2 or _device(line, "watch") or _device(line, "phone"))
    ]  # fmt: skip
    rows: dict[str, dict[str, Line]] = {}
    for line in lines:
        rows.setdefault(", ".join(line["missing"]) or "nothing", {})[line["use"]] = line
    cells = [
        [missing, *(_difference(of_use.get(use)) for use in ("fixed", "finetuned"))]
        for missing, of_use in rows.items()
    ]
    heads = ["missing", "spatial less random, fixed", "fine-tuned"]
    return _table(heads, cells, study["command"])


def _difference(line: Line | None) -> str:
    if line is None or line["difference"] is None:
        return "–"
    low, high = line["difference_interval"]
    return f"{line['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def _device(line: Line, name: str) -> bool:
    return len(line["missing"]) == 2 and all(m.startswith(name) for m in line["missing"])


def _mean(lines: Sequence[Line]) -> str:
    if len(lines) == 1:
        return _with_difference(lines[0])
    return f"{sum(line['macro_f1'] for line in lines) / len(lines):.3f}" if lines else "–"


def _with_difference(line: Line | None) -> str:
    """Give macro-F1, and the difference to the baseline with its interval where there is one."""
    if line is None:
        return "–"
    text = f"{line['macro_f1']:.3f}"
    if line["difference"] is not None and line["difference_interval"]:
        low, high = line["difference_interval"]
        text += f" ({low:+.3f} to {high:+.3f})"
    return text


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], command: str) -> str:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", f"    {command}"]) + "\n"


STUDY_TABLES: Mapping[str, Callable[[], str]] = {
    "headline": by_store("headline"),
    "few_labels": by_share("few_labels"),
    "missing": by_missing("missing"),
    "missing_finetuning": by_missing("missing_finetuning", taught=True),
    "against_random": against_random,
    "reconstruction_parts": by_store("reconstruction_against_neither"),
    "joint": by_store("joint"),
    "masking": by_store("masking"),
    "aggregator": by_store("aggregator"),
    "others": by_store("others"),
    "inception": by_store("inception"),
    "transfer": by_share("transfer"),
    "uci_har_study": by_store("uci_har_study"),
}
