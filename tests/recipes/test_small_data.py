"""Few windows: what can be learnt is learnt by defaults, and what cannot is said."""

import json
import logging

import numpy as np
import pytest

from sensor2llm import pretrain_encoder, train_adapter
from sensor2llm.errors import ConfigError
from sensor2llm.recipes.baselines import LabelBaselines
from sensor2llm.recipes.config import Recipe, TaskMix
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from tests.toy_store import LABELS, SPEC, make_store, windows


def train(*words, capsys):
    code = train_adapter.main([*map(str, words)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_three_people_and_138_windows_are_learnt_by_defaults(tmp_path, capsys, caplog):
    store = make_store(tmp_path, people=3, each=46)
    assert len(store) == 138
    with caplog.at_level(logging.INFO):
        code, out, _ = train("--data", store.path, "--out", tmp_path / "a", "--json", capsys=capsys)
    assert code == 0
    figures = json.loads(out)
    assert figures["validation_macro_f1_probe"] > 0.95
    assert figures["validation_macro_f1"] > figures["validation_macro_f1_probe"] - 0.03
    assert figures["validation_macro_f1_majority"] < 0.4
    assert figures == json.loads((tmp_path / "a/training.json").read_text()) | {
        "adapter": str(tmp_path / "a")
    }
    assert caplog.messages[-1] == (
        f"validation macro-F1: adapter {figures['validation_macro_f1']:.3f}, majority "
        f"{figures['validation_macro_f1_majority']:.3f}, probe without the LLM "
        f"{figures['validation_macro_f1_probe']:.3f}"
    )


def test_a_run_that_did_not_learn_says_so_aloud(tmp_path, capsys, caplog):
    store = make_store(tmp_path, people=3, each=46)
    short = ["--loop.steps=1", "--new_encoder.pretrain=false"]
    code, _, _ = train("--data", store.path, "--out", tmp_path / "a", *short, capsys=capsys)
    assert code == 0
    said = caplog.records[-1]
    assert said.levelno == logging.WARNING
    assert said.message.startswith("warning: validation macro-F1: adapter 0.")
    assert "train longer (--loop.min_steps 400 --loop.patience 0)" in said.message


@pytest.mark.parametrize(
    ("adapter", "majority", "probe", "behind"),
    [
        (0.96, 0.2, 0.98, False),
        (0.94, 0.2, 0.98, True),
        (0.5, 0.6, 0.4, True),
        (0.5, 0.2, None, False),
        (0.1, 0.2, None, True),
    ],
)
def test_more_than_three_points_below_either_is_behind(adapter, majority, probe, behind):
    baselines = LabelBaselines(adapter=adapter, majority=majority, probe=probe)
    assert baselines.is_behind is behind
    assert baselines.line().startswith("warning: ") is behind
    assert ("probe" in baselines.line()) is (probe is not None)


def relabelled(path, label_of):
    made = []
    for window in windows(people=4, each=9):
        label = label_of(window)
        made.append(Window(window.signals, window.subject, label, window.start_s))
    return WindowStore.write(path / "store", SPEC, made).path


WRONG = {
    "one class": (lambda window: "walk", "are 'walk'; at least two classes"),
    "no label": (lambda window: None, "windows of '"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("verb", [train_adapter, pretrain_encoder])
def test_labels_that_cannot_be_learnt_are_refused_before_anything_is_trained(
    wrong, verb, tmp_path, capsys, monkeypatch
):
    label_of, message = WRONG[wrong]
    store = relabelled(tmp_path, label_of)
    words = ["--data", str(store), "--out", str(tmp_path / "out")]
    words += ["--finetune=true"] if verb is pretrain_encoder else []
    monkeypatch.setattr("sensor2llm.pretraining.run.fit", None)  # calling it would be a TypeError
    assert verb.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_one_person_is_refused(tmp_path, capsys):
    one = WindowStore.write(tmp_path / "store", SPEC, windows(people=1), label_names=LABELS)
    code, _, err = train("--data", one.path, "--out", tmp_path / "out", capsys=capsys)
    assert code == 2
    assert "need at least 3 people, the store has 1" in err


@pytest.mark.parametrize("verb", [train_adapter, pretrain_encoder])
def test_labels_that_differ_in_case_only_are_said_before_anything_is_trained(
    verb, tmp_path, monkeypatch, caplog
):
    spellings = {"p0": "Walking", "p1": "walking", "p2": "walking ", "p3": "walking"}
    store = relabelled(tmp_path, lambda w: spellings[w.subject] if w.label == "walk" else w.label)

    def stop(*given, **more):
        raise ConfigError("here training would begin")

    monkeypatch.setattr("sensor2llm.pretraining.run.fit", stop)
    words = ["--data", str(store), "--out", str(tmp_path / "out")]
    words += ["--finetune=true"] if verb is pretrain_encoder else []
    assert verb.main(words) == 2
    names = np.unique(WindowStore.open(store).label_names).tolist()
    assert "walking " in names
    said = [line for line in caplog.messages if "differ in case or blanks only" in line]
    assert len(said) == 1


@pytest.mark.parametrize(
    ("tasks", "objective", "message"),
    [
        ({"captioning": TaskMix()}, "labels", "without the task classification choose --objective"),
        (
            {"classification": TaskMix(weight=0), "captioning": TaskMix()},
            "labels",
            "without the task classification choose --objective",
        ),
        ({"regression": TaskMix()}, "both", "the task regression needs a target"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_refused(tasks, objective, message):
    with pytest.raises(ConfigError, match=message):
        Recipe(tasks=tasks, objective=objective)
