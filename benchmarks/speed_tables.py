"""Tables of time and memory, from what the modules of `benchmarks.speed` measured."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
GROWTH = re.compile(r"(label|train), (\w+) ([\d,]+)")


RATIOS = {
    "training_against_llm_alone": "adapter training / the LLM's own forward and backward",
    "scoring_against_bare_forward": "label scoring / the LLM's bare forward",
    "scoring_against_each_label": "label scoring / each label alone",
    "training_against_long_prompt": "adapter training / that of release 0.1 (P = 8, K = 8)",
    "scoring_against_long_prompt": "label scoring / that of release 0.1",
}


def speed() -> str:
    """Give the ratios that `benchmarks.speed.adapter_speed` measured, an LLM at a time."""
    return "\n".join(_speed(llm) for llm in ("bundled", "smollm2"))


def _speed(llm: str) -> str:
    path = RESULTS / "speed" / f"{llm}.json"
    if not path.is_file():
        return ""
    result = json.loads(path.read_text(encoding="utf-8"))
    measured = result.get("auto") or result["sdpa"]
    lines = [f"| `{llm}`: ratio within one run | measured | windows/s |", "|---|---|---|"]
    for name, title in RATIOS.items():
        if (row := measured.get(name)) is None:
            continue
        lines.append(f"| {title} | {row['ratio']:.2f} | {row['windows_per_s']:.0f} |")
    load = result["load_average_before"][0]
    ran = f"{result['threads']} thread, load {load:.1f}, torch {result['torch']}"
    return "\n".join([*lines, "", f"    {result['command']}    # {ran}"]) + "\n"


def pretraining_speed() -> str:
    """Give windows a second of each way to pretrain, their ratios, and what the encoders reach."""
    path = RESULTS / "pretraining_speed.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if "speed" not in result:
        return ""
    fast, judged = result["speed"], result.get("probe", {"summary": {}})
    head = ("store", "pretraining", "batch", "windows/s", "linear probe's macro-F1, test people")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for one in fast["stores"]:
        reached = judged["summary"].get(one["store"], {})
        for name, row in one["variants"].items():
            score = reached.get(name)
            text = f"{spread(score)}, {score['seeds']} seeds" if score else "–"
            cells = (f"{row['title']}, {row['precision']}", row["batch_size"])
            rate = f"{row['windows_per_s']:,.0f}"
            lines.append(f"| {one['store']} | {cells[0]} | {cells[1]} | {rate} | {text} |")
    lines += ["", f"| ratio within one run | {' | '.join(x['store'] for x in fast['stores'])} |"]
    lines.append("|---" * (1 + len(fast["stores"])) + "|")
    for name in fast["stores"][0]["ratios"]:
        values = " | ".join(f"{x['ratios'][name]['ratio']:.1f}" for x in fast["stores"])
        lines.append(f"| {name.replace('/', ' / ').replace('_', ' ')} | {values} |")
    commands = [f"    {part['command']}" for part in (fast, judged) if "command" in part]
    return "\n".join([*lines, "", *commands]) + "\n"


def audit() -> str:
    """Give the audit's time against bare encoding, and its memory, as `audit_speed` measured."""
    results = [json.loads(p.read_text(encoding="utf-8")) for p in RESULTS.glob("audit_speed*.json")]
    results.sort(key=lambda one: int(one["numbers"][0]["values"]))
    if not results:
        return ""
    lines = ["| time of an audit / bare encoding of the same text | values | numbers | raw lines |"]
    lines.append("|---" * 4 + "|")
    for one in results:
        for numbers, raw in zip(one["numbers"], one["raw_lines"], strict=True):
            names = ", ".join(dict.fromkeys(row["tokenizer"] for row in numbers["bare"]))
            ratios = f"{numbers['ratio']:.2f} | {raw['ratio']:.2f}"
            lines.append(f"| {names} | {numbers['values']:,} | {ratios} |")
    memory, stream = (
        json.loads((RESULTS / f"audit_{name}.json").read_text(encoding="utf-8"))
        for name in ("memory", "stream")
    )
    few, many = stream["runs"]
    forms = dict.fromkeys(row["written"] for row in results[0]["numbers"][0]["bare"])
    text = (
        f"Numbers are written as {', '.join(forms)}, and writing them counts. Peak memory: "
        f"{memory['peak_mib']:.0f} MiB for {memory['values']:,} values, "
        f"{memory['tokenizers']} tokenizers and "
        f"{memory['serialisers']} forms; {few['peak_mib']:.0f} MiB for {few['lines']:,} lines and "
        f"{many['peak_mib']:.0f} MiB for {many['lines']:,}."
    )
    commands = [f"    {one['command']}" for one in (*results, memory, stream)]
    return "\n".join([*lines, "", text, "", *commands]) + "\n"


