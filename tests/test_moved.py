"""Import paths of before: those that README ever showed work, with a DeprecationWarning."""

import importlib
import sys

import pytest

from sensor2llm.artefacts.moved_modules import MOVED
from tests.conftest import REPOSITORY

SHOWN = {
    "sensor2llm.batches": ("Request", "sensor2llm.adapter.batches"),
    "sensor2llm.signals.mapped_store": ("MappedStore", "sensor2llm.signals.views.converted"),
    "sensor2llm.signals.joined_stores": ("JoinedStores", "sensor2llm.signals.views.joined"),
    "sensor2llm.tasks.serving": ("prompt_embeds", "sensor2llm.serving.prompt_embeddings"),
    "sensor2llm.signals.sources.uci_har": ("read", "sensor2llm.datasets.motion.uci_har"),
}
PACKAGES = {
    "sensor2llm.adapter": ("SensorAdapter", "sensor2llm.adapter.adapter"),
    "sensor2llm.model": ("SensorLanguageModel", "sensor2llm.model.model"),
    "sensor2llm.signals.store": ("WindowStore", "sensor2llm.signals.store.store"),
    "sensor2llm.signals.ledger": ("Ledger", "sensor2llm.signals.ledger.ledger"),
}


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """Let every test import the old paths anew."""
    for name in MOVED:
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize(("old", "place"), SHOWN.items(), ids=list(SHOWN))
def test_a_module_that_is_gone_gives_the_names_of_the_new_one(old, place):
    name, new = place
    with pytest.warns() as warnings:  # an outer module may have moved too
        value = getattr(importlib.import_module(old), name)
    assert value.__module__ == new
    assert f"{old} is now {new}; the old path works in this release only" in [
        str(warning.message) for warning in warnings if warning.category is DeprecationWarning
    ]


@pytest.mark.parametrize(("package", "place"), PACKAGES.items(), ids=list(PACKAGES))
def test_a_package_with_the_name_of_an_old_module_forwards_its_names(package, place):
    name, new = place
    with pytest.warns(DeprecationWarning, match=rf"{package}\.{name} is now {new}\.{name}"):
        value = getattr(importlib.import_module(package), name)
    assert value is getattr(importlib.import_module(new), name)


@pytest.mark.parametrize(
    "line",
    [
        "from sensor2llm.batches import Request",
        "from sensor2llm.signals.store import WindowStore",
    ],
)
def test_the_warning_names_the_line_that_imports(line):
    with pytest.warns(DeprecationWarning, match="in this release only") as warnings:
        exec(compile(line, "mine.py", "exec"), {})
    assert {warning.filename for warning in warnings} == {"mine.py"}


@pytest.mark.parametrize("old", MOVED)
def test_every_old_path_is_gone_and_leads_somewhere(old):
    place = REPOSITORY.joinpath(*old.split("."))
    assert not place.with_suffix(".py").exists()
    assert not (place / "__init__.py").exists()
    with pytest.warns(DeprecationWarning, match=" is now "):
        importlib.import_module(old)


def test_an_unknown_name_is_an_error_as_ever():
    import sensor2llm.signals.store

    with pytest.raises(
        AttributeError, match=r"'sensor2llm.signals.store' has no attribute 'Windw'"
    ):
        _ = sensor2llm.signals.store.Windw
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'sensor2llm.signals.tabel'"):
        importlib.import_module("sensor2llm.signals.tabel")
