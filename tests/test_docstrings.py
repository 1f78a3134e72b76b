"""Examples in docstrings are run; the window, store and split that they speak of are made here."""

import doctest
import importlib

import numpy as np
import pytest
import torch

from sensor2llm.datasets.simulation.simulate import SimulationConfig, simulate_store
from tests.conftest import REPOSITORY

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
MODULES = [
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
    for package in ("sensor2llm", "tokenization_study")
    for path in sorted((REPOSITORY / package).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    config = SimulationConfig(subjects=2, sessions=1, missing_share=0.0)
    store = simulate_store(tmp_path_factory.mktemp("simulated") / "store", config)
    given = {"store": store, "spec": store.spec, "window": store[6]}
    return {"np": np, "torch": torch, "generator": torch.Generator(), **given}


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_give_what_they_say(name, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    given = {key: value for key, value in names.items() if not hasattr(module, key)}
    result = doctest.testmod(module, extraglobs=given, optionflags=FLAGS)
    assert result.attempted > 0
    assert result.failed == 0
