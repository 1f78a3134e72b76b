"""From windows and what they are asked to prompts of one LLM: texts, vectors, what is cached.

Notation: `length` positions of a prompt, K signal tokens (`signal`), P soft-prompt vectors
(`soft`), `width` the LLM's.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import FeatureBatch, Request
from sensor2llm.bridge.slots import PaddedRows
from sensor2llm.errors import DataError, ModelError, TemplateError
from sensor2llm.llm.chat import Message
from sensor2llm.llm.forward import Prefix, Prompt, assemble, prompt_rows, rows_after
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.prefix import PrefixCache
from sensor2llm.llm.tuning.layer_hooks import CrossAttentionInputs, LayerHooks, count_windows
from sensor2llm.llm.tuning.prefix_tuning import behind
from sensor2llm.model.prompt_text import PromptRenderer


class PromptBuilder:
    """Build the prompts of an adapter's windows.

    Args:
        adapter: gives vectors and what reaches into the LLM.
        llm: the frozen LLM.
        prompting: gives texts and token ids.
    """

    def __init__(
        self,
        adapter: SensorAdapter,
        llm: FrozenLLM,
        prompting: PromptRenderer,
    ) -> None:
        self.adapter, self.llm, self.prompting = adapter, llm, prompting
        self._shared_prefix, self._row_prefix = PrefixCache(llm), PrefixCache(llm)

    def for_batch(self, batch: FeatureBatch, *, prefix: bool = True) -> Prompt:
        """Assemble the prompts of a batch: the adapter's own, or what each window is asked."""
        if not batch.shares_prompt:
            texts = self.prompting.row_texts(batch)
            return self.rows(batch, [self.prompting.encode_row(t) for t in texts], prefix)
        shared = self.prompting.shared
        length = self.check_fits(shared.rows.ids.shape[1], self.prompting.longest_answer)
        if not (prefix and self.caches(length)):
            return self._assemble(batch, shared.rows, None, shared.embedded)
        ids = shared.rows.ids.tolist()
        cached = self._shared_prefix.prefix_of(ids, self._constant_soft())
        return self._assemble(batch, shared.rows, cached, shared.embedded)

    def rows(
        self,
        batch: FeatureBatch,
        ids: Sequence[Sequence[int]],
        prefix: bool = True,
        answer: int | None = None,
    ) -> Prompt:
        """Assemble prompts that differ by window; what all begin with is cached.

        Args:
            batch: features of the windows.
            ids: token ids of each prompt.
            prefix: take what is cached, where this LLM allows it.
            answer: tokens of the longest answer that is to follow; the labels' where None.

        Raises:
            DataError: the LLM does not hold prompt and answer.
        """
        if answer is None:
            answer = self.prompting.longest_answer
        length = self.check_fits(max(map(len, ids), default=0), answer)
        shared = None
        if prefix and self.caches(length):
            shared = self._row_prefix.prefix_of(ids, self._constant_soft())
        rows = rows_after(self.llm, ids, shared) if shared else prompt_rows(self.llm, ids)
        return self._assemble(batch, rows, shared)

    def for_token_ids(self, ids: Sequence[int], features: Sequence[FeatureBatch]) -> Prompt:
        """Assemble one row in which windows stand at their own places.

        Args:
            ids: token ids of the conversation.
            features: of each window, in the order of their places; none at all will do.

        Raises:
            ModelError: there are more places than windows, or fewer.
        """
        self.check_fits(len(ids), 1)
        rows = prompt_rows(self.llm, [ids])
        self._check_places(ids, len(features))
        if not features:
            prompt = assemble(self.llm, rows, None, None, batch=1)
            learned = self.adapter.prefix
            layer_hooks = self._layer_hooks(None, rows.ids, 1)
            prompt = replace(prompt, layer_hooks=layer_hooks)
            return prompt if learned is None else behind(prompt, learned.prefix(self.llm))
        return self._assemble(FeatureBatch.join(features), rows, None, windows=len(features))

    def _check_places(self, ids: Sequence[int], windows: int) -> None:
        order = self.prompting.order()
        each = self.adapter.signal_tokens if order is None else len(order)
        places = sum(token == self.llm.signal_id for token in ids)
        if self.adapter.encoder is not None and places != each * windows:
            raise ModelError(
                f"the messages have places for {places / each:g} windows ({places} placeholders, "
                f"{each} a window), and {windows} were given; give one window a place"
            )

    def _assemble(
        self,
        batch: FeatureBatch,
        rows: PaddedRows,
        prefix: Prefix | None,
        embedded: Tensor | None = None,
        windows: int = 1,
    ) -> Prompt:
        """Put the vectors of a batch's windows, `windows` a row, at their places."""
        if batch.second is not None:
            batch, windows = batch.interleaved(), 2
        adapter, n = self.adapter, len(batch) // windows
        soft = adapter.soft_vectors()
        media = adapter.media(batch)
        signal = media if adapter.cross_attention is None else adapter.signal_vectors(batch)
        if signal is not None:
            signal = self._ordered(signal, batch)
            signal = signal.reshape(n, -1, signal.shape[-1])
        prompt = assemble(
            self.llm,
            rows,
            None if soft is None else soft.repeat(windows, 1),
            signal,
            batch=n,
            prefix=prefix,
            embedded=embedded,
        )
        skipped = prefix.length if prefix else 0
        prompt = replace(prompt, layer_hooks=self._layer_hooks(media, rows.ids[:, skipped:], n))
        learned = adapter.prefix
        return prompt if learned is None else behind(prompt, learned.prefix(self.llm))

    def _ordered(
        self, signal: Float[Tensor, "batch signal width"], batch: FeatureBatch
    ) -> Float[Tensor, "batch signal width"]:
        """Put signal tokens in the order in which the prompt has their modalities."""
        if batch.requests is None:
            order = self.prompting.order()
            return signal if order is None else signal[:, list(order)]
        orders = [self.prompting.order(request) for request in batch.requests]
        if all(order is None for order in orders):
            return signal
        rows = [row if order is None else row[list(order)]
                for row, order in zip(signal, orders, strict=True)]  # fmt: skip
        counts = sorted({len(row) for row in rows})
        if len(counts) > 1:
            raise TemplateError(
                f"the prompts of one batch have places for {counts} signal tokens; give each way "
                "to ask the same modalities, or ask them in batches of their own"
            )
        return torch.stack(rows)

    def _layer_hooks(
        self, media: Tensor | None, ids: Int[Tensor, "row length"], rows: int
    ) -> LayerHooks:
        """Say what acts inside the LLM for these prompts."""
        adapter = self.adapter
        hooks = tuple(adapter.lora.hooks(self.llm)) if adapter.lora is not None else ()
        if adapter.cross_attention is None or media is None:
            return LayerHooks(hooks)
        media = media.reshape(rows, -1, *media.shape[1:])
        windows = count_windows(ids, self.llm.signal_id)
        return LayerHooks(hooks, CrossAttentionInputs(adapter.cross_attention, media, windows))

    @property
    def learned_tokens(self) -> int:
        """Count the positions of a learned prefix."""
        return self.adapter.prefix.tokens if self.adapter.prefix else 0

    @property
    def tokens_per_window(self) -> int:
        """Count the positions of a window that says nothing as text, and of its longest label."""
        prompting = self.prompting
        task = self.adapter.template.task
        request = Request(task, {} if prompting.classifies else {"question": ""})
        ids = prompting.ids(request=request, **prompting.default_variables)
        return self.learned_tokens + len(ids) + prompting.longest_answer

    def check_fits(self, prompt: int, answer: int) -> int:
        """Give the positions that a prompt and its answer take.

        Raises:
            DataError: the LLM does not hold them.
        """
        context = self.llm.context
        taken = prompt + answer + self.learned_tokens
        if context is None or taken <= context:
            return taken
        less = "shorten the prompt, take fewer soft and signal tokens, or an LLM that holds more"
        if self.adapter.encoder is None:
            less = "write fewer numbers (rate, decimals, serialiser), or take an encoder"
        raise DataError(
            f"a window as {'text' if self.adapter.encoder is None else 'signal tokens'} takes "
            f"{taken} positions with its prompt and answer, {self.llm.name} holds {context}; {less}"
        )

    def check_embeddable(self) -> None:
        """Check that input embeddings hold all that the LLM gets of a prompt.

        Raises:
            ModelError: the adapter reaches into its layers, or they embed the tokens once more.
        """
        if self.adapter.cross_attention is not None or self.adapter.prefix is not None:
            raise ModelError(
                "this adapter reaches into the LLM's layers (cross-attention or a learned "
                "prefix): embeddings alone do not hold what it hears; use generate or score"
            )
        if self.llm.runner.embeds_by_layer:
            raise ModelError(
                f"layers of {self.llm.name} embed the tokens once more: embeddings alone do not "
                "hold what it reads; use generate or score"
            )

    def caches(self, length: int) -> bool:
        """Say whether what prompts begin with is computed once.

        What changes the LLM's own layers before the first slot (LoRA, a learned prefix) leaves
        nothing to cache.

        Args:
            length: of the longest prompt with its answer.
        """
        if self.adapter.lora is not None or self.adapter.prefix is not None:
            return False
        return self.llm.shortcuts(length).prefix

    def _constant_soft(self) -> Float[Tensor, "soft width"] | None:
        """Give the soft prompt where it takes no gradient, as in use."""
        soft = self.adapter.soft_vectors()
        learns = soft is not None and soft.requires_grad and torch.is_grad_enabled()
        return None if learns else soft

    def for_messages(
        self,
        features: FeatureBatch,
        question: str | None,
        messages: Sequence[Message] | None,
        windows: int = 1,
    ) -> Prompt:
        """Assemble prompts of a conversation, or of the template with a question."""
        if messages is not None:
            texts = [self.llm.render(messages)]
        else:
            texts = self.prompting.row_texts(features, None if features.requests else question)
            texts = texts[:1] if features.shares_prompt else texts
        ids = [self.llm.encode(text) for text in texts]
        self.check_fits(max(map(len, ids), default=0), 1)
        return self._assemble(features, prompt_rows(self.llm, ids), None, windows=windows)
