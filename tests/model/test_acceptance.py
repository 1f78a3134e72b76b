"""Another LLM than the adapter's: refused by identity, accepted by what it says of windows."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import sensor2llm
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.check_windows import FILE, CheckWindows
from sensor2llm.errors import ArtefactError
from sensor2llm.evaluation.cards.adapter import card_text
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.acceptance import accept_llm, measure_check_windows
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.tasks.loading import load_model
from tests.llm.tiny import tiny_folder
from tests.models import small_adapter, text_adapter, tiny_llm, windows


@pytest.fixture(params=[small_adapter, text_adapter], ids=["encoder", "text"])
def folder(request, tmp_path) -> Path:
    """Give an adapter with check windows, on the tiny llama."""
    llm = tiny_llm()
    adapter = request.param(llm)
    adapter.recipe = {"llm": str(tiny_folder("llama"))}
    model = SensorLanguageModel(adapter, llm).eval()
    adapter.check_windows = measure_check_windows(model, windows(16))
    adapter.save(tmp_path / "adapter")
    return tmp_path / "adapter"


def other_llm(tmp_path: Path, change: float) -> str:
    """Give a copy of the tiny llama whose weights are a little, or entirely, others."""
    copy = Path(shutil.copytree(tiny_folder("llama"), tmp_path / f"llama-{change:g}"))
    tensors = load_file(copy / "model.safetensors")
    generator = torch.Generator().manual_seed(3)
    for name, tensor in tensors.items():
        noise = torch.randn(tensor.shape, generator=generator)
        tensors[name] = tensor + change * tensor.std() * noise if tensor.ndim > 1 else tensor
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    return str(copy)


def test_check_windows_are_read_as_they_were_kept(folder):
    adapter = SensorAdapter.load(folder)
    model = SensorLanguageModel(adapter, tiny_llm()).eval()
    check = adapter.check_windows
    assert len(check.features) == 16
    assert torch.equal(model.score(check.features), check.probabilities)
    if adapter.encoder is not None:
        assert check.features.steps.dtype == torch.bfloat16
    names = {name.partition(".")[0] for name in load_file(folder / FILE)}
    assert names == {"check"}


def test_saving_again_keeps_them(folder, tmp_path):
    SensorAdapter.load(folder).save(tmp_path / "again")
    assert (tmp_path / "again" / FILE).read_bytes() == (folder / FILE).read_bytes()


def test_the_same_weights_in_another_file_are_refused_and_accepted_when_asked(
    folder, tmp_path, caplog
):
    near = other_llm(tmp_path, 1e-5)
    with pytest.raises(
        ArtefactError, match=r"trained for the LLM 'llama-chat' .* not for 'llama-1"
    ):
        load_model(folder, near, dtype="float32")
    model = load_model(folder, near, dtype="float32", llm_accept=True)
    assert model.accepted == {
        "name": "llama-1e-05", "identity": model.llm.identity, "same_labels": 1.0, "windows": 16,
    }  # fmt: skip
    assert model.llm.identity != model.adapter.llm_identity
    assert caplog.messages[-1] == (
        f"'llama-1e-05' ({model.llm.identity[:19]}) is accepted in the place of 'llama-chat': "
        "100.0 % of 16 check windows labelled alike"
    )
    own = load_model(folder, dtype="float32")
    assert torch.allclose(model.score(windows(4)), own.score(windows(4)), atol=1e-3)


def test_another_model_is_refused_with_the_share(folder, tmp_path):
    far = FrozenLLM.load(other_llm(tmp_path, 3), dtype="float32")
    adapter = SensorAdapter.load(folder)
    labels = adapter.check_windows.probabilities.argmax(-1)
    with torch.no_grad():
        model = SensorLanguageModel(adapter, far, check=False).eval()
        same = (model.score(adapter.check_windows.features).argmax(-1) == labels).float().mean()
    assert same < 0.98
    line = rf"is not accepted in the place of 'llama-chat' .*: it gives {same:.0%} of 16 check wind"
    with pytest.raises(ArtefactError, match=line):
        accept_llm(adapter, far)


def test_one_label_in_64_may_differ_and_two_may_not():
    llm = tiny_llm()
    model = SensorLanguageModel(small_adapter(llm), llm).eval()
    check = measure_check_windows(model, windows(8) * 8)
    for wrong, accepted in ((1, True), (2, False)):
        probabilities = check.probabilities.clone()
        for row in range(wrong):
            probabilities[row] = (
                probabilities[row].flip(0) + torch.eye(4)[(probabilities[row].argmax() + 1) % 4]
            )
        model.adapter.check_windows = CheckWindows(check.features, probabilities)
        if accepted:
            assert accept_llm(model.adapter, llm).same_labels == 63 / 64
        else:
            with pytest.raises(ArtefactError, match="97% of 64 check windows"):
                accept_llm(model.adapter, llm)


def test_the_adapters_own_llm_needs_no_trial(folder):
    assert load_model(folder, llm_accept=True).accepted is None
    model = sensor2llm.load(folder, llm_accept=True).model
    assert model.accepted is None


def test_an_adapter_without_check_windows_is_one_line(tmp_path):
    small_adapter(tiny_llm()).save(tmp_path / "adapter")
    line = (
        r"the adapter holds no check windows, so 'llama-1e-05' .* cannot be accepted in the place"
    )
    with pytest.raises(ArtefactError, match=line):
        load_model(tmp_path / "adapter", other_llm(tmp_path, 1e-5), llm_accept=True)


def test_an_llm_of_another_width_is_one_line(folder):
    line = (
        r"'bundled' .* cannot be accepted in .*: its vectors are 192 wide, the adapter's 32; load"
    )
    with pytest.raises(ArtefactError, match=line):
        load_model(folder, "bundled", llm_accept=True)


def test_the_card_says_what_it_was_measured_on(folder):
    manifest = json.loads((folder / "sensor2llm.json").read_text())
    metrics = {"llm_accepted": {"name": "near", "identity": "sha256:abcdef0123456789",
                                "same_labels": 0.984, "windows": 64}}  # fmt: skip
    metrics |= {"llm_fingerprint": "sha256:1", "command": "x"}
    text = card_text(manifest, METRICS | metrics, "title")
    assert (
        "Measured on another language model than the adapter's own: `near` (sha256:abcdef012345) "
        "was accepted, which gives 98.4 % of 64 check windows the same label."
    ) in text
    assert "another language model" not in card_text(manifest, METRICS, "title")


METRICS = {
    "split": "test", "macro_f1": 0.5, "balanced_accuracy": 0.5, "accuracy": 0.5, "interval": None,
    "windows": 4, "subjects": 2, "f1_by_label": {}, "confusion": [], "labels": [],
    "calibration_error": None, "unparsed_rate": 0.0, "windows_per_s": 1.0, "tokens_per_window": 9,
    "llm_fingerprint": "sha256:0", "command": "",
}  # fmt: skip
