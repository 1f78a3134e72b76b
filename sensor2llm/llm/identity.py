"""Hashes that say which language model this is, and that nobody changed it.

`stored_identity` is about the checkpoint on disk: its configuration and its tensors as stored, so
it is the same in whatever type the weights are loaded. `fingerprint` is about the tensors in
memory: taken before and after training, it shows that the language model stayed frozen.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

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
ReadTensor = Callable[[], Tensor]


def fingerprint(model: nn.Module) -> str:
    """Hash name, type, shape and bytes of every parameter and buffer in memory.

    Quantisation states count too (they are in the state dictionary); a tied tensor counts once.
    """
    tensors: dict[str, Tensor] = dict(model.named_parameters()) | dict(model.named_buffers())
    addresses = {tensor.data_ptr() for tensor in tensors.values()}
    for name, value in model.state_dict().items():
        if isinstance(value, Tensor) and value.data_ptr() not in addresses:
            tensors.setdefault(name, value)
    return _hash_tensors((name, partial(_given, tensor)) for name, tensor in tensors.items())


def random_identity(folder: Path, seed: int) -> str:
    """Name a model whose weights were drawn anew: its configuration and the seed."""
    return _digest([_architecture(_config(folder)), f"random weights, seed {seed}"])


def stored_identity(folder: Path) -> str:
    """Hash a checkpoint's configuration and the names, shapes and bytes of its stored tensors.

    Args:
        folder: holds config.json and safetensors files (or .bin files), sharded or not.

    Raises:
        ModelError: without weights, or where a file of weights is broken.
    """
    try:
        return _digest([_architecture(_config(folder)), _hash_tensors(_stored_tensors(folder))])
    except (SafetensorError, EOFError, RuntimeError) as error:
        raise ModelError(
            f"the weights in {folder} cannot be read ({error}); download them again"
        ) from error


def refuse_unknown_quantisation(folder: Path) -> None:
    """Refuse integer weights that no quantisation_config explains: they would load as they are.

    Raises:
        ModelError: naming the first such tensor.
    """
    if "quantization_config" in _config(folder):
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
                yield name, partial(_given, tensor)


def _given(tensor: Tensor) -> Tensor:
    return tensor


def _hash_tensors(tensors: Iterable[tuple[str, ReadTensor]]) -> str:
    """Hash tensors by name, four at a time: hashlib lets go of the interpreter."""

    def hash_one(item: tuple[str, ReadTensor]) -> tuple[str, str]:
        name, read = item
        tensor = read().detach().cpu().contiguous()
        raw = tensor.reshape(-1).view(torch.uint8).numpy()
        head = f"{tensor.dtype} {tuple(tensor.shape)} "
        return name, head + hashlib.sha256(raw.data).hexdigest()

    with ThreadPoolExecutor(max_workers=4) as pool:
        return _digest([f"{name} {value}" for name, value in sorted(pool.map(hash_one, tensors))])


def _config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def _architecture(config: dict[str, Any]) -> str:
    kept = {key: value for key, value in config.items() if key not in UNRELATED}
    return json.dumps(kept, sort_keys=True)


def _digest(parts: list[str]) -> str:
    return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()
