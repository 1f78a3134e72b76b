"""The table of `benchmarks.quality.questions`: who was asked, and what share was right by kind."""

from collections.abc import Mapping
from typing import Any

KINDS = {
    "label": "label",
    "yes_no": "yes/no, label",
    "fact": "fact",
    "fact_yes_no": "yes/no, fact",
    "comparison": "two windows",
    "why": "why",
    "two_part": "two parts",
    "unanswerable": "refused",
}


def report(result: Mapping[str, Any]) -> str:
    """Write what was measured as Markdown."""
    rows = result["rows"]
    kinds = [kind for kind in KINDS if any(kind in row["by_kind"] for row in rows.values())]
    head = ["asked", *(KINDS[kind] for kind in kinds), "mean over kinds", "over questions",
            "yes/no balanced", "wrong refusals", "against the label shown"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, row in rows.items():
        shares = [row["by_kind"].get(kind, {}).get("right") for kind in kinds]
        shares += [row["mean_over_kinds"], row["true"], row["yes_no_balanced"]]
        shares += [row["wrong_refusals"], row.get("contradictions")]
        lines.append("| " + " | ".join([name, *map(_percent, shares)]) + " |")
    beyond = rows["adapter"]["by_kind"].get("beyond")
    about = (
        f"{rows['adapter']['questions']:,} questions about {result['windows']} windows of "
        f"{result['people']} {result['half']} people; wordings of the {result['half']} half."
    )
    if beyond:
        about += f" Of questions beyond the window {_percent(beyond['right'])} % were seen as such."
    return "\n".join([*lines, "", f"Shares in %. {about}", "", f"    {result['command']}", ""])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}"
