"""All parts' figures as one page of Markdown, and in sentences whether the LLM adds anything.

A sentence is made from the figures: the LLM adds where the mean difference's 95 % interval, over
people and over word sets or seeds, lies above zero, and is worse where it lies below; where it
holds zero, the LLM adds nothing that is sure.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean

from research.llm_ablation.headlines import Figures, Results, side_by_side
from research.llm_ablation.joint import PROBE as HEADS
from research.llm_ablation.shots import PROBE
from research.llm_ablation.training import RANDOM, TRAINED

WISHED_POINTS = 20.0
JOINT_POINTS = 2.0


def report(results: Results) -> str:
    """Write a page: language models side by side, then what was run of each."""
    pages = ["# What the language model is worth", side_by_side(results)]
    for llm, parts in results.items():
        sections = [SECTIONS[name](figures) for name, figures in parts.items()]
        pages += [f"## `{llm}`", *sections] if sections else []
    return "\n\n".join(pages) + "\n"


def words_section(found: Figures) -> str:
    """Write the part `words`."""
    runs, matching = found["runs"], found["matching"]
    rows = [(llm, _f1(run["own"]), *_unseen(run["unseen"])) for llm, run in runs.items()]
    for name, match in matching.items():
        if name != "own":
            told = f"probe, words matched by {name} ({match['right']:.0%} right)"
            rows.append((told, _f1(matching["own"]), *_unseen(match["unseen"])))
    heads = tuple(runs[TRAINED]["by_prior"])
    priors = [
        (llm, *(f"{value:.3f}" for value in run["by_prior"].values())) for llm, run in runs.items()
    ]
    return _section(
        "Label words never seen in training",
        found,
        table(("method", "own words, macro-F1", "unseen words, mean", "from … to"), rows),
        f"Unseen words by what is taken off a word's score; the table above: {found['prior']}.",
        table(("run", *heads), priors),
        verdict("Unseen words", found["difference"], WISHED_POINTS),
    )


def shots_section(found: Figures) -> str:
    """Write the part `shots`."""
    rows, verdicts = [], []
    for shots, part in found["shots"].items():
        for method, runs in part["runs"].items():
            values = [run["macro_f1"] for run in runs]
            rows.append(
                (shots, method, f"{mean(values):.3f}", f"{min(values):.3f} to {max(values):.3f}")
            )
        for other, against in part["against"].items():
            verdicts.append(verdict(f"{shots} a class, against {_named(other)}", against))
    head = ("windows a class", "method", "macro-F1, mean over seeds", "from … to")
    return _section(
        f"Few labelled windows, {len(found['seeds'])} draws", found, table(head, rows), *verdicts
    )


def questions_section(found: Figures) -> str:
    """Write the part `questions`."""
    rows, verdicts = [], []
    for style in ("wordings", "templates"):
        runs = found[style]
        for method, run in runs.items():
            new, known = run["new"], run["known"]
            rows.append(
                (
                    style,
                    method,
                    *(f"{value['true']:.3f}" for value in (known, new)),
                    f"{new['swapped_true']:.3f}" if "swapped_true" in new else "",
                )
            )
        gain = 100 * (runs[TRAINED]["new"]["true"] - runs[RANDOM]["new"]["true"])
        usual = 100 * (runs[TRAINED]["new"]["true"] - runs["frequent"]["new"]["true"])
        verdicts.append(
            f"- Held-out {style}: {gain:+.1f} points of true answers against random weights, "
            f"{usual:+.1f} against each question's most frequent answer."
        )
        if runs[RANDOM]["known"]["true"] < runs["frequent"]["known"]["true"]:
            verdicts.append(
                "- Random weights are below the most frequent answer on known questions too: they "
                "did not learn to write in these steps, so the difference to them says little."
            )
    head = ("held out", "method", "known questions, true", "held-out ones, true", "window swapped")
    return _section("Questions that no head was trained for", found, table(head, rows), *verdicts)


def joint_section(found: Figures) -> str:
    """Write the part `joint`."""
    rows, verdicts = [], []
    for name, part in found["data_sets"].items():
        for llm, one in part["one adapter"].items():
            each, difference = part["one each"][llm], part["differences"][llm]
            points = 100 * difference["macro_f1"]
            low, high = (100 * bound for bound in difference["interval"])
            told = f"{points:+.1f} ({low:+.1f} to {high:+.1f})"
            seeds = f"{llm}, {len(one)} seeds" if len(one) > 1 else f"{llm}, 1 seed"
            rows.append((name, seeds, _mean_f1(one), _mean_f1(each), told))
            far = "at most" if points >= -JOINT_POINTS else "more than"
            if llm == TRAINED:
                verdicts.append(
                    f"- {name}: one for all is {far} {JOINT_POINTS:g} points behind its own."
                )
        rows.append((name, HEADS, "", _f1(part[HEADS]), ""))
    head = ("data set", "method", "one for all, macro-F1", "one each, macro-F1", "points (95 %)")
    return _section("One adapter over three data sets", found, table(head, rows), *verdicts)


SECTIONS: Mapping[str, Callable[[Figures], str]] = {
    "words": words_section,
    "shots": shots_section,
    "questions": questions_section,
    "joint": joint_section,
}


def verdict(told: str, difference: Figures, wished: float | None = None) -> str:
    """Say what the figures say: how far ahead the LLM is, and whether that is more than chance."""
    points, each = 100 * difference["macro_f1"], [100 * value for value in difference["each"]]
    low, high = (100 * bound for bound in difference["interval"])
    sure = "adds" if low > 0 else "is worse" if high < 0 else "adds nothing that is sure"
    text = f"- {told}: the LLM {sure}, {points:+.1f} points ({low:+.1f} to {high:+.1f}"
    text += f"; single pairs {min(each):+.1f} to {max(each):+.1f})" if len(each) > 1 else ")"
    if wished is None:
        return f"{text}."
    reached = "reached" if points >= wished else "not reached"
    return f"{text}; {wished:g} points were wished: {reached}."


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write rows as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _section(title: str, found: Figures, *blocks: str) -> str:
    command = found.get("command")
    lines = [b for b in blocks if b.startswith("- ")]
    texts = [b for b in blocks if not b.startswith("- ")]
    said = [f"`{command}`"] if command else []
    return "\n\n".join([f"### {title}", *said, *texts, "\n".join(lines)])


def _f1(run: Figures) -> str:
    return f"{run['macro_f1']:.3f}"


def _mean_f1(runs: Sequence[Figures]) -> str:
    return f"{mean(run['macro_f1'] for run in runs):.3f}"


def _unseen(runs: Sequence[Figures]) -> tuple[str, str]:
    values = [run["macro_f1"] for run in runs]
    return f"{mean(values):.3f}", f"{min(values):.3f} to {max(values):.3f}"


def _named(method: str) -> str:
    return "the probe" if method == PROBE else "random weights"
