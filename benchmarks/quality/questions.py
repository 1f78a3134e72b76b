"""Questions as people type them, asked of windows of people whom an adapter has not seen.

    python -m benchmarks.quality.questions --adapter uci-har --data stores/uci_har

The questions (benchmarks/data/human_questions.yaml) were written before any training wording was
looked at; a hash of their text parts them in a half for choosing (`--half validation`, on
validation people) and a half for measuring (`--half test`, on test people). Their truth is computed
from the data. Beside the adapter's dialogue: its question task given every question as typed,
another person's window, the most frequent answer, the same LLM told the truth in words, zero-shot
and with a soft prompt tuned on the training questions (`--told-steps`), a linear probe with the
facts of the nearest training window, the computed truth through the same router (what it loses),
and further adapters (`--also NAME=FOLDER`: random weights retrained).
"""

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import record, write
from benchmarks.quality.question_parts.asked import AskedWindows, make_items
from benchmarks.quality.question_parts.figures import UNTOLD, figures_of
from benchmarks.quality.question_parts.humans import (
    HumanQuestion,
    parts_of,
    read_questions,
)
from benchmarks.quality.question_parts.judging import (
    AskedItem,
    is_right,
)
from benchmarks.quality.question_parts.systems import (
    BEYOND,
    DialogueSystem,
    HeardWindows,
    NearestTraining,
    System,
    fact_reader,
    frequent_answer_of,
    told_system,
    typed_system,
)
from benchmarks.quality.question_parts.table import report
from benchmarks.quality.question_parts.told_tuning import tune_told, tuned_told_system
from sensor2llm.adapter.files import find_adapter
from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import DataError, run_verb
from sensor2llm.evaluation.evaluation import recipe_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.tasks.classification import Prediction
from sensor2llm.tasks.dialogue.answerer import Answerer
from sensor2llm.tasks.dialogue.fact_questions import knows_questions
from sensor2llm.tasks.dialogue.heard_window import HeardWindow
from sensor2llm.tasks.loading import load_model

RESULTS = Path(__file__).resolve().parents[1] / "results" / "human_questions"
RECORD = "metrics_human_questions.json"


def ask_all(
    system: System, items: Sequence[AskedItem], labels: Sequence[str]
) -> list[dict[str, Any]]:
    """Ask a system every item, and judge its answers."""
    rows = []
    for item in items:
        try:
            answers = system(item.question.ask, item.places)
        except DataError:  # longer than the LLM's context
            answers = [""]
        parts = parts_of(item.question)
        asked = [AskedItem(part, item.places, item.facts) for part in parts]
        right = len(answers) == len(parts) and all(
            answer == BEYOND if one.question.kind == "beyond" else is_right(one, answer, labels)
            for one, answer in zip(asked, answers, strict=True)
        )
        rows.append({
            "kind": item.question.kind, "ask": item.question.ask, "places": list(item.places),
            "truth": item.truth, "answer": " ".join(answers), "right": bool(right),
        })  # fmt: skip
    return rows


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask every system; give the figures, and every answer of the adapter's."""
    model = load_model(options.adapter, options.llm)
    labels = model.adapter.label_names
    store = convert_store(WindowStore.open(options.data), model.adapter.spec)
    split = recipe_split(model.adapter.recipe, store)
    people = split.test if options.half == "test" else split.validation
    asked = AskedWindows(store, np.asarray(people), options.windows, options.seed)
    training = AskedWindows(store, np.asarray(split.train), options.training, options.seed)
    questions = read_questions(labels, options.half)
    items = make_items(questions, asked, options.each, options.seed)
    answerer = Answerer(model)
    heard = HeardWindows(answerer, asked.windows)
    shown = [_shown(heard(place)) for place in range(len(asked.windows))]
    other = asked.swapped(np.random.default_rng(options.seed))
    truth_read = fact_reader(lambda one: one.facts)
    nearest = NearestTraining(model, training.windows, training.facts)
    systems: dict[str, tuple[System, Sequence[str] | None]] = {
        "adapter": (DialogueSystem(answerer, heard), shown),
        "another person's window": (DialogueSystem(answerer, lambda p: heard(other[p])), None),
        "probe and nearest training window": (
            DialogueSystem(
                Answerer(model, fact_reader(nearest.facts_of)),
                lambda place: nearest.hear(heard(place), labels),
            ),
            None,
        ),
        "computed truth by the same router": (
            DialogueSystem(
                Answerer(model, truth_read),
                lambda p: _with_truth(heard(p), asked.labels[p], labels),
            ),
            None,
        ),
        "the LLM told the truth, zero-shot": (told_system(model, asked.facts), None),
    }
    if knows_questions(model):
        systems["adapter, questions as typed"] = (typed_system(model, heard), shown)
    if options.told_steps:
        told = tune_told(model, training.facts, steps=options.told_steps, seed=options.seed)
        systems["the LLM told the truth, tuned"] = (tuned_told_system(told, asked.facts), None)
    for name, folder in options.also:
        another = Answerer(load_model(folder, options.llm))
        systems[name] = (DialogueSystem(another, HeardWindows(another, asked.windows)), None)
    answers = {name: ask_all(system, items, labels) for name, (system, _) in systems.items()}
    answers["most frequent answer"] = _frequent(items, questions, training, labels, options)
    result = {
        "half": options.half,
        "people": len({window.subject for window in asked.windows}),
        "windows": len(asked.windows),
        "rows": {
            name: figures_of(rows, systems.get(name, (None, None))[1], labels)
            for name, rows in answers.items()
        },
    }
    return result, answers


