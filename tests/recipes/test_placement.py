"""Where a device is worn: told to half of the training windows, and in use where it is known."""

from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.recipes.features import FeatureStore
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.views.joined import JoinedStores
from sensor2llm.tasks.aligned import AdapterDataset
from sensor2llm.tasks.loading import load_model
from tests.llm.tiny import tiny_folder
from tests.models import small_adapter, tiny_llm
from tests.signals.stores import SPEC, make_windows

PLACEMENTS = {"walk 1": "wrist", "walk 2": "waist"}


def placed(adapter):
    template = PromptTemplate.load("motion")
    adapter.template, adapter.templates = template, {"classification": template}
    return adapter


@pytest.fixture
def store(tmp_path):
    windows = [
        replace(window, recording=f"walk {i % 3}")
        for i, window in enumerate(make_windows(people=2, each=6))
    ]
    return WindowStore.write(tmp_path / "store", SPEC, windows, placements=PLACEMENTS)


def test_a_store_tells_where_recordings_were_worn(store):
    words = [store.placement_of(row) for row in range(6)]
    assert words == [None, "wrist", "waist", None, "wrist", "waist"]
    view = ConvertedView(store, {"accel": "accel"}, SPEC.subset(["accel"]))
    there = np.flatnonzero(np.asarray(store.present)[:, 0])
    expected = [store.placement_of(row) for row in there.tolist()]
    assert [view.placement_of(row) for row in range(len(view))] == expected
    both = JoinedStores([store, store], names=["a", "b"])
    assert both.placement_of(len(store) + 2) == "waist"


def test_other_placements_are_other_data(store, tmp_path):
    windows = list(store)
    plain = WindowStore.write(tmp_path / "plain", SPEC, windows)
    again = WindowStore.write(tmp_path / "again", SPEC, windows, placements=PLACEMENTS)
    assert plain.placement_of(1) is None
    assert again.fingerprint == store.fingerprint != plain.fingerprint


def test_every_other_window_is_told_in_training(store, tmp_path):
    adapter = placed(small_adapter(tiny_llm()))
    rows = np.array([1, 2, 4, 5])
    features = FeatureStore.write(tmp_path / "f", adapter, AdapterDataset(store, rows, adapter), {})
    words = [values["placement"] for values in features.batch(np.arange(4)).template_values]
    assert words == ["wrist", "", "", "waist"]
    plain = small_adapter(tiny_llm())
    untold = FeatureStore.write(tmp_path / "g", plain, AdapterDataset(store, rows, plain), {})
    assert untold.batch(np.arange(4)).template_values is None


def test_the_prompt_says_the_word_only_where_it_is_known(store, tmp_path):
    folder = placed(small_adapter(tiny_llm())).save_pretrained(tmp_path / "adapter")
    told = load_model(folder, str(tiny_folder("llama", True)), dtype="float32", placement="wrist")
    untold = load_model(folder, str(tiny_folder("llama", True)), dtype="float32")
    assert "Activity? Worn: wrist." in told.prompting.text()
    assert "Worn" not in untold.prompting.text()
    assert "Worn" not in untold.prompting.text(template_values={"placement": ""})


def test_an_adapter_that_learned_without_refuses_the_word(tmp_path):
    folder = small_adapter(tiny_llm()).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ConfigError, match="not trained to be told where a device is worn"):
        load_model(folder, str(tiny_folder("llama", True)), dtype="float32", placement="wrist")
