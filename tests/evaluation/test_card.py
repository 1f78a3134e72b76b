"""A card says what the files beside it say."""

import json

import pytest
from safetensors.torch import save_file

from sensor2llm.adapter.check_windows import FILE
from sensor2llm.adapter.trust import Trust
from sensor2llm.datasets.catalogue import SOURCES
from sensor2llm.errors import ArtefactError
from sensor2llm.evaluation.cards.adapter import repeats_text, write_card
from sensor2llm.evaluation.cards.task import question_table
from sensor2llm.evaluation.missing import missing_summary
from tests.signals.likeness.profiles import toy_profile
from tests.signals.stores import SPEC

FOUND = {
    "macro_f1": 0.5,
    "balanced_accuracy": 0.6,
    "accuracy": 0.55,
    "interval": [0.4, 0.65],
    "unparsed_rate": 0.0,
    "calibration_error": 0.03,
    "windows": 100,
    "subjects": 9,
    "tokens_per_window": 40.0,
    "llm_fingerprint": "sha256:abc",
    "f1_by_label": {"rest": 0.7, "walk": 0.3},
    "labels": ["rest", "walk"],
}
CONTROL = {
    **FOUND,
    "macro_f1": 0.1,
    "flip_rate": 0.8,
    "model_minus_control": 0.4,
    "model_minus_control_interval": [0.3, 0.5],
}


