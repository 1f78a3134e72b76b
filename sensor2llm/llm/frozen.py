"""Hold any causal language model of Hugging Face's format, frozen.

    llm = FrozenLLM.load("bundled")
    before = llm.fingerprint()
    …                                     train what stands around it
    assert llm.fingerprint() == before

`sensor2llm.llm.catalogue.location` finds the files, `sensor2llm.llm.checkpoint` reads them,
`sensor2llm.llm.chat` renders and encodes.
"""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sensor2llm.artefacts.hub import offline_if_unreachable
from sensor2llm.llm.catalogue.location import is_gguf, locate
from sensor2llm.llm.chat import Chat, Message
from sensor2llm.llm.checkpoint import (
    cached_folder,
    check_kind,
    check_options,
    choose_dtype,
    draw_model,
    explained,
    keep_layout,
    quiet,
    read_model,
    read_tokenizer,
)
from sensor2llm.llm.checks import identity
from sensor2llm.llm.checks.causality import refuse_unfit
from sensor2llm.llm.checks.fingerprint import fingerprint
from sensor2llm.llm.checks.identity import Identity
from sensor2llm.llm.checks.shortcuts import Shortcuts, SupportedShortcuts, trial_length
from sensor2llm.llm.checks.trial import Trial
from sensor2llm.llm.runner import ModelRunner
from sensor2llm.llm.short_attention import use_short_attention
from sensor2llm.llm.tuning.hooks import check_recomputable, input_device

logger = logging.getLogger(__name__)
SAMPLED_TOKENS = 4096


