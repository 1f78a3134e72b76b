"""A card's header is what the hub reads: licence, base model, data sets, and what was measured."""

import json
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.utils import validate_repo_id

from sensor2llm.adapter.card import card_text as bare_card
from sensor2llm.artefacts.card import render_card
from sensor2llm.datasets.catalogue import SOURCES
from sensor2llm.evaluation.cards.adapter import card_text
from sensor2llm.evaluation.cards.results import task_results
from sensor2llm.llm.templates import PromptTemplate
from tests.signals.stores import SPEC

RELEASED = Path(__file__).resolve().parents[2] / "adapters"
FOLDERS = sorted(path.parent for path in RELEASED.glob("*/README.md"))
MANIFEST = {
    "llm": "some/llm",
    "llm_identity": "sha256:def",
    "spec": SPEC.to_dict(),
    "label_texts": ["rest", "walk"],
    "projector": {"tokens": 8},
    "soft_tokens": 4,
    "trained_parameters": 12345,
    "template": PromptTemplate.load("activity").to_dict(),
}
SCORES = {
    "macro_f1": 0.123456,
    "balanced_accuracy": 0.6,
    "accuracy": 0.55,
    "interval": None,
    "unparsed_rate": 0.0,
    "windows": 100,
    "subjects": 9,
    "tokens_per_window": 40.0,
    "llm_fingerprint": "sha256:abc",
    "f1_by_label": {"rest": 0.7, "walk": 0.3},
    "split": "test",
    "data": {"source": f"UCI HAR, {SOURCES['uci_har'].download}", "store": "mine"},
}
ANSWERS = {"task": "question_answering", "true": 0.75, "command": "evaluate", "split": "test",
           "windows": 10, "subjects": 2, "data": {"store": "mine"}}  # fmt: skip
NUMBERS = {**ANSWERS, "task": "regression", "target": "heart_rate.heart_rate", "unit": "bpm",
           "text": {"mae": 2.0, "rmse": 3.0, "mae_of_mean": 9.0},
           "head": {"mae": 1.5, "rmse": 2.5}}  # fmt: skip


def header(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def measured(card: ModelCard) -> dict[str, float]:
    return {one.metric_name: one.metric_value for one in card.data.eval_results}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_released_card_is_the_hubs_and_shows_what_was_measured(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    card = ModelCard(text)  # strict: a model-index that cannot be read is an error
    assert str(card) == text
    assert card.data.library_name == "sensor2llm"
    assert card.data.license == "apache-2.0" or card.data.license_name
    assert card.data.datasets or "- Source: simulated: " in text
    for name in card.data.datasets or ():
        validate_repo_id(name)
        assert name in SOURCES
    assert card.data.get("base_model") is None  # the bundled LLM is not on the hub
    files = {path.name: json.loads(path.read_text()) for path in folder.glob("metrics*.json")}
    shown = measured(card)
    if "metrics.json" in files and "probes" not in files["metrics.json"]:
        assert shown["macro-F1"] == round(files["metrics.json"]["macro_f1"], 4)
    for kind, scores in files.get("metrics.json", {}).get("probes", {}).items():
        assert round(scores["macro_f1"], 4) in shown.values(), kind
    if answers := files.get("metrics_question_answering.json"):
        assert shown == {"true answers to questions about windows": round(answers["true"], 4)}


def test_scores_of_labels_stand_beside_those_of_free_answers():
    card = ModelCard(card_text(MANIFEST, SCORES, "mine", by_text={**SCORES, "accuracy": 0.5}))
    assert measured(card) == {
        "macro-F1": 0.1235,
        "balanced accuracy": 0.6,
        "accuracy": 0.55,
        "macro-F1, read from free answers": 0.1235,
        "balanced accuracy, read from free answers": 0.6,
        "accuracy, read from free answers": 0.5,
    }
    [one, *_] = card.data.eval_results
    assert (one.dataset_type, one.dataset_split) == ("uci_har", "test")
    assert (one.task_type, one.metric_type) == ("time-series-classification", "f1")
    assert card.data.datasets == ["uci_har"]
    assert card.data.model_name == "mine"


def test_a_tasks_figures_are_its_own():
    card = ModelCard(card_text(MANIFEST, {}, "mine", tasks={"question_answering": ANSWERS}))
    assert measured(card) == {"true answers to questions about windows": 0.75}
    assert card.data.datasets is None
    found = {one.metric_name: one.metric_value for one in task_results(NUMBERS)}
    assert found == {
        "mean absolute error by text, bpm": 2.0,
        "root mean square error by text, bpm": 3.0,
        "mean absolute error by head, bpm": 1.5,
        "root mean square error by head, bpm": 2.5,
    }
    captions = {**ANSWERS, "task": "captioning"}
    [told] = task_results(captions)
    assert (told.task_type, told.metric_value) == ("text-generation", 0.75)
    assert told.dataset_type == "mine"


@pytest.mark.parametrize(
    ("llm", "base"), [("some/llm", "some/llm"), ("bundled", None), ("my-folder", None)]
)
def test_a_base_model_is_a_name_of_the_hub(llm, base):
    head = header(bare_card(MANIFEST | {"llm": llm}))
    assert head.get("base_model") == base
    assert head.get("base_model_relation") == ("adapter" if base else None)


def test_what_nobody_stated_is_not_made_up():
    own = {**MANIFEST["template"], "name": "mine"}
    head = header(bare_card(MANIFEST | {"template": own}))
    assert not {"language", "datasets", "model-index"} & set(head)
    assert (head["license"], head["license_name"]) == ("other", "not-stated")
    head = header(bare_card(MANIFEST | {"license": "cc-by-4.0"}))
    assert (head["license"], head.get("license_name")) == ("cc-by-4.0", None)
    assert head["language"] == "en"


def test_a_template_gets_all_that_it_names(tmp_path):
    from huggingface_hub import ModelCardData
    from jinja2 import UndefinedError

    (tmp_path / "x.md.j2").write_text("{{ card_data }} {{ title }}")
    with pytest.raises(UndefinedError, match="'title' is undefined"):
        render_card(tmp_path / "x.md.j2", ModelCardData(license="mit"))


def test_several_data_sets_side_by_side_are_all_named_each_with_its_licence():
    source = "; ".join(SOURCES[name].download for name in ("uci_har", "motionsense", "wisdm"))
    text = card_text(MANIFEST, SCORES | {"data": {"source": source, "store": "any"}}, "Three")
    assert header(text)["datasets"] == ["uci_har", "wisdm", "motionsense"]
    assert header(text)["model-index"][0]["results"][0]["dataset"]["type"] == "any"
    assert f"motionsense: {SOURCES['motionsense'].licence}" in text
    assert f"wisdm: {SOURCES['wisdm'].licence}; " in text


def test_one_download_under_two_names_is_one_data_set():
    source = f"afdb as two rhythms, {SOURCES['afdb'].download}"
    text = card_text(MANIFEST, SCORES | {"data": {"source": source}}, "Rhythm")
    assert header(text)["datasets"] == ["afdb"]