def _frequent(
    items: Sequence[AskedItem],
    questions: Sequence[HumanQuestion],
    training: AskedWindows,
    labels: Sequence[str],
    options: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Answer each question with what is right of most training windows; two parts are left out."""
    of_training = defaultdict(list)
    for item in make_items(questions, training, 4 * options.each, options.seed):
        of_training[item.question.ask].append(item)
    best = {ask: frequent_answer_of(group[0], group, labels) for ask, group in of_training.items()}
    alone = [item for item in items if item.question.kind not in (*UNTOLD, "two_part", "why")]
    return ask_all(lambda ask, _: [best.get(ask, "")], alone, labels)


def _shown(one: HeardWindow) -> str:
    return "" if one.prediction is None else one.prediction.label


def _with_truth(one: HeardWindow, label: str, labels: Sequence[str]) -> HeardWindow:
    shares = {name: float(name == label) for name in labels}
    prediction = Prediction(label, shares, one.window.start_s)
    return replace(one, prediction=prediction)


def make_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", default="uci-har")
    parser.add_argument("--data", type=Path, default=Path("stores/uci_har"))
    parser.add_argument("--llm", help="another place of the adapter's LLM")
    parser.add_argument("--half", choices=("validation", "test"), default="test")
    parser.add_argument("--windows", type=int, default=180, help="windows that are asked about")
    parser.add_argument("--training", type=int, default=1200, help="training windows of controls")
    parser.add_argument("--each", type=int, default=6, help="windows, or pairs, a question")
    parser.add_argument("--told-steps", type=int, default=0, help="tune the told LLM so many steps")
    parser.add_argument("--also", type=_named, action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help=f"keep {RECORD} with the adapter")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


def _named(text: str) -> tuple[str, str]:
    name, _, folder = text.partition("=")
    return name, folder


def main() -> None:
    """Measure, print and keep the table."""
    options = make_parser().parse_args()
    torch.set_num_threads(1)
    started = os.getloadavg()
    figures, answers = measure(options)
    result = record(
        "quality.questions", {"adapter": Path(options.adapter).name, **figures}, started
    )
    table = report(result)
    write(result, options.out / "results.json")
    write({"answers": answers}, options.out / "answers.json")
    (options.out / "table.md").write_text(table, encoding="utf-8")
    if options.record:
        own = figures["rows"]["adapter"] | {"split": options.half, "command": result["command"]}
        with replace_file(find_adapter(options.adapter) / RECORD) as part:
            part.write_text(json.dumps(own, indent=2) + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
