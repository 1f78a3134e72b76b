"""An encoder's card says what its manifest and its metrics say, and how it is used."""

import copy
import json
import re
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

from sensor2llm.datasets.catalogue import SOURCES
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.files import read_manifest
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError
from sensor2llm.evaluation.cards.encoder import encoder_card_text, write_encoder_card
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.record import write_json
from tests.toy_store import LABELS, SPEC, make_store

RELEASED = Path(__file__).resolve().parent.parent.parent / "adapters"
PROBE = {
    "macro_f1": 0.8, "balanced_accuracy": 0.7, "accuracy": 0.75, "interval": [0.6, 0.9],
    "chosen": {"C": 0.3, "validation_macro_f1": 0.85},
}  # fmt: skip
PERSON = {"people": 9, "accuracy": 0.37, "chance": 0.11, "raw_statistics": {"accuracy": 0.24}}


def measured(fingerprint: str) -> dict:
    return {
        **PROBE,
        "f1_by_label": {"rest": 0.95, "walk": 0.65},
        "windows": 120,
        "subjects": 9,
        "split": "test",
        "encoder": fingerprint,
        "command": "python -m sensor2llm.evaluate adapters/x --data S",
        "data": {
            "source": f"WISDM 2019, {SOURCES['wisdm'].download}",
            "people": {"train": 4, "validation": 1, "test": 9},
        },
        "probes": {"linear": PROBE, "mlp": {**PROBE, "macro_f1": 0.5, "interval": None}},
        "knn": {**PROBE, "macro_f1": 0.4, "chosen": {"k": 15, "validation_macro_f1": 0.5}},
        "subject_probe": {"test": PERSON, "train": None},
        "selectivity": {
            "mean_index": 0.64, "even": 0.25,
            "share": {"watch_accel": 0.6, "beats": 0.4}, "units": {"watch_accel": 20, "beats": 12},
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give the folder of an encoder that a recipe made, and its store."""
    base = tmp_path_factory.mktemp("encoder")
    step = LoopConfig(epochs=1, steps=1, batch_size=8, precision="float32", seed=7)
    recipe = EncoderRecipe(
        encoder=EncoderConfig(width=8, pooled_steps=4), finetune=True, everyone=True,
        pretrain_loop=step, finetune_loop=step,
    )  # fmt: skip
    store = make_store(base)
    make_encoder(recipe, store.path, base / "mine")
    return base / "mine", store


@pytest.fixture
def facts(made):
    manifest = read_manifest(made[0])
    return copy.deepcopy(manifest), measured(manifest["fingerprint"])


def test_the_front_matter_is_the_hubs(facts):
    manifest, metrics = facts
    manifest["license"] = "apache-2.0"
    head = ModelCard(encoder_card_text(manifest, metrics, "mine")).data
    assert (head.library_name, head.license) == ("sensor2llm", "apache-2.0")
    assert head.pipeline_tag == "feature-extraction"
    own = ["self-supervised-learning", "crossl"]
    assert head.tags == ["sensors", "time-series", "signal-encoder", *own]


def test_a_licence_that_nobody_stated_is_not_made_up(facts):
    text = encoder_card_text(*facts, "mine")
    assert "license: other\nlicense_name: not-stated\n" in text
    assert "Licence of the encoder's weights: not stated" in text
    assert "Licence of the data: CC BY 4.0" in text


def test_it_says_what_is_heard_and_how_it_was_made(facts):
    text = encoder_card_text(*facts, "mine", title="My encoder")
    loop = "`epochs` 1, `steps` 1, `min_steps` 0, `batch_size` 8"
    train, validation = (len(facts[0]["recipe"]["people"][p]) for p in ("train", "validation"))
    for words in (
        "# My encoder\n",
        "windows of 2 s of watch_accel, watch_gyro, beats, values into",
        "8 features of each modality (kind `temporal_cnn`)",
        "| watch_accel | x (g), y (g), z (g) | 20 Hz | 40 |",
        "4 people for train, 1 person for validation, 9 people for test",
        "Labels: `rest`, `walk`, `run`",
        f"by CroSSL on {train} people: `mask` spatial, `masking_ratio` 0.3",
        f"labels of {train + validation} people, the validation people among them: `head.width` 0",
        f"`kernels` {' '.join(map(str, EncoderConfig().kernels))}",
        f"Fingerprint of the weights: `{facts[0]['fingerprint']}`",
        "Not a medical device",
        "arXiv:2307.16847",
    ):
        assert words in text
    assert text.count(f"Its loop: {loop}") == 2
    assert text.count("`seed` 7") == 2
    assert "checkpoint_every_s" not in text


def test_it_says_what_the_probes_found(facts):
    text = encoder_card_text(*facts, "mine")
    for words in (
        "```\npython -m sensor2llm.evaluate adapters/x --data S\n```",
        "120 windows of 9 people (test)",
        "| linear (logistic regression) | 0.800 (95 % over subjects: 0.600 to 0.900) | 0.700 "
        "| 0.750 | `C` 0.3 |",
        "| MLP | 0.500 | 0.700 | 0.750 |",
        "| k nearest neighbours | 0.400 (95 % over subjects: 0.600 to 0.900) | 0.700 | 0.750 "
        "| `k` 15 |",
        "| walk | 0.650 |",
        "| test | 9 | 0.370 | 0.110 | 0.240 |",
        "Mean selectivity index 0.640: 1 where each unit listens to one modality, 0.250 where",
        "| watch_accel | 0.60 | 20 |",
    ):
        assert words in text
    assert "| train |" not in text


def test_what_was_not_measured_or_told_is_left_out(facts):
    manifest, metrics = facts
    for name in ("knn", "selectivity", "command", "data"):
        del metrics[name]
    metrics["subject_probe"] = {"test": None}
    text = encoder_card_text(manifest | {"recipe": None, "label_names": []}, metrics, "mine")
    for words in ("neighbours", "## Person probe", "## Modalities", "Labels:", "Pretrained"):
        assert words not in text
    assert "Source: not stated" in text
    assert ModelCard(text).data.tags == ["sensors", "time-series", "signal-encoder"]


def test_other_objectives_and_labels_alone_are_named(facts):
    manifest, metrics = facts
    manifest["recipe"] |= {"objective": "simclr", "finetune": False}
    text = encoder_card_text(manifest, metrics, "mine")
    assert "by SimCLR (Chen et al., ICML 2020, arXiv:2002.05709) on 4 people: `temp" in text
    assert "`augment.rotation_rad` 0.5" in text
    assert "plain head" not in text
    manifest["recipe"] |= {"pretrain": False, "finetune": True, "everyone": False}
    text = encoder_card_text(manifest, metrics, "mine")
    assert "Trained from random weights with a plain head on the labels of 4 people: `head" in text
    assert "Pretrained" not in text


def test_its_python_runs(made, facts, monkeypatch):
    folder, store = made
    text = encoder_card_text(*facts, str(folder)).replace("STORE", str(store.path))
    load, read = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(read, names)
    exec(load, names)
    assert names["embeddings"].shape == (3, len(SPEC.names), 8)
    with torch.no_grad():
        expected = SignalEncoder.from_pretrained(folder)(names["batch"]).pooled
    torch.testing.assert_close(names["embeddings"], expected)
    assert store.label_names == LABELS


def test_it_is_written_beside_the_metrics(made):
    folder = made[0]
    write_json(folder / "metrics.json", measured(read_manifest(folder)["fingerprint"]))
    path = write_encoder_card(folder)
    assert path == folder / "README.md"
    assert "\n# mine\n" in path.read_text(encoding="utf-8")
    assert 'from_pretrained("mine")' in path.read_text(encoding="utf-8")


def test_metrics_of_other_weights_are_refused(made):
    folder = made[0]
    write_json(folder / "metrics.json", measured("sha256:another"))
    with pytest.raises(ArtefactError, match=r"measured on other weights .* run `.*evaluate.*again"):
        write_encoder_card(folder)


def test_metrics_that_are_missing_or_broken_are_named(made):
    folder = made[0]
    for content in ("{", "[]", '{"encoder": "sha256:0"}'):
        (folder / "metrics.json").write_text(content)
        with pytest.raises(ArtefactError, match=r"metrics.json' is broken \(.*; run `python"):
            write_encoder_card(folder)
    (folder / "metrics.json").unlink()
    with pytest.raises(ArtefactError, match=r"has no metrics.json, which its card is written from"):
        write_encoder_card(folder)


@pytest.mark.parametrize("folder", sorted(RELEASED.glob("*-encoder")), ids=lambda p: p.name)
def test_released_cards_are_those_of_their_metrics(folder):
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    expected = encoder_card_text(read_manifest(folder), metrics, folder.name)
    assert (folder / "README.md").read_text(encoding="utf-8") == expected
