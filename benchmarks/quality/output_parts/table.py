"""The table of `benchmarks.quality.outputs`: numbers in their units, then captions."""

from collections.abc import Mapping
from typing import Any

from benchmarks.quality.output_parts.numbers import WAYS

TITLES = {"heart_rate": "heart rate", "fev1": "FEV1"}
SAYERS = {
    "said": "adapter",
    "swapped": "adapter, another person's window heard",
    "training": "captions of training windows in their place",
    "constant": "the one training caption that is truest of training windows",
}
NUMBER_HEAD = (
    "number, normalised", "scale", "by text (95 % over people)", "by head (95 %)",
    "another's window: text, head", "ridge, no LLM (95 %)", "always the mean",
)  # fmt: skip
CAPTION_HEAD = (
    "captions by", "true statements (95 % over people)", "no statement", "statements a caption",
)  # fmt: skip


def report(result: Mapping[str, Any]) -> str:
    """Write what was measured as Markdown; a part that was not run is left out."""
    lines: list[str] = []
    numbers = [
        row
        for name, parts in result["numbers"].items()
        for normalised, part in parts.items()
        for row in number_rows(TITLES[name], normalised, part)
    ]
    if numbers:
        lines += [*_table(NUMBER_HEAD, numbers), "", told(result["numbers"])]
    if result.get("captions"):
        lines += ["", *_table(CAPTION_HEAD, caption_rows(result["captions"]))]
        captions = result["captions"]
        lines += [
            "",
            f"Captions: {captions['windows']:,} windows of {captions['people']} test people; the "
            f'last row says "{captions["constant_caption"]}" of every window.',
        ]
    return "\n".join([*lines, "", f"    {result['command']}"]).lstrip("\n")


def number_rows(title: str, normalised: str, part: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Give a row a way to tell the scale."""
    unit = part["unit"]
    return [
        (
            f"{title}, {normalised}",
            scale,
            *(spread(row[way], unit) for way in WAYS),
            ", ".join(number(row["swapped"][way]) for way in WAYS),
            spread(row["ridge"], unit),
            f"{number(part['mean']['value'])} {unit}",
        )
        for scale, row in part["rows"].items()
    ]


def caption_rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Give a row a way to come by captions."""
    rows = result["rows"]
    return [
        (
            title,
            share(rows[name]),
            f"{rows[name]['unparsed']:.1%}",
            f"{rows[name]['statements']:.1f}",
        )
        for name, title in SAYERS.items()
    ]


def told(numbers: Mapping[str, Mapping[str, Any]]) -> str:
    """Say how many windows judged, and what telling the scale changed, in the target's unit."""
    parts = []
    for name, by_normalised in numbers.items():
        for normalised, part in by_normalised.items():
            changes = [
                f"{scale} by {way} {change(row[way]['told'], part['unit'])}"
                for scale, row in part["rows"].items()
                for way in WAYS
                if "told" in row[way]
            ]
            whose = f"{part['windows']:,} windows of {part['people']} test people"
            parts.append(f"- {TITLES[name]}, {normalised}, {whose}: {'; '.join(changes)}.")
    return "\n".join(["Error with the scale told less that without:", "", *parts])


def spread(row: Mapping[str, Any], unit: str) -> str:
    """Write a value in its unit, with its interval."""
    between = row["interval"]
    ends = f" ({number(between[0])} to {number(between[1])})" if between else ""
    return f"{number(row['value'])} {unit}{ends}"


def number(value: float) -> str:
    """Write three digits that count, zeros at the end too."""
    return f"{value:#.3g}".rstrip(".")


def change(row: Mapping[str, Any], unit: str) -> str:
    """Write a difference with its sign, and its interval."""
    between = row["interval"]
    ends = f" ({between[0]:+.2g} to {between[1]:+.2g})" if between else ""
    return f"{row['value']:+.2g} {unit}{ends}"


def share(row: Mapping[str, Any]) -> str:
    """Write a share with its interval."""
    between = row["interval"]
    ends = f" ({between[0]:.1%} to {between[1]:.1%})" if between else ""
    return f"{row['value']:.1%}{ends}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *rows)]
