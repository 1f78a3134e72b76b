"""Find a language model by name: bundled, of the catalogue, a folder, a GGUF file, on the hub."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sensor2llm.artefacts.hashing import hash_file
from sensor2llm.errors import ModelError, listed
from sensor2llm.llm.catalogue.download import get_llm
from sensor2llm.llm.catalogue.entries import BUNDLED, CATALOGUE, NAMES
from sensor2llm.llm.catalogue.gguf import dequantised, read_origin
from sensor2llm.llm.checks import identity

HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class LLMLocation:
    """Say where a language model's files are.

    Args:
        source: its folder, or a hub name.
        name: what an adapter calls it; never a path.
    """

    source: Path | str
    name: str


def is_gguf(name: str) -> bool:
    """Say whether a name is of a GGUF file, or of what was made from one; nothing is got."""
    path = Path(name).expanduser()
    if name in CATALOGUE or not path.is_dir():
        return name in CATALOGUE or (path.is_file() and path.suffix.lower() == ".gguf")
    if (path / "config.json").is_file():
        return read_origin(path) is not None
    return any(path.glob("*.gguf"))


def locate(name: str, weights: bool = True) -> LLMLocation:
    """Find a language model by name; get it, and unpack a GGUF file, where that is to be done.

    Raises:
        ModelError: where there is none, a folder lacks configuration, tokenizer or weights, or a
            GGUF file cannot be read.
    """
    if name in CATALOGUE:
        entry = CATALOGUE[name]
        return LLMLocation(dequantised(entry.sha256, lambda: get_llm(entry), name), name)
    path = BUNDLED if name == "bundled" else Path(name).expanduser()
    if name and path.is_dir():
        return _in_folder(path, name, weights)
    if name == "bundled":
        raise ModelError("this installation has no bundled language model; install it again")
    if path.is_file():
        return _in_file(path, name)
    if not HUB_NAME.fullmatch(name) or name.startswith(".") or path.suffix == ".gguf":
        raise ModelError(
            f"no language model at '{name}'; give {NAMES}, a folder, a GGUF file or a hub name "
            "such as owner/model"
        )
    return LLMLocation(name, name)


def _in_folder(folder: Path, name: str, weights: bool) -> LLMLocation:
    files = [] if (folder / "config.json").is_file() else sorted(folder.glob("*.gguf"))
    if len(files) > 1:
        raise ModelError(
            f"'{name}' holds {len(files)} GGUF files ({listed((f.name for f in files), 3)}); give "
            f"one of them, such as '{name}/{files[0].name}'"
        )
    if files:
        return _in_file(files[0], str(files[0]))
    _check_folder(folder, name, weights)
    if origin := read_origin(folder):
        return LLMLocation(folder, _gguf_name(*origin))
    return LLMLocation(folder, name if name == "bundled" else folder.resolve().name)


def _in_file(path: Path, name: str) -> LLMLocation:
    if path.suffix.lower() != ".gguf":
        raise ModelError(
            f"'{name}' is a file; give a GGUF file, or a folder with config.json and safetensors"
        )
    _refuse_pointers([path], str(path.parent))
    sha256 = hash_file(path)
    label = _gguf_name(path.stem, sha256)
    return LLMLocation(dequantised(sha256, lambda: path, path.stem), label)


def _gguf_name(stem: str, sha256: str) -> str:
    """Name a GGUF file as the catalogue does where it is one of its files."""
    names = (name for name, entry in CATALOGUE.items() if entry.sha256 == sha256)
    return next(names, stem)


def _check_folder(folder: Path, name: str, weights: bool) -> None:
    """Refuse a folder that holds no language model, or only a part of one."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"'{name}' is no language model: {_no_config(folder)}")
    tokenizers = [folder / file for file in TOKENIZER_FILES if (folder / file).is_file()]
    if not tokenizers:
        raise ModelError(
            f"'{name}' has no tokenizer: expected one of {', '.join(TOKENIZER_FILES)} in the folder"
        )
    _refuse_pointers([folder / "config.json", *tokenizers], name)
    files = identity.weight_files(folder) if weights else []
    missing = [file.name for file in files if not file.is_file()]
    if weights and (missing or not files):
        what = ", ".join(missing) or "model.safetensors"
        gguf = next(folder.glob("*.gguf"), None)
        hint = f"expected {what} in the folder"
        if gguf:
            hint = f"expected {what}, or give its GGUF file: '{name}/{gguf.name}'"
        raise ModelError(f"'{name}' has no weights: {hint}")
    _refuse_pointers(files, name)


def _no_config(folder: Path) -> str:
    """Say what a folder holds in place of a model's configuration."""
    if (folder / "adapter_config.json").is_file():
        return (
            "its folder holds a PEFT adapter only; merge it into its base model "
            "(merge_and_unload), save that, and give its folder"
        )
    return "its folder has no config.json and no GGUF file"


def _refuse_pointers(files: Sequence[Path], name: str) -> None:
    """Refuse files that Git left in place of large ones.

    Raises:
        ModelError: naming the first.
    """
    for file in files:
        with file.open("rb") as stream:
            if stream.read(len(LFS_POINTER)) == LFS_POINTER:
                raise ModelError(
                    f"{file.name} in '{name}' is a Git LFS pointer, not the file itself; run `git "
                    "lfs pull` there, or download it again"
                )