class FrozenLLM:
    """Hold a causal language model that never changes, and its tokenizer.

    Attributes:
        model: the transformers model; in eval mode, nothing requires a gradient.
        tokenizer: its tokenizer, with the two placeholders added to it only.
        name: `bundled`, the catalogue's, the hub's, or the folder's or file's own (never a path).
        width: the width of `inputs_embeds`.
        soft_id, signal_id: ids of the placeholders; beyond the tokenizer's own.
        end_of_turn_id: the token that ends the assistant's turn.
        checkpointing: recompute every decoder layer in the backward pass instead of holding what
            it computed; `sensor2llm.llm.tuning.layer_hooks` sees to it.

    Example:
        >>> llm = FrozenLLM.load("bundled", dtype="float32")
        >>> ids = llm.encode(llm.render([{"role": "user", "content": "Activity?"}]))
        >>> llm.embed(torch.tensor([ids])).shape[-1] == llm.width
        True
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        read_identity: Callable[[], Identity | str],
        *,
        checkpointing: bool = False,
    ) -> None:
        """Freeze a model.

        Args:
            model: a transformers causal language model, on its device.
            tokenizer: its tokenizer; the placeholders are added to it.
            name: what a person calls it.
            read_identity: says which checkpoint it is; called when first asked.
            checkpointing: hold less and compute more in training.

        Raises:
            ModelError: its decoder layers are not found, and they are to be checkpointed.
        """
        self.model = keep_layout(model.eval().requires_grad_(False))
        self.checkpointing = checkpointing
        if checkpointing:
            check_recomputable(model, name)
        self.tokenizer = tokenizer
        self.name = name
        self._read_identity = read_identity
        self.runner = ModelRunner(self.model)
        self._trials: dict[int, Trial] = {}
        self._taken: Shortcuts | None = None
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
        checkpointing: bool = False,
        device_map: str | Mapping[str, int | str] | None = None,
    ) -> "FrozenLLM":
        """Load a language model.

        Args:
            name: `bundled`, the catalogue's (`smollm2`), a hub name, a folder, or a GGUF file.
            dtype: auto, float32, bfloat16 or float16; auto is bfloat16 where the hardware has it.
            quantization: `8bit` or `4bit` through bitsandbytes.
            device: where it runs; the first GPU if there is one, else the CPU.
            attention: auto, sdpa, eager or flash_attention_2; auto is sdpa where the
                architecture has it (Gemma 2 has not) and eager elsewhere; on a CPU, short rows
                take the same attention as plain products (`sensor2llm.llm.short_attention`).
            random_weights: draw new weights from `seed` in the same architecture (a control).
            seed: the seed of random weights.
            checkpointing: hold less and compute more in training.
            device_map: `auto` spreads the layers over all GPUs, the CPU's memory and the disk; or
                accelerate's map. They run one after the other: it holds more and is not faster.

        Raises:
            ModelError: for a name that is neither, a folder without configuration, tokenizer or
                weights, weights that are broken or incomplete, a hub that cannot be reached, or a
                model that is no causal language model or does not run on input embeddings.
        """
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        kind = choose_dtype(dtype, place)
        gguf_as = quantization if quantization and is_gguf(name) else None
        check_options(name, gguf_as, spreads_random=random_weights and device_map is not None)
        location = locate(name, weights=not random_weights)
        source = location.source
        offline = offline_if_unreachable() if isinstance(source, str) else nullcontext()
        with explained(name), quiet(), offline:
            check_kind(source)
            tokenizer = read_tokenizer(source)
            if random_weights:
                model = draw_model(source, kind, attention, seed).to(place)
            else:
                model = read_model(source, kind, attention, quantization, place, device_map)
            if attention == "auto" and place.type == "cpu":
                model = use_short_attention(model)
            folder = cached_folder(source)
        if not random_weights and identity.adapter_files(folder):
            logger.warning("a PEFT adapter lies in '%s': it is part of this language model", name)
        named = partial(identity.stored_identity, folder)
        if random_weights:
            named = partial(identity.random_identity, folder, seed)
        llm = cls(model, tokenizer, location.name, named, checkpointing=checkpointing)
        with quiet():
            refuse_unfit(llm)
        return llm

    @property
    def dtype(self) -> torch.dtype:
        """Give the type of the embeddings, which is the type that `inputs_embeds` must have."""
        return self.model.get_input_embeddings().weight.dtype

    @property
    def device(self) -> torch.device:
        """Give the device that embeds, where prompts are put together."""
        return input_device(self.model)

    @property
    def vocabulary(self) -> int:
        """Give the number of tokens that both the tokenizer and the embedding table have."""
        return min(self.chat.vocabulary_size, self.runner.vocabulary)

    @property
    def context(self) -> int | None:
        """Give the positions that the model holds; None: it names no limit."""
        config = self.model.config.get_text_config()
        names = ("max_position_embeddings", "max_seq_len")
        limits = [getattr(config, name, None) for name in names]
        return next((int(limit) for limit in limits if limit), None)

    def shortcuts(self, length: int = 0) -> SupportedShortcuts:
        """Say which shortcuts change nothing for so many positions; each is tried once.

        Args:
            length: of a prompt and what follows it.
        """
        if self._taken is not None:
            return self._taken
        edge = trial_length(length, self.context, self.runner.window)
        if edge not in self._trials:
            self._trials[edge] = Trial(self, edge)
        return self._trials[edge]

    def with_shortcuts(self, shortcuts: Shortcuts) -> "FrozenLLM":
        """Give the same model taking these shortcuts, without trying them."""
        same = copy.copy(self)
        same._taken = shortcuts
        return same

    @property
    def layers(self) -> int:
        """Give the number of decoder layers."""
        return int(self.model.config.get_text_config().num_hidden_layers)

    @property
    def hidden_width(self) -> int:
        """Give the width of the hidden states; some families embed in another one (OPT)."""
        return int(self.model.config.get_text_config().hidden_size)

    @property
    def suppressed_ids(self) -> list[int]:
        """List ids that generation must not give: rows of the model that are no token."""
        rows = self.runner.vocabulary
        spare = set(range(self.vocabulary, rows))
        return sorted(spare | {i for i in (self.soft_id, self.signal_id) if i < rows})

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
        return self.model.get_input_embeddings()(self._tokens(ids))

    def _tokens(self, ids: Int[Tensor, "batch length"]) -> Int[Tensor, "batch length"]:
        """Put padding where the model has no token."""
        ids = ids.to(self.device)
        is_token = (ids < self.vocabulary) & (ids != self.soft_id) & (ids != self.signal_id)
        return torch.where(is_token, ids, self.pad_id)

    def run(
        self,
        vectors: Float[Tensor, "batch length width"],
        ids: Int[Tensor, "batch length"] | None = None,
        **options: Any,
    ) -> Any:
        """Run the model on input embeddings; see `ModelRunner.run`.

        Layers that embed the tokens once more take padding at placeholders.
        """
        return self.runner.run(vectors, None if ids is None else self._tokens(ids), **options)

    @cached_property
    def embedding_std(self) -> float:
        """Give the standard deviation of the embeddings, from tokens spread over the vocabulary."""
        ids = torch.linspace(0, self.vocabulary - 1, min(self.vocabulary, SAMPLED_TOKENS)).long()
        with torch.no_grad():
            vectors = self.model.get_input_embeddings()(ids.to(self.device))
        return float(vectors.float().std())

    def fingerprint(self) -> str:
        """Hash the model in memory: equal before and after means nothing was changed."""
        return fingerprint(self.model)

    @property
    def identity(self) -> str:
        """Say which checkpoint this is, whatever type it was loaded in."""
        return self._identity.current

    def matches(self, stated: str) -> bool:
        """Say whether this is the LLM that an adapter states; adapters of before state less."""
        return self._identity.matches(stated)

    @cached_property
    def _identity(self) -> Identity:
        stated = self._read_identity()
        return stated if isinstance(stated, Identity) else Identity(stated)
