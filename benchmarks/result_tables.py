"""Tables of benchmarks that write their own, and of the adapter that answers questions."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.quality.pooled_scores import table as pooled_table
from benchmarks.quality.rhythm import alarm_table
from sensor2llm.evaluation.cards.task import SHARES, question_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
QUESTIONS = ROOT / "adapters" / "uci-har-questions-bundled" / "metrics_question_answering.json"
TITLE = "# What the language model is worth"
NAMES = ("missing_sensors", "bridges", "asthma", "quantised", "rhythm_numbers", "outputs",
         "human_questions", "unlike", "leave_one_out", "devices", "few_people",
         "calibration")  # fmt: skip


def written(name: str) -> str:
    """Give a benchmark's table with the command that made it; nothing where it was not run."""
    folder = RESULTS / name
    if not (folder / "table.md").is_file():
        return ""
    table = (folder / "table.md").read_text(encoding="utf-8").rstrip()
    if not (folder / "results.json").is_file():
        return f"{table}\n"
    command = json.loads((folder / "results.json").read_text(encoding="utf-8"))["command"]
    return f"{table}\n" if command in table else f"{table}\n\n    {command}\n"


def worth(page: str) -> str:
    """Give what the LLM is worth: `table` or `sentences`, headings as plain bold lines."""
    path = ROOT / "research" / "llm_ablation" / "results" / f"{page}.md"
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8").removeprefix(TITLE).strip().split("\n")
    texts = (f"**{line.lstrip('# ')}**" if line.startswith("#") else line for line in lines)
    return "\n".join(texts).strip() + "\n"


def pooled(name: str) -> str:
    """Give what methods reach on all folds' test people together, and their false alarms."""
    path = RESULTS / name / "results.json"
    if not path.is_file():
        return ""
    result = json.loads(path.read_text(encoding="utf-8"))
    parts = [pooled_table(result["rows"])]
    if result.get("false_alarms"):
        parts.append(alarm_table(result["false_alarms"]))
    used = result["data"].get("used")
    if used:
        windows = ", ".join(f"{count:,} {label}" for label, count in used.items())
        gone = ", ".join(f"{count:,} {why}" for why, count in result["data"]["left out"].items())
        parts.append(f"Windows: {windows}. Left out: {gone}.")
    return "\n\n".join([*parts, f"    {result['command']}"]) + "\n"


def questions() -> str:
    """Give the shares of true answers of the released adapter, by kind of question."""
    if not QUESTIONS.is_file():
        return ""
    result = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    shares = "; ".join(
        f"{text} {result[name]:.1%}" for name, text in SHARES.items() if name in result
    )
    people = f"{result['windows']:,} windows of {result['subjects']} test people"
    parts = (
        question_table(result),
        f"{people}, all questions: {shares}.",
        f"    {result['command']}",
    )
    return "\n\n".join(parts) + "\n"


def conversation() -> str:
    """Give how often the second window of a chat is answered as it is alone."""
    path = RESULTS / "conversation_uci-har.json"
    if not path.is_file():
        return ""
    result = json.loads(path.read_text(encoding="utf-8"))
    text = (
        f"{result['second_equals_alone']:.1%} of {result['pairs']} second answers are what the "
        f"model writes for that window alone, {result['first_again']:.1%} the first answer again; "
        f"{result['second_right']:.1%} are right, alone {result['alone_right']:.1%}."
    )
    return f"{text}\n\n    {result['command']}\n"


def live() -> str:
    """Give how soon answers come and whether memory grows while listening; nothing before a run."""
    path = RESULTS / "live.json"
    parts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    lines = ["| what | measured |", "|---|---|"] if parts else []
    if one := parts.get("answers"):
        rate = f"{one['channels']} channels at {one['rate_hz']:g} Hz"
        what = f"`{one['adapter']}`, {rate}, an answer every {one['step_s']:g} s"
        keys = ("beyond_forward_s", "forward_s", "cpu_answer_s", "cpu_forward_s")
        beyond, forward, cpu, cpu_forward = (1000 * one[key]["median"] for key in keys)
        lines += [
            f"| {what}, {one['seconds']:g} s | {one['answers']} answers, "
            f"{one['skipped']} skipped |",
            "| from a window's last sample to its answer, CPU time (a forward of it) "
            f"| {cpu:.0f} ms ({cpu_forward:.0f} ms) |",
            "| the same by the clock, beside other work, beyond one forward (a forward) "
            f"| {beyond:.0f} ms ({forward:.0f} ms) |",
            f"| of one core, listening, CPU time | {one['cpu_share']:.0%} |",
        ]
    names = {"day": "listened to", "played": "played from a file"}
    for part, name in names.items():
        if one := parts.get(part):
            growth = f"{one['growth']:+.1%} of {one['mib_each_hour'][0]:.0f} MiB"
            lines.append(
                f"| memory after the first hour, and at most in {one['hours']:g} h {name} "
                f"({one['answers']} answers) | {growth} |"
            )
    commands = [
        f"    {one['command']}    # load {one['load_average_before'][0]:.0f} on "
        f"{one['cores']} cores" for one in parts.values()
    ]  # fmt: skip
    return "\n".join([*lines, "", *commands]) + "\n" if parts else ""


RESULT_TABLES: Mapping[str, Callable[[], str]] = {
    "questions": questions,
    "llm_worth": partial(worth, "table"),
    "llm_sentences": partial(worth, "sentences"),
    "conversation": conversation,
    "live": live,
    **{name: partial(written, name) for name in NAMES},
    **{name: partial(pooled, name) for name in ("rhythm", "stress")},
}
