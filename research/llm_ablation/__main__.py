"""What the language model is worth, each part beside random weights and beside no LLM at all.

    python -m research.llm_ablation --part words          label words never seen in training
    python -m research.llm_ablation --part shots          one and five labelled windows a class
    python -m research.llm_ablation --part questions      questions that no head was trained for
    python -m research.llm_ablation --part joint          one adapter over three data sets

`--llm smollm2` measures another language model. What is done is kept in OUT and not made again, so
that an interrupted part goes on. Figures go to `research/llm_ablation/results/LLM/PART.json`
(`--results`), all parts and language models together to `table.md` there, and what is won to
`sentences.md`, which README shows. Training runs for `--steps` steps and is judged as it ends.
What is chosen is chosen with `--judges validation`: other people, and other unseen words.

Of `shots` and `joint` the loss is the cross-entropy over the labels' scores: random weights can be
fitted to it, but hardly to saying words, where they lose for want of training too.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import record
from research.llm_ablation.headlines import read_results, sentences
from research.llm_ablation.joint import ANY, JointPart, Together, write_joined
from research.llm_ablation.judged import without_predictions
from research.llm_ablation.label_words import UNSEEN, LabelWords
from research.llm_ablation.questions import QuestionsPart
from research.llm_ablation.shots import ShotsPart, label_free_encoder
from research.llm_ablation.table import report
from research.llm_ablation.training import RANDOM, TRAINED, Bench
from research.llm_ablation.words import WordsPart
from sensor2llm.errors import run_verb
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import Recipe, adapter_loop
from sensor2llm.signals.config import SplitConfig
from sensor2llm.training.record import write_json

RESULTS = Path(__file__).resolve().parent / "results"
SETS: Mapping[str, tuple[str, SplitConfig]] = {
    "uci_har": ("uci-har-encoder", SplitConfig(kind="published")),
    "wisdm_watch": ("wisdm-watch-encoder", SplitConfig(kind="fold")),
    "wesad_wrist_stress": ("wesad-wrist-stress-encoder", SplitConfig(kind="fold")),
}
"""Each data set's frozen encoder, and the split that it was made with."""
BUDGETS = {"words": (24, 12), "shots": (100, 64), "questions": (400, 64), "joint": (276, 64)}
"""Steps of each training, and items a step."""


def recipe_of(name: str, part: str, options: argparse.Namespace) -> Recipe:
    """Give the recipe of one data set in one part."""
    encoder, split = SETS[name]
    steps, batch = budget(part, options)
    # An average of weights over a hundred steps would hold what they started from.
    decay = adapter_loop().ema_decay if steps > 200 else 0.0
    loop = replace(adapter_loop(), steps=steps, epochs=steps, batch_size=batch)
    return Recipe(
        data=options.stores / name,
        split=split,
        encoder=encoder,
        llm=options.llm,
        objective="labels",
        loop=replace(loop, patience=0, ema_decay=decay),
        out=options.out / name,
    )


def budget(part: str, options: argparse.Namespace) -> tuple[int, int]:
    """Give a part's steps of each training, and the items of a step."""
    steps, batch = BUDGETS[part]
    return options.steps or steps, options.batch or batch


def kept_in(part: str, options: argparse.Namespace) -> Path:
    """Give the folder of a part's runs; another budget has another one."""
    steps, batch = budget(part, options)
    folder = options.out / Path(options.llm).name / f"{part}-{steps}-steps-of-{batch}"
    # Bridges of the part `words` are kept, whichever windows judge.
    return folder if part == "words" else folder / f"{options.judges}-{options.windows}"


def words(options: argparse.Namespace) -> dict[str, Any]:
    """Run the part `words` on one data set."""
    bench = open_bench(recipe_of(options.data, "words", options), options)
    labels = LabelWords.load(options.data, bench.store.label_names, options.judges)
    return WordsPart(bench, labels, kept_in("words", options) / options.data).run()


