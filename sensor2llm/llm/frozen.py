"""Load any causal language model of Hugging Face's format, frozen.

    llm = FrozenLLM.load("bundled")
    before = llm.fingerprint()
    …                                     train what stands around it
    assert llm.fingerprint() == before
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sensor2llm.errors import ModelError
from sensor2llm.llm import identity
from sensor2llm.llm.chat import Chat, Message

BUNDLED = Path(__file__).resolve().parent / "bundled"
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SAMPLED_TOKENS = 4096


class FrozenLLM:
    """Hold a causal language model that never changes, and its tokenizer.

    Attributes:
        model: the transformers model; in eval mode, nothing requires a gradient.
        tokenizer: its tokenizer, with the two placeholders added to it only.
        name: `bundled`, the hub name, or the folder's own name (never a path).
        width: the width of `inputs_embeds`.
        soft_id, signal_id: ids of the placeholders; beyond the tokenizer's own.
        end_of_turn_id: the token that ends the assistant's turn.

    Example:
        >>> llm = FrozenLLM.load("bundled", dtype="float32")
        >>> ids = llm.encode(llm.render([{"role": "user", "content": "Activity?"}]))
        >>> llm.embed(torch.tensor([ids])).shape[-1] == llm.width
        True
    """

    def __init__(
        self, model: Any, tokenizer: Any, name: str, read_identity: Callable[[], str]
    ) -> None:
        """Freeze a model.

        Args:
            model: a transformers causal language model, on its device.
            tokenizer: its tokenizer; the placeholders are added to it.
            name: what a person calls it.
            read_identity: says which checkpoint it is; called when first asked.
        """
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self._read_identity = read_identity
        self.chat = Chat(tokenizer)
        self.soft_id, self.signal_id = self.chat.soft_id, self.chat.signal_id
        self.end_of_turn_id = self.chat.end_of_turn_id
        self.width: int = model.get_input_embeddings().embedding_dim
        self.pad_id: int = next(
            (i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0
        )

    @classmethod
    def load(
        cls,
        name: str,
        *,
        dtype: str = "auto",
        quantization: Literal["8bit", "4bit"] | None = None,
        device: str | torch.device | None = None,
        attention: str = "auto",
        random_weights: bool = False,
        seed: int = 0,
    ) -> "FrozenLLM":
        """Load a language model.

        Args:
            name: `bundled`, a hub name, or a folder.
            dtype: auto, float32, bfloat16 or float16; auto is bfloat16 where the hardware has it.
            quantization: `8bit` or `4bit` through bitsandbytes.
            device: where it runs; the first GPU if there is one, else the CPU.
            attention: auto, sdpa, eager or flash_attention_2; auto is sdpa where the
                architecture has it (Gemma 2 has not) and eager elsewhere.
            random_weights: draw new weights from `seed` in the same architecture (a control).
            seed: the seed of random weights.

        Raises:
            ModelError: for a name that is neither, a folder without configuration, tokenizer or
                weights, weights that are broken or incomplete, or a hub that cannot be reached.
        """
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        kind = choose_dtype(dtype, place)
        source = locate(name, weights=not random_weights)
        with _explained(name), _quiet():
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(source)
            if random_weights:
                model = _draw(source, kind, attention, seed).to(place)
                read = partial(identity.random_identity, _folder(source), seed)
            else:
                model = _read(source, kind, attention, quantization, place)
                read = partial(identity.stored_identity, _folder(source))
        label = name if name == "bundled" or isinstance(source, str) else source.resolve().name
        return cls(model, tokenizer, label, read)

    @property
    def dtype(self) -> torch.dtype:
        """Give the type of the embeddings, which is the type that `inputs_embeds` must have."""
        return self.model.get_input_embeddings().weight.dtype

    @property
    def device(self) -> torch.device:
        """Give the device of the embeddings."""
        return self.model.get_input_embeddings().weight.device

    @property
    def vocabulary(self) -> int:
        """Give the number of tokens that both the tokenizer and the embedding table have."""
        return min(self.chat.vocabulary_size, self._rows)

    @property
    def _rows(self) -> int:
        return int(self.model.get_input_embeddings().num_embeddings)

    @property
    def suppressed_ids(self) -> list[int]:
        """List ids that generation must not give: rows of the model that are no token."""
        spare = set(range(self.vocabulary, self._rows))
        return sorted(spare | {i for i in (self.soft_id, self.signal_id) if i < self._rows})

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = True) -> str:
        """Write a conversation with the model's chat template; see `Chat.render`."""
        return self.chat.render(messages, add_generation_prompt)

    def encode(self, text: str) -> list[int]:
        """Give a text's token ids, nothing added; see `Chat.encode`."""
        return self.chat.encode(text)

    def answer_ids(self, prompt: str, answer: str) -> list[int]:
        """Give the ids of an answer behind a prompt, end of turn included."""
        return self.chat.answer_ids(prompt, answer)

    def embed(self, ids: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length width"]:
        """Embed token ids as the model does; placeholders and unknown ids give an arbitrary vector.

        Families that scale their embeddings (Gemma) do so inside the embedding layer.
        """
        ids = ids.to(self.device)
        known = (ids < self.vocabulary) & (ids != self.soft_id) & (ids != self.signal_id)
        return self.model.get_input_embeddings()(torch.where(known, ids, self.pad_id))

    @cached_property
    def embedding_std(self) -> float:
        """Give the standard deviation of the embeddings, from tokens spread over the vocabulary."""
        ids = torch.linspace(0, self.vocabulary - 1, min(self.vocabulary, SAMPLED_TOKENS)).long()
        with torch.no_grad():
            vectors = self.model.get_input_embeddings()(ids.to(self.device))
        return float(vectors.float().std())

    def fingerprint(self) -> str:
        """Hash every tensor in memory: equal before and after means nothing was changed."""
        return identity.fingerprint(self.model)

    @cached_property
    def identity(self) -> str:
        """Say which checkpoint this is, whatever type it was loaded in."""
        return self._read_identity()


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
    if path.is_dir():
        _check_folder(path, name, weights)
        return path
    if name == "bundled":
        raise ModelError("this installation has no bundled language model; install it again")
    if not HUB_NAME.fullmatch(name) or name.startswith("."):
        raise ModelError(
            f"no language model at '{name}'; give 'bundled', a folder or a hub name such as "
            "owner/model"
        )
    return name


def _folder(source: Path | str) -> Path:
    """Give the folder that holds a loaded checkpoint; a hub name's lies in the hub's cache."""
    if isinstance(source, Path):
        return source
    from transformers.utils import cached_file

    return Path(str(cached_file(source, "config.json", local_files_only=True))).parent


def _check_folder(folder: Path, name: str, weights: bool) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(f"'{name}' is no language model: its folder has no config.json")
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise ModelError(
            f"'{name}' has no tokenizer: expected one of {', '.join(TOKENIZER_FILES)} in the folder"
        )
    files = identity.weight_files(folder) if weights else []
    missing = [file.name for file in files if not file.is_file()]
    if weights and (missing or not files):
        what = ", ".join(missing) or "model.safetensors"
        raise ModelError(f"'{name}' has no weights: expected {what} in the folder")


def _read(
    source: Path | str,
    dtype: torch.dtype,
    attention: str,
    quantization: str | None,
    device: torch.device,
) -> Any:
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": dtype} | _attention(attention)
    if quantization:
        options |= {"quantization_config": _quantization(quantization, dtype)}
        options |= {"device_map": {"": device}}
    model, info = AutoModelForCausalLM.from_pretrained(source, output_loading_info=True, **options)
    identity.refuse_unknown_quantisation(_folder(source))
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


def _draw(source: Path | str, dtype: torch.dtype, attention: str, seed: int) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, dtype=dtype, **_attention(attention))


def _attention(attention: str) -> dict[str, str]:
    return {} if attention == "auto" else {"attn_implementation": attention}


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what transformers, the hub and safetensors raise into one line about this name."""
    from safetensors import SafetensorError

    try:
        yield
    except ModelError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"cannot load the language model '{name}' ({reason}); give 'bundled', a folder, or the "
            "name of a causal language model on the hub, which needs a connection or its cache"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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
