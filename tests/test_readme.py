"""README says what is so: its Python runs, its tables are the measured ones, its verbs exist."""

import re
from pathlib import Path

import pytest

from benchmarks import tables
from sensor2llm.cli import VERBS
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.table_config import load
from sensor2llm.training.config import LoopConfig
from tests.toy_store import make_store

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)[1]


def test_its_python_runs(tmp_path, capsys):
    store = make_store(tmp_path).path
    step = LoopConfig(epochs=1, steps=1, batch_size=8, precision="float32")
    encoder = EncoderRecipe(
        encoder=EncoderConfig(width=8, pooled_steps=4), pretrain_loop=step, finetune_loop=step
    )
    adapter = tmp_path / "adapter"
    train_adapter(Recipe(data=store, new_encoder=encoder, loop=step, out=adapter))
    code = block("python").replace("runs/demo/adapter", str(adapter))
    exec(compile(code.replace("runs/demo/store", str(store)), "README.md", "exec"), {})
    assert "tensor(" in capsys.readouterr().out


def test_its_table_description_is_one_that_is_read(tmp_path):
    (tmp_path / "mine.yaml").write_text(block("yaml"), encoding="utf-8")
    table = load(tmp_path / "mine.yaml")
    assert table.spec.names == ("wrist_accel", "heart")


def test_its_tables_are_what_was_measured():
    assert tables.rewritten(README) == README


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_in_it(verb):
    assert f"sensor2llm.{verb}" in README
