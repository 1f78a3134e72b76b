"""Artefacts are found by name: a folder, a released name, a hub name, in this order."""

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from sensor2llm import SignalEncoder
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.files import find_artefact
from sensor2llm.artefacts import manifest
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.files import read_manifest
from sensor2llm.errors import ArtefactError
from tests.toy_store import SPEC, make_batch

RELEASED = Path(__file__).resolve().parents[2] / "adapters"
ENCODERS = (
    "uci-har-encoder", "wesad-wrist-stress-encoder", "wisdm-watch-encoder",
    "wisdm-watch-phone-encoder",
)  # fmt: skip


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """Give an empty working folder, where no released folder lies."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def save(folder: Path, seed: int = 0) -> SignalEncoder:
    torch.manual_seed(seed)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4)).eval()
    assert encoder.save_pretrained(folder) == folder
    return encoder


@pytest.mark.parametrize("name", ENCODERS)
def test_a_released_encoder_is_loaded_by_name(elsewhere, name):
    stated = json.loads((RELEASED / name / "sensor2llm.json").read_text(encoding="utf-8"))
    assert read_manifest(name) == stated
    assert SignalEncoder.from_pretrained(name).fingerprint() == stated["fingerprint"]


def test_a_folder_of_a_released_name_wins(elsewhere):
    mine = save(elsewhere / "uci-har-encoder")
    assert SignalEncoder.from_pretrained("uci-har-encoder").fingerprint() == mine.fingerprint()
    assert find_artefact("uci-har-encoder") == Path("uci-har-encoder")
    assert find_artefact("wisdm-watch-encoder") == RELEASED / "wisdm-watch-encoder"


def test_the_wheel_carries_them_beside_the_package(elsewhere, tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "sensor2llm"
    mine = save(package / "_data" / "adapters" / "mine")
    monkeypatch.setattr(manifest, "__file__", str(package / "artefacts" / "manifest.py"))
    assert SignalEncoder.from_pretrained("mine").fingerprint() == mine.fingerprint()
    with pytest.raises(ArtefactError, match=r"no encoder 'uci-har-encoder'.*released are mine;"):
        SignalEncoder.from_pretrained("uci-har-encoder")


def hub(folder: Path):
    """Stand in for `snapshot_download`: copy what is asked for of a folder."""

    def download(name: str, allow_patterns: list[str]) -> str:
        out = folder.with_name(name.replace("/", "--"))
        out.mkdir()
        for path in folder.iterdir():
            if any(fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy(path, out)
        return str(out)

    return download


def test_an_encoder_comes_from_the_hub_without_strangers_files(elsewhere, tmp_path, monkeypatch):
    mine = save(tmp_path / "upstream")
    for name in ("README.md", "metrics.json", "train.py", "weights.bin"):
        (tmp_path / "upstream" / name).write_text("{}")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub(tmp_path / "upstream"))
    encoder = SignalEncoder.from_pretrained("some/one")
    batch = make_batch(2)
    torch.testing.assert_close(encoder(batch).joint, mine(batch).joint, rtol=0, atol=0)
    names = {path.name for path in (tmp_path / "some--one").iterdir()}
    assert names == {"README.md", "metrics.json", "encoder.safetensors", "sensor2llm.json"}
    assert find_artefact("some/other") == tmp_path / "some--other"
    assert SignalEncoder.from_pretrained(tmp_path / "some--other").spec == SPEC


def test_a_hub_that_is_out_of_reach_is_one_line(elsewhere, monkeypatch):
    def nothing(*_args, **_options):
        raise LocalEntryNotFoundError("Got: ConnectError\nAn error happened")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing)
    message = "no encoder 'some/one': no such folder, the hub cannot be reached, .* go online"
    with pytest.raises(ArtefactError, match=message) as error:
        SignalEncoder.from_pretrained("some/one")
    assert "\n" not in str(error.value)


def test_a_hub_that_refuses_is_one_line(elsewhere, monkeypatch):
    def nothing(*_args, **_options):
        raise OSError("404 Client Error.\nRepository Not Found")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing)
    message = r"no adapter or encoder 'some/one': .* does not give it \(404 Client Error.\)$"
    with pytest.raises(ArtefactError, match=message):
        find_artefact("some/one")


def test_an_unknown_name_lists_what_is_released(elsewhere):
    listed = ", ".join(ENCODERS)
    with pytest.raises(ArtefactError, match=f"no encoder 'nothing'.*released are {listed};"):
        SignalEncoder.from_pretrained("nothing")
    with pytest.raises(ArtefactError, match=r"no encoder 'nothing'.*OWNER/NAME"):
        read_manifest("nothing")
    with pytest.raises(
        ArtefactError, match=r"no adapter or encoder 'nothing'.* uci-har-bundled, uci-har-e"
    ):
        find_artefact("nothing")


def test_the_other_kinds_name_is_said_to_be_it(elsewhere):
    listed = ", ".join(ENCODERS)
    message = (
        f"adapters/uci-har-bundled' holds kind 'adapter', expected 'encoder'; released .* {listed}$"
    )
    with pytest.raises(ArtefactError, match=message):
        SignalEncoder.from_pretrained("uci-har-bundled")
    message = (
        "uci-har-encoder' holds kind 'encoder', expected 'adapter'; released .* uci-har-bundled, "
    )
    with pytest.raises(ArtefactError, match=message):
        SensorAdapter.load("uci-har-encoder")


class Api:
    """Stand in for the hub: remember what is sent."""

    def __init__(self):
        self.sent = {}

    def __call__(self):
        return self

    def create_repo(self, repo_id, **options):
        self.sent["repo"] = (repo_id, options)

    def upload_folder(self, repo_id, folder_path, allow_patterns):
        found = {path.name for path in Path(folder_path).iterdir()}
        kept = huggingface_hub.utils.filter_repo_objects(found, allow_patterns=allow_patterns)
        self.sent["files"] = set(kept)
        return huggingface_hub.CommitInfo(
            commit_url=f"https://huggingface.co/{repo_id}/commit/1",
            commit_message="", commit_description="", oid="1",
        )  # fmt: skip


def test_pushing_uploads_weights_manifest_metrics_and_card(tmp_path, monkeypatch):
    api = Api()
    monkeypatch.setattr(huggingface_hub, "HfApi", api)
    encoder = save(tmp_path / "mine")
    with pytest.raises(ArtefactError, match=r"has no card \(README.md\).*sensor2llm.evaluate"):
        encoder.push_to_hub("some/one", tmp_path / "mine")
    assert not api.sent
    for name in ("README.md", "metrics.json", "notes.txt"):
        (tmp_path / "mine" / name).write_text("{}")
    address = encoder.push_to_hub("some/one", tmp_path / "mine", private=False)
    assert address == "https://huggingface.co/some/one/commit/1"
    assert api.sent["repo"] == ("some/one", {"private": False, "exist_ok": True})
    names = {"README.md", "metrics.json", "encoder.safetensors", "sensor2llm.json"}
    assert api.sent["files"] == names


def test_weights_that_were_not_saved_are_not_pushed(tmp_path):
    save(tmp_path / "mine")
    other = save(tmp_path / "other", seed=1)
    with pytest.raises(ArtefactError, match=r"mine' holds other weights than this encoder's"):
        other.push_to_hub("some/one", tmp_path / "mine")
