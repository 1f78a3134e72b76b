"""README says what is so: its Python runs, its tables are the measured ones, its verbs exist."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tables
from sensor2llm.cli import VERBS
from sensor2llm.command import read_recipe
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.prepare import main as prepare
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import TASKS, Recipe
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.config import load
from sensor2llm.signals.tables.recording_file import read_windows
from sensor2llm.signals.window import Window
from sensor2llm.training.config import LoopConfig
from tests.toy_store import make_store

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[number]


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


def test_its_mixture_of_tasks_is_a_recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text(block("yaml"), encoding="utf-8")
    recipe = read_recipe(tmp_path / "recipe.yaml", Recipe)
    assert set(recipe.tasks) == set(TASKS)
    assert recipe.shots == 5


def test_an_encoder_of_another_library_fits_in(tmp_path):
    axes = tuple(Channel(name=axis, unit="g") for axis in "xyz")
    accel = Modality(name="accel", channels=axes, steps=128, rate_hz=50.0)
    spec = SignalSpec(modalities=(accel,))
    window = Window({"accel": np.zeros((3, 128))}, subject="a")
    store = WindowStore.write(tmp_path / "store", spec, [window])
    names: dict[str, object] = {}
    code = block("python", 1).replace("stores/uci_har", str(store.path))
    exec(compile(code, "README.md", "exec"), names)
    batch = WindowDataset(store, [0]).batch([0])
    assert names["encoder"](batch).pooled.shape == (1, 1, 96)


def test_its_table_description_is_one_that_is_read(tmp_path):
    (tmp_path / "mine.yaml").write_text(block("yaml", 1), encoding="utf-8")
    table = load(tmp_path / "mine.yaml")
    assert table.spec.names == ("wrist_accel", "heart")


def test_ones_own_data_become_a_store_and_a_new_file_of_the_kind_is_read(tmp_path, capsys):
    rng = np.random.default_rng(0)
    (tmp_path / "walks").mkdir()
    for name, shift in (("walks/a.csv", 0), ("walks/b.csv", 1), ("new_walk.csv", 2)):
        lines = ["time_ms,person,activity,ax,ay,az,bpm"]
        for row in range(1000):
            x, y, z = rng.normal(0, 1, 3) + np.array([0, 0, 9.81])
            heart = f"{70 + shift}" if row % 50 == 0 else ""
            lines.append(f"{20 * row},p{shift},walk,{x:.3f},{y:.3f},{z:.3f},{heart}")
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    (tmp_path / "mine.yaml").write_text(block("yaml", 1), encoding="utf-8")
    assert prepare([str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "mine")]) == 0
    store = WindowStore.open(tmp_path / "mine")
    assert store.subject_names == ("p0", "p1")
    assert store.label_names == ("walk",)
    assert len(store) == 14  # 20 s each, windows of 5 s, every 2.5 s
    windows = list(read_windows(tmp_path / "new_walk.csv", store.spec))
    assert [window.start_s for window in windows] == [0, 5, 10, 15]
    assert all(set(window.signals) == {"wrist_accel", "heart"} for window in windows)


def test_its_tables_are_what_was_measured():
    assert tables.rewritten(README) == README


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_in_it(verb):
    assert f"sensor2llm.{verb.replace('-', '_')}" in README or f"sensor2llm {verb}" in README
