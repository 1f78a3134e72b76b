"""What an adapter's prompt and labels are to one LLM: text, token ids, and what never changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sensor2llm.adapter import SensorAdapter
from sensor2llm.bridge.slots import PaddedRows
from sensor2llm.llm.chat import SIGNAL, SOFT, Message
from sensor2llm.llm.forward import Prefix, compute_prefix, prompt_rows
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.label_tree import LabelTree


@dataclass(frozen=True)
class SharedPrompt:
    """Hold the prompt that all windows share: ids, their embeddings, and its cached prefix."""

    rows: PaddedRows
    embedded: Float[Tensor, "1 length width"]
    prefix: Prefix | None


@dataclass(frozen=True)
class Answers:
    """Hold the labels as tokens, end of turn included: a table padded on the right, and a tree."""

    ids: tuple[tuple[int, ...], ...]
    table: Int[Tensor, "label token"]
    lengths: Int[Tensor, " label"]
    tree: LabelTree


class Prompting:
    """Render an adapter's template for an LLM.

    Args:
        adapter: whose template, form, labels and numbers of slots are used.
        llm: whose chat template and tokenizer are used.
        given: further variables of the template that all windows share (unit, examples, …).
    """

    def __init__(
        self, adapter: SensorAdapter, llm: FrozenLLM, given: Mapping[str, Any] | None = None
    ) -> None:
        self.adapter, self.llm, self.given = adapter, llm, dict(given or {})
        self._before: tuple[tuple[int, ...], Prefix | None] = ((), None)

    def messages(self, *, signal: str | None = None, question: str | None = None) -> list[Message]:
        """Render the template's messages.

        Args:
            signal: the window as text; K placeholders where None.
            question: the template's `question`, where it has one.

        Raises:
            TemplateError: the form needs a variable that an adapter does not have.
        """
        adapter = self.adapter
        text = SIGNAL * adapter.signal_tokens if signal is None else signal
        given = {
            "soft": SOFT * adapter.soft_tokens,
            "signal": text,
            "numbers": text,
            "labels": list(adapter.label_texts),
            "modalities": list(adapter.spec.names),
            "window_s": adapter.spec.window_s,
            **self.given,
        }
        if question is not None:
            given["question"] = question
        return list(adapter.template.messages(adapter.form, **given))

    def text(self, *, signal: str | None = None, question: str | None = None) -> str:
        """Give exactly what the LLM's tokenizer gets, placeholders included."""
        return self.llm.render(self.messages(signal=signal, question=question))

    def ids(self, *, signal: str | None = None, question: str | None = None) -> list[int]:
        """Give the prompt's token ids."""
        return self.llm.encode(self.text(signal=signal, question=question))

    @cached_property
    def shared(self) -> SharedPrompt:
        """Build the prompt that every window uses, once."""
        ids = self.ids()
        rows = prompt_rows(self.llm, [ids])
        return SharedPrompt(rows, self.llm.embed(rows.ids), compute_prefix(self.llm, ids))

    def prefix_of(self, rows: Sequence[Sequence[int]]) -> Prefix | None:
        """Compute what all rows begin with, or take the last one's where it is still right.

        It ends before the first slot and leaves a token of every row.
        """
        known, prefix = self._before
        if known and all(tuple(row[: len(known)]) == known < tuple(row) for row in rows):
            return prefix
        slots = (self.llm.soft_id, self.llm.signal_id)
        places = zip(*(row[:-1] for row in rows), strict=False)
        alike = takewhile(lambda ids: len(set(ids)) == 1 and ids[0] not in slots, places)
        shared = [ids[0] for ids in alike]
        self._before = (tuple(shared), compute_prefix(self.llm, [*shared, self.llm.pad_id]))
        return self._before[1]

    @cached_property
    def answer_texts(self) -> tuple[str, ...]:
        """Give what the assistant says for each label."""
        template, form = self.adapter.template, self.adapter.form
        return tuple(template.answer(form, label=text) for text in self.adapter.label_texts)

    @cached_property
    def answers(self) -> Answers:
        """Give the labels as tokens.

        Raises:
            ConfigError: two labels are the same text to the LLM, or one is empty.
        """
        before = self.text(signal="" if self.adapter.encoder is None else None)
        ids = tuple(tuple(self.llm.answer_ids(before, text)) for text in self.answer_texts)
        end, longest = self.llm.end_of_turn_id, max(map(len, ids))
        tree = LabelTree.build([i[:-1] for i in ids], end, self.answer_texts)
        table = torch.tensor([[*i, *[end] * (longest - len(i))] for i in ids])
        lengths = torch.tensor([len(i) for i in ids])
        return Answers(ids, table.to(self.llm.device), lengths.to(self.llm.device), tree)
