"""Outputs beside labels: numbers by text and by a head, their scale told or not, and captions.

    python -m benchmarks.quality.outputs --steps 200 --windows 300 --batch_size 32

Heart rate from inter-beat intervals (MIT-BIH AF, records apart) and FEV1 from simulated spirograms
(`asthma`'s people) are estimated by text and by the number head of one adapter, on a
frozen encoder that learned other labels. Each encoder is made twice: its input normalised on the
training windows, where a window's own level is still heard, and each window by itself, where it is
lost. Then the scale reaches the LLM not at all, through the bridge (`projector.scale`) or as text
(`{{ scale }}`; heart rate only, as a spirogram's and a row's are longer than the prompt).

Beside each error stand that of a swap (another person's window is heard), that of ridge regression
on the same features without an LLM (and on the same statistics, where the scale is told), and that
of always saying the training mean. Captions of UCI HAR are judged statement by statement.

Training runs for `--steps` steps and is judged as it ends; nothing is chosen on test people. What
is done is kept in OUT, so that an interrupted benchmark goes on; another budget has a folder of its
own there.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import record
from benchmarks.quality.output_parts.captions import CaptionsPart
from benchmarks.quality.output_parts.hearing import NORMALISED
from benchmarks.quality.output_parts.numbers import BRIDGE, NONE, SCALES, NumbersPart
from benchmarks.quality.output_parts.table import report
from sensor2llm.command import read_recipe
from sensor2llm.errors import run_verb
from sensor2llm.recipes.config import Recipe
from sensor2llm.training.record import write_json

HERE = Path(__file__).resolve().parents[1]
RECIPES, RESULTS = HERE / "recipes", HERE / "results" / "outputs"
NUMBERS: Mapping[str, Sequence[str]] = {"heart_rate": SCALES, "fev1": (NONE, BRIDGE)}
"""The numbers that are estimated, by their recipe's name, and how each one's scale is told."""
CAPTIONS = "captions"
PARTS = (*NUMBERS, CAPTIONS)


def recipe_of(part: str, options: argparse.Namespace) -> Recipe:
    """Read a part's recipe and give it the budget that all share."""
    recipe = read_recipe(RECIPES / f"{part}.yaml", Recipe)
    loop = replace(
        recipe.loop,
        steps=options.steps,
        epochs=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        patience=0,
    )
    return replace(recipe, loop=loop)


def measure(recipes: Mapping[str, Recipe], windows: int, out: Path) -> dict[str, Any]:
    """Run what is missing of the parts whose recipes are given."""
    results: dict[str, Any] = {"numbers": {}}
    for name in (name for name in NUMBERS if name in recipes):
        results["numbers"][name] = {
            normalised: NumbersPart(
                recipe=recipes[name],
                normalised=normalised,
                scales=NUMBERS[name],
                windows=windows,
                out=out / name / normalised.replace(" ", "-"),
            ).run()
            for normalised in NORMALISED
        }
    if CAPTIONS in recipes:
        part = CaptionsPart(recipe=recipes[CAPTIONS], windows=windows, out=out / CAPTIONS)
        results[CAPTIONS] = part.run()
    return results


def parser() -> argparse.ArgumentParser:
    """Give the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    arguments.add_argument("--steps", type=int, default=200, help="of each training")
    arguments.add_argument("--batch_size", type=int, default=32)
    arguments.add_argument("--learning_rate", type=float, default=3e-3)
    arguments.add_argument("--windows", type=int, default=300, help="judged windows, spread evenly")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--out", type=Path, default=Path("runs/outputs"), help="runs go here")
    arguments.add_argument(
        "--results", type=Path, default=RESULTS, help="results.json and table.md"
    )
    return arguments


def main() -> None:
    """Run what is missing, and write figures and table."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    started = os.getloadavg()
    recipes = {part: recipe_of(part, options) for part in options.parts}
    budget = f"{options.steps}x{options.batch_size}-{options.learning_rate:g}-{options.windows}"
    figures = measure(recipes, options.windows, options.out / budget)
    result = record("quality.outputs", figures, started)
    options.results.mkdir(parents=True, exist_ok=True)
    write_json(options.results / "results.json", result)
    text = report(result)
    (options.results / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
