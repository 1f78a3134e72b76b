"""Open an export as `prepare` does, and take all its windows."""

from pathlib import Path

import pytest

from sensor2llm.datasets.catalogue import open_source
from sensor2llm.signals.reader_options import SourceOptions


@pytest.fixture
def open_export():
    """Give a function that reads an export and checks that every sample is accounted for."""

    def read(name: str, path: Path, **options):
        reading = open_source(name, path, SourceOptions(**options))
        windows = list(reading.windows)
        for window in windows:
            reading.spec.check(window)
        assert reading.ledger.unbalanced() == {}
        return reading, windows

    return read


@pytest.fixture(scope="session")
def device_files(shared: Path) -> Path:
    """Give the folder of genuine files, or skip."""
    return shared / "data" / "device_files"
