"""Several tasks in one adapter: trained together, saved, asked again."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.adapter.batches import Request
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ConfigError
from sensor2llm.evaluate import main as evaluate
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import Recipe, TaskMix
from sensor2llm.recipes.sources import draw_hidden
from sensor2llm.recipes.train import train_adapter
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder

SHORT = LoopConfig(epochs=1, batch_size=8, learning_rate=1e-2, precision="float32", steps=6)
TASKS = {
    "classification": TaskMix(),
    "question_answering": TaskMix(weight=2.0, per_window=2, hide=0.2, conversation=True),
    "captioning": TaskMix(per_window=1),
    "regression": TaskMix(target="heart_rate.heart_rate"),
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    folder = tmp_path_factory.mktemp("tasks")
    config = SimulationConfig(subjects=8, sessions=1, bout_s=10)
    simulate_store(folder / "store", config)
    return Recipe(
        data=folder / "store",
        llm=str(tiny_folder("llama")),
        llm_dtype="float32",
        new_encoder=EncoderRecipe(
            encoder=EncoderConfig(width=8, pooled_steps=4),
            pretrain_loop=SHORT,
            finetune_loop=SHORT,
        ),
        projector=ProjectorConfig(tokens=2, hidden=16),
        tasks=TASKS,
        align_epochs=1,
        modality_dropout=0.2,
        loop=SHORT,
        out=folder / "adapter",
    )


@pytest.fixture(scope="module")
def trained(recipe):
    return train_adapter(recipe)


def test_every_task_is_trained_and_judged(recipe, trained):
    lines = (recipe.out.with_name("adapter-run") / "adapter" / "metrics.jsonl").read_text()
    judged = [json.loads(line) for line in lines.splitlines() if "validation_score" in line][-1]
    for name in ("macro_f1", "question_answering_true", "captioning_true", "regression_mae"):
        assert f"validation_{name}" in judged


def test_the_saved_adapter_answers_every_task_as_before(recipe, trained):
    windows = [trained.store[i] for i in range(3)]
    model = SensorLanguageModel.from_pretrained(recipe.out, llm=trained.model.llm)
    before = trained.model.eval()
    assert model.numbers(windows).tolist() == before.numbers(windows).tolist()
    for request in (
        Request("question_answering", {"question": "Is the person still?"}),
        Request("captioning"),
        Request("regression"),
    ):
        batches = [m.features(windows).with_requests([request] * 3) for m in (model, before)]
        first, second = (
            m.generate(b, max_new_tokens=4) for m, b in zip((model, before), batches, strict=True)
        )
        assert first == second
        assert model.generate(batches[0], max_new_tokens=4) == first


def test_a_task_that_the_adapter_does_not_know_is_named(trained):
    features = trained.model.features([trained.store[0]]).with_requests([Request("translation")])
    with pytest.raises(ConfigError, match="knows no task 'translation'; its tasks are classif"):
        trained.model.generate(features)


def test_few_shots_train_on_so_many_windows_a_class(recipe, tmp_path):
    few = replace(
        recipe, shots=2, tasks={"classification": TaskMix()}, align_epochs=0, out=tmp_path / "few"
    )
    trained = train_adapter(few)
    kept = json.loads((tmp_path / "few-run" / "features" / "train" / "features.json").read_text())
    assert kept["rows"][0] == 2 * len(trained.store.label_names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": {"translation": TaskMix()}}, "unknown task 'translation'; choose from classi"),
        ({"tasks": {"captioning": TaskMix(weight=0)}}, "no task has a weight above 0"),
        ({"encoder": "none"}, "tasks other than classification need an encoder"),
        ({"shots": 0}, "shots must be positive, got 0"),
        ({"modality_dropout": 1.0}, "modality_dropout must be at least 0 and below 1, got 1"),
        ({"align_epochs": -1}, "align_epochs must not be negative, got -1"),
    ],
)
def test_a_mixture_that_cannot_be_is_refused(recipe, changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(recipe, **changes)


def test_a_regression_names_its_target(recipe, tmp_path):
    tasks = {"regression": TaskMix(target="wrist_acc.colour")}
    with pytest.raises(ConfigError, match=r"no window has the number 'wrist_acc.colour'; choose"):
        train_adapter(replace(recipe, tasks=tasks, align_epochs=0, out=tmp_path / "x"))


def test_one_modality_always_stays():
    present = np.array([[True, False, False], [True, True, True]] * 50)
    hidden = draw_hidden(present, 0.9, np.random.default_rng(0))
    left = present & ~hidden
    assert left.any(axis=1).all()
    assert (hidden <= present).all()
    assert hidden[1::2].mean() > 0.5


@pytest.mark.parametrize("task", [task for task in TASKS if task != "classification"])
def test_each_task_is_measured_by_the_verb(recipe, trained, task, tmp_path, capsys):
    given = [str(recipe.out), "--data", str(recipe.data), "--task", task, "--out", str(tmp_path)]
    assert evaluate([*given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / f"metrics_{task}.json").read_text())
    assert found["subjects"] > 1
    if task == "regression":
        assert found["unit"] == "bpm"
        assert found["head"]["mae_of_mean"] == pytest.approx(found["text"]["mae_of_mean"])
    else:
        assert 0 <= found["true"] <= 1
    if task == "question_answering":
        names = ("kinds_true", "known_wordings_true", "new_wordings_true", "refused")
        assert all(0 <= found[name] <= 1 for name in names)
        assert {"label", "label_is", "label_is_not", "why"} & set(found["by_template"])
    assert evaluate(given) == 0
    assert "people (test)" in capsys.readouterr().out


def test_tasks_have_controls_of_their_own(recipe, trained, capsys):
    given = [str(recipe.out), "--data", str(recipe.data), "--task", "captioning"]
    assert evaluate([*given, "--controls"]) == 2
    assert "--task captioning has controls of its own" in capsys.readouterr().err


def test_a_task_that_was_not_trained_cannot_be_measured(recipe, tmp_path, capsys):
    few = replace(recipe, tasks={"classification": TaskMix()}, align_epochs=0, out=tmp_path / "a")
    train_adapter(few)
    for task, told in (
        ("question_answering", "the adapter answers no questions"),
        ("captioning", "the adapter writes no captions"),
        ("regression", "the adapter estimates no number"),
    ):
        assert evaluate([str(tmp_path / "a"), "--data", str(recipe.data), "--task", task]) == 2
        assert told in capsys.readouterr().err
