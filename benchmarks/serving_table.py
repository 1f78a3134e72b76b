"""The tables of the server under load, as `benchmarks.robustness.serving_load` measured it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULT = Path(__file__).resolve().parent / "results" / "serving_load.json"
HEAD = ("adapter", "clients", "requests/s", "of `model.score`'s windows/s", "in CPU seconds",
        "median, ms", "99 %, of the median", "answers, wrong")  # fmt: skip


def serving(path: Path = RESULT) -> str:
    """Give what is answered under load, after kills, and to what cannot be."""
    if not path.is_file():
        return ""
    parts = json.loads(path.read_text(encoding="utf-8"))
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    for name, part in parts.items():
        if name.startswith("speed"):
            lines += [_row(part["adapter"], row) for row in part["rows"]]
    texts = [SENTENCES[name](parts[name]) for name in SENTENCES if name in parts]
    commands = [f"    {part['command']}    # {_load(part)}" for part in parts.values()]
    return "\n".join([*lines, "", *texts, "", *commands]) + "\n"


def _row(adapter: str, row: Mapping[str, Any]) -> str:
    cells = (
        f"`{adapter}`",
        row["clients"],
        f"{row['requests_per_s']:.1f}",
        f"{row['ratio']:.2f}",
        f"{row['cpu_ratio']:.2f}",
        f"{row['median_ms']:.0f}",
        f"{row['p99_ms'] / row['median_ms']:.1f}",
        f"{row['answered']:,}, {row['wrong']}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _load(part: Mapping[str, Any]) -> str:
    return f"{part['cores']} cores, load {part['load_average_before'][0]:.1f}"


def _kills(part: Mapping[str, Any]) -> str:
    return (
        f"Killed and started again {part['kills']} times under 8 clients: {part['answered']:,} "
        f"answers, {part['wrong']} wrong, {part['ids_twice']} twice; {part['died']} requests died "
        "with the server and were asked again."
    )


def _malformed(part: Mapping[str, Any]) -> str:
    statuses = ", ".join(f"{count:,} {status}" for status, count in part["statuses"].items())
    return (
        f"{part['requests']:,} malformed requests: {statuses}; {part['tracebacks']} tracebacks; "
        f"memory from a tenth of them to all {part['growth']:+.1%}."
    )


def _memory(part: Mapping[str, Any]) -> str:
    first, last = part["memory_mib"]
    return (
        f"Memory after {part['requests'] // 50:,} requests {first:.0f} MiB, after "
        f"{part['requests']:,} {last:.0f} MiB ({part['growth']:+.1%}); {part['wrong']} answers "
        "were wrong."
    )


SENTENCES = {"kills": _kills, "malformed": _malformed, "memory": _memory}