def exported() -> str:
    """Give what another engine wins in label scoring, as `benchmarks.speed.exported` measured."""
    path = RESULTS / "exported.json"
    if not path.is_file():
        return ""
    result = json.loads(path.read_text(encoding="utf-8"))
    head = ("engine", "batch", "times as fast", "labels equal", "scores differ by up to, nats")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in result["rows"]:
        cells = (row["engine"], row["batch"], f"{row['gain']:.2f}", f"{row['labels_equal']:.0%}")
        lines.append(f"| {' | '.join(map(str, cells))} | {row['greatest_difference_nats']:.1f} |")
    return "\n".join([*lines, "", f"    {result['command']}"]) + "\n"


def compiled(path: Path = RESULTS / "compiled.json") -> str:
    """Give what compiling costs and wins in training, and when that pays; nothing before a run."""
    if not path.is_file():
        return ""
    result = json.loads(path.read_text(encoding="utf-8"))
    head = ("LLM", "precision", "batch", "compiling, s", "another batch size, s", "times as fast",
            "pays after")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in result["rows"]:
        steps = row["pays_after_steps"]
        cells = [row["llm"], row["precision"], row["batch_size"], row["compiling_s"]]
        cells += [
            row["another_batch_size_s"],
            f"{row['training']['ratio']:.2f}",
            "never" if steps is None else f"{steps:,} steps",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, "", f"    {result['command']}"]) + "\n"


def cost(path: Path = RESULTS / "bench.json") -> str:
    """Give how cost grows along each axis, and what is aimed at; nothing before a run."""
    if not path.is_file():
        return ""
    result = json.loads(path.read_text(encoding="utf-8"))
    figures = result["figures"]
    lines = ["| what grows | to | labelling, times the base | training, times the base |"]
    lines.append("|---|---|---|---|")
    points = {m.group(2, 3): None for name in figures if (m := GROWTH.fullmatch(name))}
    for axis, value in points:
        cells = (_shown(figures.get(f"{verb}, {axis} {value}")) for verb in ("label", "train"))
        lines.append(f"| {axis.replace('_', ' ')} | {value} | {' | '.join(cells)} |")
    if path.with_suffix(".png").is_file():
        picture = f"../../benchmarks/results/{path.stem}.png"
        lines += ["", f"![Cost of a window over the base's, along each axis]({picture})"]
    lines += ["", "| cost within one run | median (least to greatest) | aim, at most | |"]
    lines.append("|---|---|---|---|")
    others = {name: f for name, f in figures.items() if not GROWTH.fullmatch(name)}
    lines += [f"| {name} | {_shown(figure)} | {_aim(figure)} |" for name, figure in others.items()]
    for missing in result.get("left_out", ()):
        lines += ["", f"Left out: {missing}."]
    kind = "a quick run, no record; " if result["quick"] else ""
    busy = "busy" if result["busy"] else "idle"
    precision = f", {result['precision']}" if "precision" in result else ""
    machine = f"{busy} machine, {result['cores']} cores{precision}"
    ran = f"{kind}{machine}, {result['seconds'] / 60:.0f} minutes"
    return "\n".join([*lines, "", f"    {result['command']}    # {ran}"]) + "\n"


def _aim(figure: Mapping[str, Any]) -> str:
    most = figure.get("aim")
    if most is None:
        return "– | "
    return f"{most:.2f} | {'reached' if figure['median'] <= most else 'missed'}"


def _shown(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return "–"
    return f"{figure['median']:.2f} ({figure['least']:.2f} to {figure['most']:.2f})"


def reading() -> str:
    """Give what large files cost to prepare, as `benchmarks.speed.reading` measured it."""
    lines = [
        "| file | MB | CPU s | of a typed read and the writing | peak, MB |",
        "|---|" + "---|" * 4,
    ]
    commands = []
    for path in (RESULTS / "reading.json", RESULTS / "reading_formats.json"):
        if not path.is_file():
            continue
        result = json.loads(path.read_text(encoding="utf-8"))
        for row in (*result["files"], *result["formats"]):
            times = f"{row['prepare_s']:.1f} | {row['ratio']:.2f}" if "ratio" in row else "– | –"
            name, size = row.get("format", "csv"), f"{row['megabytes']:,.0f}"
            lines.append(f"| {name} | {size} | {times} | {row['peak_mb']:.0f} |")
        load = result["load_average_before"][0]
        commands.append(f"    {result['command']}    # {result['cores']} cores, load {load:.1f}")
    return "\n".join([*lines, "", *commands]) + "\n" if commands else ""


def spread(figures: Mapping[str, Any]) -> str:
    """Give a mean and its deviation over runs."""
    return f"{figures['macro_f1']:.3f} ± {figures['sd']:.3f}"


SPEED_TABLES: Mapping[str, Callable[[], str]] = {
    "audit": audit,
    "speed": speed,
    "cost": cost,
    "pretraining_speed": pretraining_speed,
    "exported": exported,
    "compiled": compiled,
    "reading": reading,
}
