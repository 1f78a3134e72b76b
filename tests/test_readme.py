"""README says what is so: its Python runs, its tables are the measured ones, its verbs exist."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tables
from docs import generated_pages
from sensor2llm.cli.program import VERBS
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
from sensor2llm.signals.tables.windows import read_windows
from sensor2llm.signals.window import Window
from sensor2llm.training.config import LoopConfig
from tests.toy_store import make_store

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
QUICKSTART, OWN_DATA = ROOT / "docs" / "quickstart.md", ROOT / "docs" / "own_data.md"
CONVERSATION = ROOT / "docs" / "conversation.md"
COMMAND = re.compile(r"(?:python -m sensor2llm\.|sensor2llm )([a-z_-]+) (?=[\w.<-])[^`\n]*")
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def block(page: Path, language: str, number: int = 0) -> str:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[number]


def test_readme_is_a_page_and_ones_own_data_come_early():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 200
    (first,) = [i for i, line in enumerate(lines, 1) if "sensor2llm prepare mine.yaml" in line]
    assert first < 60


@pytest.mark.parametrize("pages", [(README, CONVERSATION), (QUICKSTART,)], ids=["README", "quick"])
def test_its_python_runs_without_a_download(pages, capsys):
    names: dict[str, object] = {}
    for page in pages:
        exec(compile(block(page, "python"), page.name, "exec"), names)
    shown = capsys.readouterr().out
    assert re.search(r"walking .*\n.*lying ", shown)
    assert "(25, " in shown
    if CONVERSATION in pages:
        assert re.search(r"No: walking .* yes_no scores .*\nfirst: walking, second: lying", shown)


def test_the_parts_below_the_door_run(tmp_path, capsys):
    store = make_store(tmp_path).path
    step = LoopConfig(epochs=1, steps=1, batch_size=8, precision="float32")
    encoder = EncoderRecipe(
        encoder=EncoderConfig(width=8, pooled_steps=4), pretrain_loop=step, finetune_loop=step
    )
    adapter = tmp_path / "adapter"
    train_adapter(Recipe(data=store, new_encoder=encoder, loop=step, out=adapter))
    code = block(QUICKSTART, "python", 1).replace("runs/demo/adapter", str(adapter))
    exec(compile(code.replace("runs/demo/store", str(store)), "quickstart.md", "exec"), {})
    assert "tensor(" in capsys.readouterr().out


def test_the_mixture_of_tasks_is_a_recipe(tmp_path):
    text = block(ROOT / "docs" / "bridges_and_tasks.md", "yaml")
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
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
    code = block(ROOT / "docs" / "encoders.md", "python")
    code = code.replace("stores/uci_har", str(store.path))
    exec(compile(code, "encoders.md", "exec"), names)
    batch = WindowDataset(store, [0]).batch([0])
    assert names["encoder"](batch).pooled.shape == (1, 1, 96)


@pytest.mark.parametrize("page", [README, OWN_DATA], ids=["README", "own_data"])
def test_the_table_description_is_one_that_is_read(tmp_path, page):
    (tmp_path / "mine.yaml").write_text(block(page, "yaml"), encoding="utf-8")
    table = load(tmp_path / "mine.yaml")
    assert table.spec.names == ("wrist_accel", "heart")


def test_an_array_of_windows_is_read_as_it_is_written_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block(OWN_DATA, "python"), "own_data.md", "exec"), {})
    axes = tuple(Channel(name=axis, unit="m/s^2") for axis in "xyz")
    accel = Modality(name="accel", channels=axes, steps=250, rate_hz=100.0)
    windows = list(read_windows(tmp_path / "walk.npz", SignalSpec(modalities=(accel,))))
    assert [window.signals["accel"].shape for window in windows] == [(3, 250)] * 4


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
    (tmp_path / "mine.yaml").write_text(block(OWN_DATA, "yaml"), encoding="utf-8")
    assert prepare([str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "mine")]) == 0
    store = WindowStore.open(tmp_path / "mine")
    assert store.subject_names == ("p0", "p1")
    assert store.label_names == ("walk",)
    assert len(store) == 14  # 20 s each, windows of 5 s, every 2.5 s
    windows = list(read_windows(tmp_path / "new_walk.csv", store.spec))
    assert [window.start_s for window in windows] == [0, 5, 10, 15]
    assert all(set(window.signals) == {"wrist_accel", "heart"} for window in windows)


def test_what_people_train_as_readme_shows_is_in_no_table(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    files = [tmp_path / "adapters" / name / "metrics.json" for name in ("mine", "uci-har")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    assert tables.adapter_files("metrics*.json") == files[1:]


@pytest.mark.parametrize("page", tables.pages(), ids=lambda page: page.stem)
def test_tables_are_what_was_measured(page):
    text = page.read_text(encoding="utf-8")
    assert tables.rewritten(text) == text


def test_every_table_stands_on_some_page():
    text = "".join(page.read_text(encoding="utf-8") for page in tables.pages())
    assert set(re.findall(r"<!-- table: (\w+) -->", text)) == set(tables.TABLES)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_in_the_quickstart(verb):
    text = QUICKSTART.read_text(encoding="utf-8")
    assert re.search(rf"`sensor2llm {dashed(verb)}[ `]", text)


def dashed(name: str) -> str:
    return name.replace("_", "-")


def options(page: Path) -> set[tuple[str, str]]:
    """Give the verb and the option of each command on a page."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [(dashed(match[1]), match[0]) for match in COMMAND.finditer(text)]
    return {
        (verb, dashed(option))
        for verb, command in commands
        for option in re.findall(r"--[a-z][\w.-]*", command.split("#")[0])
    }


@pytest.mark.parametrize("verb", VERBS)
def test_options_of_the_commands_exist(verb):
    used = {option for page in PAGES for name, option in options(page) if name == dashed(verb)}
    help_text = dashed(generated_pages.whole_help(verb))
    assert {option for option in used if not re.search(rf"{option}\b", help_text)} == set()
