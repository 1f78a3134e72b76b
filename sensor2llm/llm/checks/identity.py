"""Say which language model this is, by the checkpoint on disk.

Tensors are taken as stored, so that the identity is the same in whatever type they are loaded. What
was made from a GGUF file is that file, by its sha256: derived tensors and configurations change
with the library that wrote them.
`sensor2llm.llm.checks.fingerprint` is about the model in memory.
"""

import hashlib
import json
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sensor2llm.artefacts.hashing import hash_file
from sensor2llm.errors import ModelError

# What a configuration says about how it was written or is to be loaded, not about the model.
UNRELATED = {
    "_name_or_path",
    "_attn_implementation_autoset",
    "attn_implementation",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}
# What a tokenizer's or an adapter's file says about its own writing and whereabouts.
BOOKKEEPING = {
    "_from_model_config", "auto_mapping", "base_model_name_or_path", "cache_dir", "inference_mode",
    "is_local", "local_files_only", "name_or_path", "peft_version", "processor_class", "revision",
    "special_tokens_map_file", "tokenizer_file",
}  # fmt: skip
VOCABULARIES = (
    "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "tekken.json", "vocab.json",
    "vocab.txt", "merges.txt",
)  # fmt: skip
PEFT_CONFIG = "adapter_config.json"
PEFT_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
GGUF_ORIGIN = "gguf.json"
"""In a folder that was made from a GGUF file: its sha256, and those of the folder's files."""
ReadTensor = Callable[[], Tensor]


@dataclass(frozen=True)
class Identity:
    """Say which language model this is.

    Args:
        current: of all that changes what it says: configuration, weights, settings of generation,
            tokenizer, chat template, and a PEFT adapter that lies in its folder.
        first: what adapters of the first format name: of configuration and weights alone; None
            where a PEFT adapter changes them.
    """

    current: str
    first: str | None = None

    def matches(self, stated: str) -> bool:
        """Say whether an adapter that states this identity was trained for this model."""
        return stated in (self.current, self.first)


def random_identity(folder: Path, seed: int) -> Identity:
    """Name a model whose weights were drawn anew: its configuration and the seed."""
    weights = f"random weights, seed {seed}"
    if origin := _read_json(folder / GGUF_ORIGIN):
        return Identity(digest([origin["sha256"], weights]))
    return _identity(folder, weights)


def stored_identity(folder: Path) -> Identity:
    """Name a checkpoint by what lies in its folder.

    Args:
        folder: holds config.json and safetensors files (or .bin files), sharded or not.

    Raises:
        ModelError: without weights, where a file of weights is broken, or where what was made from
            a GGUF file was changed since.
    """
    if (folder / GGUF_ORIGIN).is_file():
        return Identity(_gguf_identity(folder))
    try:
        return _identity(folder, hash_tensors(_stored_tensors(folder)))
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"the weights in {folder} hold more than tensors, or are broken; no code of theirs is "
            "run: take them as safetensors"
        ) from error
    except (SafetensorError, EOFError, RuntimeError) as error:
        raise ModelError(
            f"the weights in {folder} cannot be read ({error}); download them again"
        ) from error


def write_gguf_origin(folder: Path, name: str, sha256: str) -> None:
    """State in a folder which GGUF file all that lies in it was made from."""
    origin = {"name": name, "sha256": sha256, "files": _hash_folder(folder)}
    (folder / GGUF_ORIGIN).write_text(json.dumps(origin, indent=2), encoding="utf-8")


def _gguf_identity(folder: Path) -> str:
    origin = _read_json(folder / GGUF_ORIGIN)
    if _hash_folder(folder) != origin["files"]:
        raise ModelError(
            f"'{folder}' was made from the GGUF file '{origin['name']}' and was changed since; "
            "remove the folder, and it is made anew"
        )
    return f"sha256:{origin['sha256']}"


def _hash_folder(folder: Path) -> dict[str, str]:
    """Hash a folder's files, but hidden ones and the one that says what they were made from."""
    files = (path for path in sorted(folder.rglob("[!.]*")) if path.is_file())
    origin = folder / GGUF_ORIGIN
    return {p.relative_to(folder).as_posix(): hash_file(p) for p in files if p != origin}


def adapter_files(folder: Path) -> list[Path]:
    """List the files of a PEFT adapter in a model's folder, which transformers loads by itself."""
    if not (folder / PEFT_CONFIG).is_file():
        return []
    return [folder / name for name in (PEFT_CONFIG, *PEFT_WEIGHTS) if (folder / name).is_file()]


