from pathlib import Path

import pytest
from huggingface_hub import constants

from sensor2llm.encoders.foundation import catalogue
from tests.encoders.foundation.tiny import registered, save_tiny


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    """Let a package have registered encoders, and the hub be out of reach, its cache empty."""
    monkeypatch.setattr(catalogue, "entry_points", registered)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def weights(tmp_path) -> Path:
    return save_tiny(tmp_path / "weights")
