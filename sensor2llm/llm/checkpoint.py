"""Read a language model's files, in a folder or on the hub.

`sensor2llm.llm.catalogue.location` finds them.

What transformers, the hub and safetensors say in many lines comes out as one `ModelError`.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from sensor2llm.errors import ModelError
from sensor2llm.llm.catalogue.entries import NAMES
from sensor2llm.llm.checks import identity
from sensor2llm.training.seeding import seeded

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


def cached_folder(source: Path | str) -> Path:
    """Give the folder that holds a loaded checkpoint; a hub name's lies in the hub's cache."""
    if isinstance(source, Path):
        return source
    from transformers.utils import cached_file

    return Path(str(cached_file(source, "config.json", local_files_only=True))).parent


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
    device_map: str | Mapping[str, int | str] | None = None,
) -> Any:
    """Load a model's stored weights, onto one device or where accelerate places them.

    Raises:
        ModelError: where some are not in the files, or are stored as integers without a scale.
    """
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": dtype, "trust_remote_code": False} | _attention(attention)
    if quantization:
        options |= {"quantization_config": _quantization(quantization, dtype)}
        options |= {"device_map": {"": device}}
    if device_map:
        options |= {"device_map": device_map}
    model, info = AutoModelForCausalLM.from_pretrained(source, output_loading_info=True, **options)
    identity.refuse_unknown_quantisation(cached_folder(source))
    if info["missing_keys"]:
        raise ModelError(
            f"the weights in '{source}' are incomplete: {sorted(info['missing_keys'])[0]} and "
            f"{len(info['missing_keys']) - 1} more are missing; download them again"
        )
    return model if quantization or device_map else model.to(device)


def check_options(name: str, gguf_as: str | None, spreads_random: bool) -> None:
    """Check that a language model can be loaded as it is asked for.

    Args:
        name: what a person typed.
        gguf_as: the quantization of what is a GGUF file; None for none.
        spreads_random: whether weights that are drawn would be spread over devices.

    Raises:
        ModelError: a GGUF file is to be quantised once more, or drawn weights are to be spread.
    """
    if gguf_as:
        raise ModelError(
            f"'{name}' comes quantised, as a GGUF file; leave out the quantization '{gguf_as}', "
            "or give unquantised weights"
        )
    if spreads_random:
        raise ModelError(f"'{name}' with random weights lies on one device; give no device map")


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
            f"cannot load the language model '{name}' ({reason}); give {NAMES}, a folder, a GGUF "
            "file, or the name of a causal LLM on the hub, which needs a connection or its cache"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars and notes of transformers and bitsandbytes off stderr while loading."""
    from transformers.utils import logging as notes

    # bitsandbytes warns on import that an optional package for its CPU kernels is missing, and
    # accelerate that what it was asked to offload is offloaded.
    for name in ("bitsandbytes", "accelerate"):
        logging.getLogger(name).setLevel(logging.ERROR)
    verbosity, bars = notes.get_verbosity(), notes.is_progress_bar_enabled()
    notes.set_verbosity_error()
    notes.disable_progress_bar()
    try:
        yield
    finally:
        notes.set_verbosity(verbosity)
        if bars:
            notes.enable_progress_bar()
