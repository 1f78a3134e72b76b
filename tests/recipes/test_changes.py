"""A recipe says what differs from the defaults, and is read as the run that it came from."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.command import read_recipe
from sensor2llm.llm.config import LowRankConfig
from sensor2llm.recipes.config import (
    NEW,
    Recipe,
    TaskMix,
    adapter_loop,
    changes_of,
    new_encoder,
    to_plain,
)
from sensor2llm.signals.config import SplitConfig

ROOT = Path(__file__).resolve().parents[2]
FILES = [*(ROOT / "benchmarks/recipes").glob("*.yaml"), *(ROOT / "adapters").glob("*/recipe.yaml")]
LOOP = adapter_loop()
RECIPES = {
    "the defaults": (Recipe(), {}),
    "a path and a nested setting": (
        Recipe(data=Path("stores/a"), loop=replace(LOOP, epochs=3, patience=0)),
        {"data": "stores/a", "loop": {"epochs": 3, "patience": 0}},
    ),
    "nothing where a default is something": (
        Recipe(loop=replace(LOOP, steps=None, ema_decay=0.0, tracker="none"), shots=None),
        {"loop": {"ema_decay": 0.0}},
    ),
    "three levels": (
        Recipe(new_encoder=replace(new_encoder(), split=SplitConfig(kind="fold"))),
        {"new_encoder": {"split": {"kind": "fold"}}},
    ),
    "a switch that is off": (
        Recipe(new_encoder=replace(new_encoder(), finetune=False)),
        {"new_encoder": {"finetune": False}},
    ),
    "tasks, whole": (
        Recipe(
            tasks={
                "classification": TaskMix(),
                "question_answering": TaskMix(weight=2.0, questions=("most", "least")),
            },
        ),
        {
            "tasks": {
                "classification": {"weight": 1.0},
                "question_answering": {"weight": 2.0, "questions": ["most", "least"]},
            }
        },
    ),
    "words that look like something else": (
        Recipe(prompt="no", llm="null", out=Path("# out: é")),
        {"llm": "null", "prompt": "no", "out": "# out: é"},
    ),
    "settings of every part": (
        Recipe(
            projector=ProjectorConfig(tokens=4, per_modality=True),
            lora=LowRankConfig(rank=2),
            label_fraction=0.1,
            llm_quantization="4bit",
        ),
        {
            "label_fraction": 0.1,
            "llm_quantization": "4bit",
            "projector": {"tokens": 4, "per_modality": True},
            "lora": {"rank": 2},
        },
    ),
}  # fmt: skip


def write(recipe: Recipe, folder: Path) -> Path:
    path = folder / "recipe.yaml"
    text = yaml.safe_dump(changes_of(recipe), sort_keys=False, allow_unicode=True)
    path.write_text("# how to run it\n" + text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", RECIPES)
def test_only_what_differs_is_written_and_read_as_the_whole(name, tmp_path):
    recipe, changes = RECIPES[name]
    assert changes_of(recipe) == changes
    assert to_plain(read_recipe(write(recipe, tmp_path), Recipe)) == to_plain(recipe)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recipe_of_the_repository_comes_back(path, tmp_path):
    recipe = read_recipe(path, Recipe)
    assert read_recipe(write(recipe, tmp_path), Recipe) == recipe


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.name == "recipe.yaml"], ids=lambda path: path.parent.name
)
def test_a_released_recipe_is_short_and_makes_the_run_beside_it(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# python -m sensor2llm.train_adapter --config recipe.yaml")
    # Fifteen, three for defaults that have changed since; more of three tasks, an own encoder.
    assert 5 <= len(lines) - 1 <= (45 if "tasks:" in lines else 18)
    recipe = read_recipe(path, Recipe)
    assert changes_of(recipe) == yaml.safe_load("\n".join(lines))
    resolved = read_recipe(path.with_name("resolved.yaml"), Recipe)
    if recipe.encoder != NEW:  # none is made, whatever its defaults are now
        resolved = replace(resolved, new_encoder=recipe.new_encoder)
    assert resolved == recipe
