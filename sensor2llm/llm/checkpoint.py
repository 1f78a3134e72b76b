"""Find and read a language model's files: bundled, in a folder, or on the hub.

What transformers, the hub and safetensors say in many lines comes out as one `ModelError`.
"""

import contextlib
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from sensor2llm.errors import ModelError
from sensor2llm.llm.checks import identity
from sensor2llm.training.seeding import seeded

BUNDLED = Path(__file__).resolve().parent / "bundled"
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LONGEST_REASON = 80
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Turn a name into a type; auto is bfloat16 where the hardware computes in it.

    Raises:
        ModelError: for an unknown name.
    """
    if dtype == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        able = torch.cpu.get_capabilities()
        fast = able.get("avx512_bf16") or able.get("amx_bf16")
        return torch.bfloat16 if device.type == "cpu" and fast else torch.float32
    if dtype not in DTYPES:
        raise ModelError(f"unknown dtype '{dtype}'; choose from auto, {', '.join(DTYPES)}")
    return DTYPES[dtype]


def locate(name: str, weights: bool = True) -> Path | str:
    """Find a language model by name.

    Returns:
        Its folder, or a hub name as it stands.

    Raises:
        ModelError: where there is none, or a folder lacks configuration, tokenizer or weights.
    """
    path = BUNDLED if name == "bundled" else Path(name).expanduser()
    if name and path.is_dir():
        _check_folder(path, name, weights)
        return path
    if name == "bundled":
        raise ModelError("this installation has no bundled language model; install it again")
    if path.is_file():
        what = "a GGUF file, which is not read" if path.suffix == ".gguf" else "a file"
        raise ModelError(f"'{name}' is {what}; give a folder with config.json and safetensors")
    if not HUB_NAME.fullmatch(name) or name.startswith("."):
        raise ModelError(
            f"no language model at '{name}'; give 'bundled', a folder or a hub name such as "
            "owner/model"
        )
    return name


def cached_folder(source: Path | str) -> Path:
    """Give the folder that holds a loaded checkpoint; a hub name's lies in the hub's cache."""
    if isinstance(source, Path):
        return source
    from transformers.utils import cached_file

    return Path(str(cached_file(source, "config.json", local_files_only=True))).parent


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
        hint = _no_config(folder) if _holds(folder, "*.gguf") else f"expected {what} in the folder"
        raise ModelError(f"'{name}' has no weights: {hint}")
    _refuse_pointers(files, name)


def _no_config(folder: Path) -> str:
    """Say what a folder holds in place of a model's configuration."""
    if (folder / "adapter_config.json").is_file():
        return (
            "its folder holds a PEFT adapter only; merge it into its base model "
            "(merge_and_unload), save that, and give its folder"
        )
    if _holds(folder, "*.gguf"):
        return (
            "its folder holds a GGUF file only, which is not read; give a folder with config.json "
            "and safetensors weights"
        )
    return "its folder has no config.json"


def _holds(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None


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


def check_kind(source: Path | str) -> None:
    """Refuse what is no causal language model by its configuration.

    Raises:
        ModelError: for an encoder-decoder model, or a family without a causal language model.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"'{source}' ({config.model_type}) is an encoder-decoder model; give a causal "
            "(decoder-only) language model"
        )
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ModelError(
            f"'{source}' ({config.model_type}) is no causal language model: transformers has none "
            "of this family; give one that is trained to continue text"
        )


def read_tokenizer(source: Path | str) -> Any:
    """Load the tokenizer that lies beside a model."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    # Older tokenizers take spaces before punctuation away: text would not be what was said.
    tokenizer.clean_up_tokenization_spaces = False
    return tokenizer


def read_model(
    source: Path | str,
    dtype: torch.dtype,
    attention: str,
    quantization: str | None,
    device: torch.device,
) -> Any:
    """Load a model's stored weights.

    Raises:
        ModelError: where some are not in the files, or are stored as integers without a scale.
    """
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": dtype, "trust_remote_code": False} | _attention(attention)
    if quantization:
        options |= {"quantization_config": _quantization(quantization, dtype)}
        options |= {"device_map": {"": device}}
    model, info = AutoModelForCausalLM.from_pretrained(source, output_loading_info=True, **options)
    identity.refuse_unknown_quantisation(cached_folder(source))
    if info["missing_keys"]:
        raise ModelError(
            f"the weights in '{source}' are incomplete: {sorted(info['missing_keys'])[0]} and "
            f"{len(info['missing_keys']) - 1} more are missing; download them again"
        )
    return model if quantization else model.to(device)


def _quantization(quantization: str, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    if quantization == "4bit":
        return BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    raise ModelError(f"unknown quantization '{quantization}'; choose from 8bit, 4bit")


def keep_layout(model: Any) -> Any:
    """Keep 4-bit weights in the layout that they were loaded in.

    On CPUs that multiply bfloat16, bitsandbytes packs them anew in the first forward without
    gradients. That rounds their scales to 16 bits, so that the model is another one afterwards,
    and fails on maps narrower than 64.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def draw_model(source: Path | str, dtype: torch.dtype, attention: str, seed: int) -> Any:
    """Build a model of the same architecture with weights drawn from a seed."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    with seeded(seed):
        return AutoModelForCausalLM.from_config(
            config, dtype=dtype, trust_remote_code=False, **_attention(attention)
        )


def _attention(attention: str) -> dict[str, str]:
    return {} if attention == "auto" else {"attn_implementation": attention}


@contextlib.contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what transformers, the hub and safetensors raise into one line about this name."""
    from safetensors import SafetensorError

    try:
        yield
    except ModelError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, ImportError) as error:
        reason = " ".join(str(error).split())
        if "trust_remote_code" in reason:
            raise ModelError(
                f"the language model '{name}' needs code of its own, which is not run; give a "
                "model that transformers itself has"
            ) from error
        reason = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"
        raise ModelError(
            f"cannot load the language model '{name}' ({reason}); give 'bundled', a folder, or the "
            "name of a causal language model on the hub, which needs a connection or its cache"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars and notes of transformers and bitsandbytes off stderr while loading."""
    from transformers.utils import logging as notes

    # bitsandbytes warns on import that an optional package for its CPU kernels is missing.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    verbosity, bars = notes.get_verbosity(), notes.is_progress_bar_enabled()
    notes.set_verbosity_error()
    notes.disable_progress_bar()
    try:
        yield
    finally:
        notes.set_verbosity(verbosity)
        if bars:
            notes.enable_progress_bar()