def open_bench(recipe: Recipe, options: argparse.Namespace) -> Bench:
    """Open a recipe's data, with the windows that judge."""
    return Bench.open(recipe, options.windows, options.judges)


def shots(options: argparse.Namespace) -> dict[str, Any]:
    """Run the part `shots` on one data set."""
    recipe = recipe_of(options.data, "shots", options)
    folder = options.out / f"{options.data}-label-free-encoder"
    encoder = label_free_encoder(recipe, folder, EncoderRecipe())
    recipe = replace(recipe, encoder=encoder, out=options.out / f"{options.data}-label-free")
    bench = open_bench(recipe, options)
    return ShotsPart(bench, tuple(options.seeds), kept_in("shots", options) / options.data).run()


def questions(options: argparse.Namespace) -> dict[str, Any]:
    """Run the part `questions` on one data set."""
    recipe = recipe_of(options.data, "questions", options)
    bench = Bench.open(recipe, min(options.windows, 300), options.judges)
    return QuestionsPart(bench, kept_in("questions", options) / options.data).run()


def joint(options: argparse.Namespace) -> dict[str, Any]:
    """Run the part `joint` on all data sets."""
    recipes = {name: recipe_of(name, "joint", options) for name in SETS}
    benches = {name: open_bench(recipe, options) for name, recipe in recipes.items()}
    stores = {options.stores / name: split for name, (_, split) in SETS.items()}
    joined = replace(
        recipes["uci_har"],
        data=write_joined(stores, options.out / "joined-store"),
        encoder="+".join(encoder for encoder, _ in SETS.values()),
        out=options.out / "joined",
    )
    together = Together(Bench.open(joined, ANY, options.judges), benches)
    random = options.seeds if options.random_seeds is None else options.random_seeds
    seeds = {TRAINED: options.seeds, RANDOM: random}
    return JointPart(together, kept_in("joint", options), seeds).run()


PARTS: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "words": words,
    "shots": shots,
    "questions": questions,
    "joint": joint,
}


def parser() -> argparse.ArgumentParser:
    """Give the command line."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--part", required=True, choices=PARTS)
    given.add_argument("--data", default="uci_har", choices=SETS, help="data set; joint takes all")
    given.add_argument("--stores", type=Path, default=Path("stores"), help="folder of the stores")
    given.add_argument("--llm", default="bundled", help="language model; each has its results")
    of_each = {part: steps for part, (steps, _) in BUDGETS.items()}
    given.add_argument("--steps", type=int, help=f"of each training; {of_each} unless told")
    given.add_argument("--batch", type=int, help="items a step; 64 (words: 12) unless told")
    given.add_argument("--judges", default="test", choices=UNSEEN, help="whose windows judge")
    given.add_argument("--windows", type=int, default=1000, help="judged windows, spread evenly")
    given.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of shots and joint")
    fewer = "of joint's random weights, where they are fewer"
    given.add_argument("--random_seeds", type=int, nargs="+", help=fewer)
    given.add_argument("--threads", type=int, default=1)
    given.add_argument("--out", type=Path, default=Path("runs/llm_worth"), help="runs go here")
    given.add_argument("--results", type=Path, default=RESULTS, help="figures and table go here")
    return given


def main() -> None:
    """Run what is missing of a part, and write the table and the sentences of all parts."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    results = options.results
    if options.judges != "test":
        results = kept_in(options.part, options) / "results"
    started = os.getloadavg()
    figures = without_predictions(PARTS[options.part](options))
    folder = results / Path(options.llm).name
    folder.mkdir(parents=True, exist_ok=True)
    result = record("llm_ablation", figures, started, package="research")
    write_json(folder / f"{options.part}.json", result)
    print(write_pages(results))


def write_pages(results: Path) -> str:
    """Write all parts' table and sentences beside their figures; give the table."""
    figures = read_results(results)
    (results / "sentences.md").write_text(f"{sentences(figures)}\n", encoding="utf-8")
    text = report(figures)
    (results / "table.md").write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
