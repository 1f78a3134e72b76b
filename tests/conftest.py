"""Fixtures shared by all tests; real data is found through SENSOR2LLM_SHARED."""

import os
import subprocess
import sys
from pathlib import Path

import jaxtyping
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# One thread, here and in the verbs that tests start: beside other work two are many times slower,
# and sums of another number of threads differ in their last digits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Shapes and types of these are checked at every call. An int is a float here, as it is to mypy.
jaxtyping.install_import_hook(
    ["sensor2llm.bridge", "sensor2llm.encoders", "sensor2llm.tasks.metrics", "sensor2llm.batches"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)
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


def pytest_terminal_summary(terminalreporter) -> None:
    """Say how many tests on real data were skipped."""
    skipped = [
        r for r in terminalreporter.stats.get("skipped", []) if "real data" in str(r.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} real-data tests skipped (SENSOR2LLM_SHARED unset)"
        )