MANIFEST = {
    "llm": "bundled",
    "llm_identity": "sha256:def",
    "spec": SPEC.to_dict(),
    "label_texts": ["rest", "walk"],
    "projector": {"tokens": 8},
    "soft_tokens": 4,
    "trained_parameters": 12345,
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sensor2llm.json").write_text(json.dumps(MANIFEST))
    metrics = {
        **FOUND,
        "split": "test",
        "command": "python -m sensor2llm.evaluate adapters/x --data S",
        "data": {
            "source": f"WISDM 2019, {SOURCES['wisdm'].download}",
            "people": {"train": 30, "test": 9},
        },
        "controls": {
            "zeroed": CONTROL,
            "majority": {**CONTROL, "model_minus_control_interval": None},
        },
        "missing": {"accel": CONTROL},
    }
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    return tmp_path


def test_a_card_has_data_results_controls_and_limits(folder):
    text = write_card(folder, title="Watch activities").read_text()
    assert "# Watch activities" in text
    assert "x (g), y (g), z (g) | 8 Hz | 16 |" in text
    assert "Licence of the data: CC BY 4.0" in text
    assert "30 people for train, 9 people for test" in text
    assert "```\npython -m sensor2llm.evaluate adapters/x --data S\n```" in text
    assert "| macro-F1 | 0.500 (95 % over subjects: 0.400 to 0.650) |" in text
    assert "| signal set to its mean | 0.100 | +0.400 (+0.300 to +0.500) | 80% |" in text
    assert "| accel | 0.100 | 80% |" in text
    assert "Not a medical device" in text
    assert "- It does not say no: it keeps nothing of what training windows look like" in text
    assert "base_model" not in text  # `bundled` is no name on the hub
    assert "Trained parameters: 12,345" in text


def test_a_card_shows_what_the_probe_makes_of_altered_windows(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    probed = {"probe_macro_f1": 0.25, "probe_flip_rate": 0.4}
    metrics["controls"] = {"majority": CONTROL, "same_class": CONTROL | probed}
    metrics["missing"] = {
        "accel+rr": CONTROL | probed | {"taken_away": ["accel", "rr"]},
        "accel": CONTROL | probed | {"taken_away": ["accel"], "model_minus_control": 0.2},
    }
    metrics["missing_summary"] = missing_summary(metrics["missing"], count=3, probe_macro_f1=0.75)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text = write_card(folder).read_text()
    probe_heads = "answers changed | macro-F1 without an LLM | its answers changed |"
    assert text.count(probe_heads) == 2
    assert "| this adapter | 0.500 |  |  |  |  |" in text
    numbers = "0.100 | +0.400 (+0.300 to +0.500) | 80% |"
    assert f"| most frequent training label | {numbers}  |  |" in text
    swapped = "signal of another window with the same label, of another person if there is one"
    assert f"| {swapped} | {numbers} 0.250 | 40% |" in text
    single, pair = "| accel | 0.100 | 80% | 0.250 | 40% |", "| accel + rr | 0.100 | 80% | 0.250 |"
    assert 0 < text.index(single) < text.index(pair)
    for line in (
        "- 1 of 3 taken away: 20.0 points of macro-F1 lost without accel; without an LLM 50.0.",
        "- 2 of 3 taken away: 40.0 points of macro-F1 lost without accel+rr; without an LLM 50.0.",
    ):
        assert line in text


def test_a_card_of_what_was_measured_before_there_were_probes_and_subsets(folder):
    text = write_card(folder).read_text()
    assert "without an LLM" not in text
    assert "| taken away | macro-F1 | answers changed |" in text
    assert "taken away:" not in text


def test_a_card_without_controls(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["controls"], metrics["missing"], metrics["command"]
    (folder / "metrics.json").write_text(json.dumps({**metrics, "interval": None}))
    text = write_card(folder).read_text()
    assert "## Controls" not in text
    assert "| macro-F1 | 0.500 |" in text


def test_a_card_needs_metrics(folder):
    (folder / "metrics.json").unlink()
    with pytest.raises(ArtefactError, match=r"has no metrics\.json"):
        write_card(folder)


def test_broken_metrics(folder):
    (folder / "metrics.json").write_text("{")
    with pytest.raises(ArtefactError, match="is no JSON"):
        write_card(folder)


def test_a_card_says_who_chose_which_seed_it_is_and_what_others_reach(folder):
    assert (
        "Chosen on validation people: which step's weights are kept."
        in write_card(folder).read_text()
    )
    (folder / "resolved.yaml").write_text("loop: {seed: 4}\n")
    mean = {"seeds": [0, 1, 4], "folds": [None], "macro_f1": 0.48, "sd": 0.02,
            "interval": [0.41, 0.55], "covers_retraining": True, "command": "x"}  # fmt: skip
    (folder / "metrics_repeated.json").write_text(json.dumps(mean))
    line = (
        "This adapter is seed 4; its recipe's runs: 0.480 ± 0.020, 3 seeds "
        "(95 % over people and retraining: 0.410 to 0.550)."
    )
    assert line in write_card(folder).read_text()


def test_one_seed_in_folds_covers_people_alone():
    mean = {"seeds": [0], "folds": [0, 1], "macro_f1": 0.5, "sd": 0.1, "interval": [0.4, 0.6],
            "covers_retraining": False}  # fmt: skip
    assert (
        repeats_text(mean) == "0.500 ± 0.100, 1 seed in 2 folds (95 % over people: 0.400 to 0.600)"
    )
    assert repeats_text(mean | {"interval": None}) == "0.500 ± 0.100, 1 seed in 2 folds"


def test_people_who_chose_are_said_to_flatter(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["data"]["people"]["validation"] = 5
    metrics["split"] = "validation"
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text = write_card(folder).read_text()
    assert "Chosen on the 5 people for validation, who are judged here: the scores flatter." in text


def test_random_weights_that_were_not_retrained_are_in_no_card(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["controls"]["random_llm"] = CONTROL | {"macro_f1": 0.987}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text = write_card(folder).read_text()
    assert "0.987" not in text
    assert "random-weight" not in text


def test_the_licence_of_the_weights_is_the_manifests(folder):
    assert (
        "Licence of the adapter's weights: not stated; the data's" in write_card(folder).read_text()
    )
    (folder / "sensor2llm.json").write_text(json.dumps(MANIFEST | {"license": "mit"}))
    text = write_card(folder).read_text()
    assert "license: mit\n" in text
    assert "Licence of the adapter's weights: mit" in text


@pytest.mark.parametrize(
    ("orientation", "where", "turned"),
    [
        ("as_recorded", "devices that are worn (see Data) and turned as in training: what", True),
        (
            "turn_free",
            "devices that are worn as in training (see Data), any way round: what",
            False,
        ),
    ],
)
def test_where_an_adapter_may_be_used_is_said_as_its_encoder_hears(
    folder, orientation, where, turned
):
    likeness = {"recordings_named": True, "recordings_unlike": 1, "recordings": 30,
                "windows_unlike": 0.03}  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps(metrics | {"trust": {"likeness": likeness}}))
    manifest = MANIFEST | {"encoder": {"orientation": orientation}}
    (folder / "sensor2llm.json").write_text(json.dumps(manifest))
    text = write_card(folder).read_text()
    assert f"- It may be used on {where} those windows look like is kept" in text
    assert ("fit-axes" in text) == turned


def test_how_devices_were_worn_and_turned_is_said(folder):
    profile = toy_profile()
    likeness = {"recordings_named": True, "recordings_unlike": 0, "recordings": 9,
                "windows_unlike": 0.03}  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text()) | {"trust": {"likeness": likeness}}
    metrics["data"]["source"] = f"WISDM, {SOURCES['wisdm'].download}"
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "sensor2llm.json").write_text(json.dumps(MANIFEST | {"spec": profile.spec.to_dict()}))
    save_file(Trust(profile).to_tensors(), folder / FILE)
    text = write_card(folder).read_text()
    assert "- WISDM 2019: phone in the pocket, watch on the wrist, 51 people" in text
    assert "- Gravity lay in training along these axes of watch_accel" in text


def test_questions_that_any_window_answers_enter_no_mean():
    def kind(true: float, swapped: float, questions: int) -> dict[str, float]:
        return {"true": true, "swapped_true": swapped, "frequent_true": 0.5, "questions": questions}

    kinds = {"step_rate": kind(0.9, 0.4, 300), "intensity": kind(0.5, 0.52, 100)}
    text = question_table({"by_template": kinds | {"which_missing": kind(1.0, 0.99, 900)}})
    assert "| intensity | 50.0% | 52.0% | 50.0% | 100 |" in text
    assert "| mean over questions | 80.0% | 43.0% | 50.0% | 400 |" in text
    assert "| mean over kinds | 70.0% | 46.0% | 50.0% | 400 |" in text
    assert text.endswith("which missing (100.0% and 99.0% of 900).")
    assert "Left out" not in question_table({"by_template": kinds})
