"""Read a GGUF file: unpacked once into a folder of the cache, as any other model from then on.

The folder holds the weights as float32, because what a block of quantised weights stands for is not
exact in 16 bits: loaded as float32 they are the file's, as bfloat16 they are rounded once.
Tokenizer and chat template are the file's. The folder's name is the file's sha256, its identity.
"""

import contextlib
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sensor2llm.artefacts.atomic_write import replace_folder, sole_writer
from sensor2llm.errors import ModelError, UserError, one_line
from sensor2llm.llm.catalogue.download import INSTEAD, WAIT_S
from sensor2llm.llm.catalogue.entries import cache_folder
from sensor2llm.llm.checkpoint import quiet
from sensor2llm.llm.checks.identity import GGUF_ORIGIN, write_gguf_origin

MAGIC = b"GGUF"
LONGEST_REASON = 80
logger = logging.getLogger(__name__)


def dequantised(sha256: str, find: Callable[[], Path], name: str) -> Path:
    """Give the folder in the cache that holds a GGUF file's model, made where it is not there.

    Args:
        sha256: of the file.
        find: gives the file's path; called where the folder is not there.
        name: what the folder says that it was made from.

    Raises:
        ModelError: the file is broken, or of a kind that transformers does not read.
        DiskFullError: the cache has no room.
    """
    folder = cache_folder() / "gguf" / sha256
    if (folder / GGUF_ORIGIN).is_file():
        return folder
    file = find()
    with sole_writer(folder, WAIT_S):
        if not (folder / GGUF_ORIGIN).is_file():
            logger.info("unpacking %s into %s, once", file.name, folder.parent)
            with replace_folder(folder, instead=INSTEAD) as part:
                _unpack(file, part)
                write_gguf_origin(part, name, sha256)
    return folder


def read_origin(folder: Path) -> tuple[str, str] | None:
    """Give name and sha256 of the GGUF file that a folder was made from; None for another."""
    path = folder / GGUF_ORIGIN
    if not path.is_file():
        return None
    origin = json.loads(path.read_text(encoding="utf-8"))
    return origin["name"], origin["sha256"]


def _unpack(file: Path, folder: Path) -> None:
    """Write a GGUF file's model as safetensors, with its tokenizer and chat template."""
    with file.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ModelError(
                f"'{file.name}' is no GGUF file: it does not begin with {MAGIC.decode()} (empty, "
                "encrypted, or another format); get it again"
            )
    try:
        with (
            quiet(),
            contextlib.redirect_stderr(io.StringIO()),
        ):  # a bar that cannot be switched off
            _save(_read(file), folder)
            _tokenizer(file).save_pretrained(folder)
    except UserError:
        raise
    except Exception as error:  # a broken file can fail anywhere in its reader
        if getattr(error, "errno", None):
            raise
        raise ModelError(_failure(file, error)) from error


def _read(file: Path) -> Any:
    import transformers

    options: dict[str, Any] = {"gguf_file": file.name, "dtype": torch.float32}
    # Where kernels are installed, transformers would leave the weights packed.
    if config := getattr(transformers, "GgufConfig", None):
        options["quantization_config"] = config(dequantize=True)
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        file.parent, output_loading_info=True, trust_remote_code=False, **options
    )
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"the GGUF file '{file.name}' is incomplete: {missing[0]} and {len(missing) - 1} more "
            "are missing; give a file that holds the whole model"
        )
    return model


def _save(loaded: Any, folder: Path) -> None:
    """Save a model that was read from GGUF, which refuses to be saved, through a new one."""
    from transformers import AutoModelForCausalLM

    config = type(loaded.config).from_dict(
        {k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"}
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.tie_weights()
    model.generation_config = loaded.generation_config
    model.save_pretrained(folder)


def _tokenizer(file: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)


def _failure(file: Path, error: Exception) -> str:
    reason = one_line(error, LONGEST_REASON)
    if "architecture" in str(error):
        return (
            f"transformers does not read the GGUF file '{file.name}' ({reason}); give a causal "
            "language model of another family, or a folder with safetensors weights"
        )
    return (
        f"the GGUF file '{file.name}' cannot be read ({type(error).__name__}: {reason}); it is "
        "broken or cut off: get it again"
    )