def _identity(folder: Path, weights: str) -> Identity:
    config = _architecture(_read_json(folder / "config.json"))
    lora = adapter_files(folder)
    generation = _plain(_read_json(folder / "generation_config.json"))
    speech = [generation, *_tokenizer(folder), *_lora(lora)]
    first = None if lora else digest([config, weights])
    return Identity(digest([config, weights, *speech]), first)


def _tokenizer(folder: Path) -> Iterator[str]:
    """Give what turns text into ids and back, and a conversation into text."""
    settings = _read_json(folder / "tokenizer_config.json")
    template = settings.pop("chat_template", None)
    file = folder / "chat_template.jinja"
    yield json.dumps(file.read_text(encoding="utf-8") if file.is_file() else template)
    for other in sorted(folder.glob("additional_chat_templates/*.jinja")):
        yield f"{other.name} {hash_file(other)}"
    yield _plain(settings)
    for name in ("special_tokens_map.json", "added_tokens.json"):
        yield f"{name} {_plain(_read_json(folder / name))}"
    # Where it is there, the other files say the same in older words.
    whole = (folder / "tokenizer.json").is_file()
    names = ("tokenizer.json",) if whole else VOCABULARIES
    yield from (f"{n} {hash_file(folder / n)}" for n in names if (folder / n).is_file())


def _lora(files: list[Path]) -> Iterator[str]:
    for path in files:
        config = path.name == PEFT_CONFIG
        yield f"{path.name} {_plain(_read_json(path)) if config else hash_file(path)}"


def refuse_unknown_quantisation(folder: Path) -> None:
    """Refuse integer weights that no quantisation_config explains: they would load as they are.

    Raises:
        ModelError: naming the first such tensor.
    """
    if "quantization_config" in _read_json(folder / "config.json"):
        return
    for path in weight_files(folder):
        if path.suffix != ".safetensors":
            continue
        with safe_open(path, "pt") as stored:
            for name in stored.keys():  # noqa: SIM118 (safe_open is no mapping)
                kind = stored.get_slice(name).get_dtype()
                if name.endswith("weight") and kind in ("I8", "U8", "F8_E4M3", "F8_E5M2"):
                    raise ModelError(
                        f"{name} in {path.name} is stored as {kind} and config.json has no "
                        "quantization_config, so its scale is unknown; use unquantised weights"
                    )


def weight_files(folder: Path) -> list[Path]:
    """List the files that hold a checkpoint's tensors: safetensors, or .bin where there are none.

    An index file decides where there is one (folders often hold a second copy of the weights).
    """
    for index_name, single in (
        ("model.safetensors.index.json", "model.safetensors"),
        ("pytorch_model.bin.index.json", "pytorch_model.bin"),
    ):
        if (folder / single).is_file():
            return [folder / single]
        index = folder / index_name
        if index.is_file():
            shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            return [folder / name for name in sorted(set(shards))]
    return []


def _stored_tensors(folder: Path) -> Iterator[tuple[str, ReadTensor]]:
    files = weight_files(folder)
    if not files:
        raise ModelError(f"{folder} has no weights; expected model.safetensors there")
    for path in files:
        if path.suffix == ".safetensors":
            stored = safe_open(path, "pt")  # read later, by the threads that hash
            for name in stored.keys():  # noqa: SIM118 (safe_open is no mapping)
                yield name, partial(stored.get_tensor, name)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            for name, tensor in loaded.items():
                yield name, partial(torch.Tensor.detach, tensor)


def hash_tensors(tensors: Iterable[tuple[str, ReadTensor]]) -> str:
    """Hash tensors by name, four at a time: hashlib lets go of the interpreter."""

    def hash_one(item: tuple[str, ReadTensor]) -> tuple[str, str]:
        name, read = item
        tensor = read().detach().cpu().contiguous()
        raw = tensor.reshape(-1).view(torch.uint8).numpy()
        head = f"{tensor.dtype} {tuple(tensor.shape)} "
        return name, head + hashlib.sha256(raw.data).hexdigest()

    with ThreadPoolExecutor(max_workers=4) as pool:
        return digest([f"{name} {value}" for name, value in sorted(pool.map(hash_one, tensors))])


def digest(parts: list[str]) -> str:
    """Give "sha256:…" of some texts."""
    return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _architecture(config: dict[str, Any]) -> str:
    settings = {key: value for key, value in config.items() if key not in UNRELATED}
    return json.dumps(settings, sort_keys=True)


def _plain(config: dict[str, Any]) -> str:
    settings = {key: value for key, value in config.items() if key not in UNRELATED | BOOKKEEPING}
    return json.dumps(settings, sort_keys=True)
