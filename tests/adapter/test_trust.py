"""What is known of an adapter's limits lies in its folder, and changes no weight."""

import json

import numpy as np
import pytest
import torch

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.calibration import calibrate
from sensor2llm.adapter.files import rewrite_training_data
from sensor2llm.adapter.trust import Trust
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.likeness.profile import fit_profile
from sensor2llm.signals.views.in_memory import InMemoryWindows
from tests.models import LABELS, small_adapter, tiny_llm
from tests.signals.stores import SPEC, make_windows


@pytest.fixture(scope="module")
def trust() -> Trust:
    store = InMemoryWindows(
        [w for w in make_windows(4, labels=LABELS) if len(w.signals) == len(SPEC.names)], SPEC
    )
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 60)
    calibration = calibrate(probabilities, rng.integers(0, 4, 60), np.arange(60) % 3)
    return Trust(fit_profile(store, np.arange(len(store)), np.asarray(store.labels)), calibration)


def test_it_comes_back_with_the_adapter(tmp_path, trust):
    adapter = small_adapter(tiny_llm())
    adapter.trust = trust
    again = SensorAdapter.load(adapter.save(tmp_path / "adapter")).trust
    assert again.calibration.temperature == trust.calibration.temperature
    assert again.profile.thresholds == trust.profile.thresholds
    np.testing.assert_allclose(again.calibration.true, trust.calibration.true, rtol=1e-6)


def test_it_is_added_without_touching_another_file(tmp_path, trust):
    folder = small_adapter(tiny_llm()).save(tmp_path / "adapter")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    (folder / "metrics.json").write_text("{}")
    adapter = SensorAdapter.load(folder)
    assert adapter.trust.profile is adapter.trust.calibration is None
    adapter.trust = trust
    rewrite_training_data(adapter.parts, folder)
    assert SensorAdapter.load(folder).trust.calibration is not None
    manifest = json.loads((folder / "sensor2llm.json").read_text())
    assert "training_data.safetensors" in manifest["files"]
    for name, content in before.items():
        if name not in ("sensor2llm.json", "training_data.safetensors"):
            assert (folder / name).read_bytes() == content
    assert (folder / "metrics.json").read_text() == "{}"


def test_the_temperature_makes_probabilities_milder_and_no_label_another(trust):
    model = SensorLanguageModel(small_adapter(tiny_llm()), tiny_llm()).eval()
    windows = list(make_windows(2))
    plain = model.score(windows)
    model.adapter.trust = trust
    warm = model.score(windows)
    torch.testing.assert_close(warm.argmax(1), plain.argmax(1))
    temperature = trust.calibration.temperature
    torch.testing.assert_close(warm, (plain.log() / temperature).softmax(1))
