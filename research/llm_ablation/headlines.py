"""One row a question, language models side by side, and what is won in three sentences.

    results = read_results(Path("research/llm_ablation/results"))
    side_by_side(results)                a Markdown table
    sentences(results)                   what is won, what is not, and the small model

A row stands for the language model's weights, for random ones that the same bridge was trained on,
and for the best method without a language model.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from research.llm_ablation.joint import PROBE as HEADS
from research.llm_ablation.shots import PROBE, SHOTS
from research.llm_ablation.training import RANDOM, TRAINED
from research.llm_ablation.words import SPELLING

Figures = Mapping[str, Any]
Results = Mapping[str, Mapping[str, Figures]]
LARGE, SMALL = "smollm2", "bundled"
MARGIN = 0.02
WORDS, JOINT = "label words never seen in training", "one adapter over three data sets"
STYLES = {"wordings": "questions in unseen wordings", "templates": "questions of unseen kinds"}
SHARE, SCORE = "share true", "macro-F1"


@dataclass(frozen=True)
class Headline:
    """Hold one row's figures.

    Args:
        measure: what they are.
        trained: on the language model's weights.
        random: on random weights, the bridge trained anew.
        without: the best method without a language model.
        sure: whether no 95 % interval that was measured of a difference holds zero.
    """

    measure: str
    trained: float
    random: float
    without: float
    sure: bool = True

    @property
    def ahead(self) -> bool:
        """Say whether the weights are ahead of both others, by `MARGIN` and more than chance."""
        return self.sure and self.trained >= max(self.random, self.without) + MARGIN

    def __str__(self) -> str:
        return (
            f"{self.measure} {self.trained:.3f}; random weights {self.random:.3f}, "
            f"no language model {self.without:.3f}"
        )


def read_results(folder: Path) -> dict[str, dict[str, Figures]]:
    """Read every part's figures by language model, the large one first."""
    names = {path.parent.name for path in folder.glob("*/*.json")}
    order = sorted(names | {LARGE, SMALL}, key=lambda name: (name != LARGE, name != SMALL, name))
    return {
        name: {
            part: json.loads((folder / name / f"{part}.json").read_text(encoding="utf-8"))
            for part in HEADLINES
            if (folder / name / f"{part}.json").is_file()
        }
        for name in order
    }


def words_headlines(figures: Figures) -> dict[str, Headline]:
    """Give the row of the part `words`; a matcher that needs no language model goes by spelling."""
    methods = [figures["runs"][TRAINED], figures["runs"][RANDOM], figures["matching"][SPELLING]]
    scores = [_mean_f1(method["unseen"]) for method in methods]
    return {WORDS: Headline(SCORE, *scores, figures["difference"]["interval"][0] > 0)}


def shots_headlines(figures: Figures) -> dict[str, Headline]:
    """Give the rows of the part `shots`."""
    rows = {}
    for shots, part in figures["shots"].items():
        scores = [_mean_f1(part["runs"][method]) for method in (TRAINED, RANDOM, PROBE)]
        sure = all(against["interval"][0] > 0 for against in part["against"].values())
        rows[_shots_title(shots)] = Headline(SCORE, *scores, sure)
    return rows


def questions_headlines(figures: Figures) -> dict[str, Headline]:
    """Give the rows of the part `questions`; without an LLM: heads, or the frequent answer."""
    rows = {}
    for style, title in STYLES.items():
        true = {method: run["new"]["true"] for method, run in figures[style].items()}
        without = max(true["no LLM"], true["frequent"])
        rows[title] = Headline(SHARE, true[TRAINED], true[RANDOM], without)
    return rows


def joint_headlines(figures: Figures) -> dict[str, Headline]:
    """Give the row of the part `joint`, the mean over data sets."""
    sets = figures["data_sets"].values()
    trained, random = (
        mean(_mean_f1(part["one adapter"][llm]) for part in sets) for llm in (TRAINED, RANDOM)
    )
    heads = mean(part[HEADS]["macro_f1"] for part in sets)
    return {JOINT: Headline(SCORE, trained, random, heads)}


def _shots_title(shots: object) -> str:
    return f"{shots} labelled window{'' if str(shots) == '1' else 's'} a class"


HEADLINES: Mapping[str, tuple[Callable[[Figures], dict[str, Headline]], tuple[str, ...]]] = {
    "words": (words_headlines, (WORDS,)),
    "shots": (shots_headlines, tuple(map(_shots_title, SHOTS))),
    "questions": (questions_headlines, tuple(STYLES.values())),
    "joint": (joint_headlines, (JOINT,)),
}
"""By part: how its rows are read, and their titles."""


def headlines(parts: Mapping[str, Figures]) -> dict[str, Headline | None]:
    """Give all rows of one language model; None for what is not measured."""
    return {
        title: rows[title] if rows else None
        for part, (read, titles) in HEADLINES.items()
        for rows in [read(parts[part]) if part in parts else {}]
        for title in titles
    }


def side_by_side(results: Results) -> str:
    """Write all rows, three columns a language model."""
    columns = {llm: headlines(parts) for llm, parts in results.items()}
    head = ["what", *(c for llm in columns for c in (f"`{llm}`", "random weights", "no LLM"))]
    lines = [head, ["---"] * len(head)]
    for title in headlines({}):
        cells = [cell for rows in columns.values() for cell in _cells(rows[title])]
        lines.append([title, *cells])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{text}\n\n{SCORE}; of questions: {SHARE}. –: not measured yet."


def _cells(row: Headline | None) -> list[str]:
    values = (row.trained, row.random, row.without) if row else ()
    return [f"{value:.3f}" for value in values] or ["–"] * 3


def sentences(results: Results) -> str:
    """Say what the large language model wins, what it does not, and what the small one wins."""
    large, small = (headlines(results.get(llm, {})) for llm in (LARGE, SMALL))
    won = _listed(f"{title} ({row})" for title, row in large.items() if row and row.ahead)
    lost = _listed(f"{title} ({row})" for title, row in large.items() if row and not row.ahead)
    small_won = _listed(title for title, row in small.items() if row and row.ahead)
    return (
        f"`{LARGE}` is ahead of the same bridge trained on random weights, and of every method "
        f"without a language model, in {won}{_missing(large)}. "
        f"It is not, by {100 * MARGIN:g} points and more than chance, in {lost}. "
        f"`{SMALL}` is ahead in {small_won}{_missing(small)}."
    )


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items) or "nothing"


def _missing(rows: Mapping[str, Headline | None]) -> str:
    missing = [title for title, row in rows.items() if row is None]
    return f" (not measured yet: {', '.join(missing)})" if missing else ""


def _mean_f1(runs: Iterable[Figures]) -> float:
    return mean(run["macro_f1"] for run in runs)
