"""Real tokenizer files, unpacked once."""

import lzma
import tarfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tokenizer_files(shared: Path, tmp_path_factory: pytest.TempPathFactory):
    """Give a function that unpacks one tokenizer folder and gives its path."""
    out = tmp_path_factory.mktemp("tokenizers")
    archive = shared / "tokenizers" / "tokenizers.tar.xz"
    with lzma.open(archive) as stream, tarfile.open(fileobj=stream) as tar:
        tar.extractall(out, filter="data")
    folders = [path for path in out.rglob("openai") if path.is_dir()]
    return folders[0].parent
