"""A folder from anywhere: values of the wrong type and claims beyond reason are one line."""

import copy
import json
import resource
import shutil
import time

import pytest
import torch

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.artefacts.types import KINDS, check_types
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError, UserError
from sensor2llm.training.allocation import ALWAYS, TIMES, AllocationBudget, stored_numbers
from tests.models import small_adapter, tiny_llm

WRONG = [None, False, -1, 1.5, "x", "", [], ["a", 1], {}, {"a": [1]}, 10**9, 1e308, [[]] * 600,
         "half \ud800"]  # fmt: skip


@pytest.fixture(scope="module")
def adapter_folder(tmp_path_factory):
    return small_adapter(tiny_llm()).save(tmp_path_factory.mktemp("adapter") / "adapter")


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "encoder"
    small_adapter(tiny_llm()).encoder.save_pretrained(folder)
    return folder


def changed(folder, tmp_path, change):
    """Copy an artefact, and change its manifest."""
    copied = tmp_path / "copy"
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(folder, copied)
    path = copied / "sensor2llm.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(change(manifest)))
    return copied


def paths(plain, lead=()):
    if isinstance(plain, dict | list):
        pairs = plain.items() if isinstance(plain, dict) else enumerate(plain[:2])
        for key, value in pairs:
            yield (*lead, key)
            yield from paths(value, (*lead, key))


def replaced(plain, path, value):
    plain = copy.deepcopy(plain)
    inner = plain
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return plain


@pytest.mark.parametrize("kind", ["adapter", "encoder"])
def test_no_wrong_value_of_a_manifest_is_more_than_one_line(
    adapter_folder, encoder_folder, tmp_path, kind
):
    """Every place of the manifest, each with a seeded choice of wrong values."""
    folder = adapter_folder if kind == "adapter" else encoder_folder
    load = SensorAdapter.load if kind == "adapter" else SignalEncoder.from_pretrained
    plain = json.loads((folder / "sensor2llm.json").read_text())
    refused = 0
    for i, path in enumerate(paths(plain)):
        for value in WRONG[i % 5 :: 5]:
            copied = changed(folder, tmp_path, lambda m, p=path, v=value: replaced(m, p, v))
            try:
                load(copied)
            except UserError:
                refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("encoder", "width"), 1_000_000), (("encoder", "aggregator_hidden"), 1_000_000),
        (("encoder", "tabular_layers"), 500), (("projector", "hidden"), 1_000_000),
        (("projector", "tokens"), 1_000_000), (("llm_width",), 1_000_000),
        (("encoder", "tabular_layers"), 10**9), (("projector", "depth"), 10**9),
    ],
)  # fmt: skip
def test_a_huge_claim_is_refused_before_anything_is_made(adapter_folder, tmp_path, path, value):
    copied = changed(adapter_folder, tmp_path, lambda m: replaced(m, path, value))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ArtefactError, match="is broken"):
        SensorAdapter.load(copied)
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("form", ["a"], "form must be text, got ['a']"),
        ("llm_identity", False, "llm_identity must be text, got False"),
        ("label_names", "ab", "label_names must be a list of texts, got 'ab'"),
        ("label_prior", [1, "a"], "label_prior must be a list of numbers, got [1, 'a']"),
        ("soft_tokens", True, "soft_tokens must be a whole number up to 1048576, got True"),
        ("normaliser", [], "normaliser must be a mapping or null, got []"),
        ("files", {"../a": "x"}, "files must be files of the folder and their hashes, got {'../a'"),
        ("files", {"/dev/zero": "x"}, "files must be files of the folder and their hashes"),
    ],
)
def test_what_a_value_must_be_is_said(tmp_path, name, value, words):
    with pytest.raises(ArtefactError) as caught:
        check_types({"kind": "adapter", name: value}, tmp_path)
    assert words in str(caught.value)


def test_every_key_that_is_written_has_its_type(adapter_folder, encoder_folder):
    for folder, kind in ((adapter_folder, "adapter"), (encoder_folder, "encoder")):
        manifest = json.loads((folder / "sensor2llm.json").read_text())
        check_types(manifest, folder)
        loose = {"format_version", "kind", "taught", "trained_parameters"}
        assert set(manifest) - loose <= set(KINDS[kind])


def test_deep_json_is_one_line(adapter_folder, tmp_path):
    copied = changed(adapter_folder, tmp_path, lambda m: m)
    (copied / "sensor2llm.json").write_text('{"kind": ' + "[" * 200_000)
    with pytest.raises(ArtefactError, match="is broken"):
        SensorAdapter.load(copied)


def test_a_budget_lets_through_what_is_stored_and_no_more(tmp_path):
    with AllocationBudget(10):
        torch.zeros(TIMES * 10)
        torch.empty(4, 5)
        with pytest.raises(ValueError, match="far more than 10 numbers"):
            torch.zeros(ALWAYS)
    with AllocationBudget(0), pytest.raises(ValueError, match="far more than 0 numbers"):
        torch.arange(ALWAYS + 1)
    with AllocationBudget(0), pytest.raises(ValueError, match="far more than 0 numbers"):
        torch.nn.Linear(1 << 30, 1 << 30)


def test_the_stored_numbers_are_counted(encoder_folder):
    encoder = SignalEncoder.from_pretrained(encoder_folder)
    numbers = sum(tensor.numel() for tensor in encoder.state_dict().values())
    assert stored_numbers(encoder_folder / "encoder.safetensors") == numbers
