"""Every released format stays readable; what a newer release wrote says so."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.artefacts import manifest
from sensor2llm.encoders.external import ExternalEncoder
from sensor2llm.encoders.files import read_manifest
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError, DataError, UserError
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.encoder import load_encoder
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.store.store import WindowStore
from tests.models import small_adapter, tiny_llm
from tests.signals.stores import SPEC

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
FORMATS = sorted(path.name for path in GOLDEN.iterdir())
each_format = pytest.mark.parametrize("name", FORMATS)


@pytest.fixture(scope="module")
def bundled() -> FrozenLLM:
    return FrozenLLM.load("bundled", dtype="float32", device="cpu")


@pytest.fixture
def expected(name) -> dict:
    """Give what the release that wrote a format said of its first four windows."""
    return json.loads((GOLDEN / name / "expected.json").read_text())


@each_format
def test_a_store_gives_its_windows(name):
    store = WindowStore.open(GOLDEN / name / "store")
    assert (len(store), store.spec, store.label_names) == (12, SPEC, ("rest", "walk"))
    assert store.published == {"train": ["s1", "s2"], "test": ["s3"]}
    assert store[4].subject == "s2"


@each_format
def test_an_encoder_says_what_it_said(name, expected):
    heard = load_encoder(GOLDEN / name / "encoder")
    dataset = WindowDataset(WindowStore.open(GOLDEN / name / "store"), range(4), heard.normaliser)
    with torch.no_grad():
        joint = heard.encoder(dataset.batch(range(4))).joint
    np.testing.assert_allclose(joint, expected["encoder"], atol=1e-5)
    (taught,) = heard.taught
    assert len(taught.people) == 2
    stated = read_manifest(GOLDEN / name / "encoder")
    assert heard.encoder.fingerprint() == stated["fingerprint"]


@each_format
@pytest.mark.parametrize("kind", ["adapter", "inside"])
def test_an_adapter_says_what_it_said(name, kind, expected, bundled, tmp_path):
    """With an encoder and a soft prompt; and with LoRA and a learned prefix inside the LLM."""
    store = WindowStore.open(GOLDEN / name / "store")
    windows = [store[i] for i in range(4)]
    adapter = SensorAdapter.load(GOLDEN / name / kind)
    probabilities = SensorLanguageModel(adapter, bundled).eval().score(windows)
    np.testing.assert_allclose(probabilities.detach(), expected[kind], atol=1e-4)
    again = SensorAdapter.load(adapter.save(tmp_path / "again"))
    probabilities = SensorLanguageModel(again, bundled).eval().score(windows)
    np.testing.assert_allclose(probabilities.detach(), expected[kind], atol=1e-4)


def copy(kind: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "format1" / kind, tmp_path / kind))


def edit(file: Path, **changes) -> None:
    content = json.loads(file.read_text())
    for key, value in changes.items():
        *path, last = key.split(".")
        inner = content
        for name in path:
            inner = inner[name]
        inner[last] = value
    file.write_text(json.dumps(content))


LOADS = {
    "adapter": SensorAdapter.load,
    "encoder": SignalEncoder.from_pretrained,
    "store": WindowStore.open,
}
VERSIONS = {"adapter": "format_version", "encoder": "format_version", "store": "version"}


@pytest.mark.parametrize("kind", LOADS)
def test_a_newer_format_names_what_is_unknown_and_asks_to_upgrade(kind, tmp_path):
    folder = copy(kind, tmp_path)
    file = folder / ("store.json" if kind == "store" else "sensor2llm.json")
    edit(file, **{VERSIONS[kind]: 7, "smell": 1, "taste": {}})
    with pytest.raises(UserError, match=r"unknown here: smell, taste; upgrade sensor2llm") as error:
        LOADS[kind](folder)
    assert isinstance(error.value, DataError if kind == "store" else ArtefactError)
    assert " 7, this " in str(error.value)
    assert len(str(error.value).replace(str(folder), "")) < 250


@pytest.mark.parametrize(
    ("kind", "key", "message"),
    [
        ("encoder", "encoder.smell", r"the encoder in '.*' has .* unknown here \(smell\):"),
        ("adapter", "encoder.smell", r"the encoder in '.*' has .* unknown here \(smell\):"),
        ("adapter", "projector.smell", r"the projector in '.*' has .* unknown here \(smell\):"),
        ("adapter", "signal_text.smell", r"the signal_text in '.*' has .* unknown here \(smell\):"),
        ("adapter", "template.smell", r"a prompt template in '.*' has .* unknown here \(smell\):"),
        ("adapter", "spec.smell", "unexpected keyword argument 'smell'; a newer release may"),
        ("encoder", "spec.smell", "unexpected keyword argument 'smell'; a newer release may"),
        ("store", "spec.smell", "unexpected keyword argument 'smell'; a newer release may"),
    ],
)  # fmt: skip
def test_a_setting_that_is_unknown_is_named_and_asks_to_upgrade(kind, key, message, tmp_path):
    folder = copy(kind, tmp_path)
    edit(folder / ("store.json" if kind == "store" else "sensor2llm.json"), **{key: 1})
    with pytest.raises(UserError, match=rf"{message}.*upgrade sensor2llm"):
        LOADS[kind](folder)


def test_an_unknown_key_of_a_known_format_is_said(tmp_path, caplog):
    folder = copy("adapter", tmp_path)
    edit(folder / "sensor2llm.json", **{f"key{i}": 1 for i in range(7)})
    SensorAdapter.load(folder)
    (line,) = caplog.messages
    assert "left out (key0, key1, key2, key3, key4 and 2 more): a newer release may" in line


def test_what_is_saved_is_known(tmp_path):
    """So that the next release can name what this one does not know."""
    folder = small_adapter(tiny_llm()).save(tmp_path / "adapter")
    stated = json.loads((folder / "sensor2llm.json").read_text())
    assert set(stated) <= manifest.KEYS["adapter"]
    assert stated["format_version"] == manifest.FORMAT_VERSION
    for released in manifest.released_folder().glob("*/sensor2llm.json"):
        stated = json.loads(released.read_text())
        assert set(stated) <= manifest.KEYS[stated["kind"]]


def test_an_adapter_with_modules_of_others_is_not_written(tmp_path):
    """Nothing of the folder would bring the modules back."""
    llm = tiny_llm()
    modules = {
        m.name: ExternalEncoder(
            torch.nn.Linear(m.steps, 4), lambda net, x: net(x).mT, len(m.channels), 8
        )
        for m in SPEC.modalities
    }
    ready = small_adapter(llm)
    ready.encoder = SignalEncoder.from_modules(SPEC, modules, ready.encoder.config)
    folder = small_adapter(llm).save(tmp_path / "adapter")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ArtefactError, match="modules of others cannot be read again from an ada"):
        ready.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
