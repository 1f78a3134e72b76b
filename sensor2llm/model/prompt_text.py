"""What an adapter's prompt and labels are to one LLM: text, token ids, and what never changes."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import CLASSIFICATION, FeatureBatch, Request
from sensor2llm.bridge.slots import PaddedRows
from sensor2llm.errors import TemplateError
from sensor2llm.llm.chat import SIGNAL, SOFT, Message, check_plain
from sensor2llm.llm.forward import prompt_rows
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.templates import PromptTemplate

# Prompts that differ by window are few where only the question differs.
KEPT_ROWS = 20_000


@dataclass(frozen=True)
class SharedPrompt:
    """Hold the prompt that all windows share: ids and their embeddings."""

    rows: PaddedRows
    embedded: Float[Tensor, "1 length width"]


@dataclass(frozen=True)
class LabelTokens:
    """Hold the labels as tokens, end of turn included: a table padded on the right, and a tree."""

    ids: tuple[tuple[int, ...], ...]
    table: Int[Tensor, "label token"]
    lengths: Int[Tensor, " label"]
    tree: LabelTree


class PromptRenderer:
    """Render an adapter's template for an LLM.

    Args:
        adapter: whose template, form, labels and numbers of slots are used.
        llm: whose chat template and tokenizer are used.
        template_values: of the template's further variables (unit, examples, …), for all windows.
    """

    def __init__(
        self,
        adapter: SensorAdapter,
        llm: FrozenLLM,
        template_values: Mapping[str, Any] | None = None,
    ) -> None:
        self.adapter, self.llm = adapter, llm
        self.template_values = dict(template_values or {})
        self._encoded: dict[str, list[int]] = {}
        self._answered: dict[tuple[str, str], list[int]] = {}

    def messages(
        self,
        *,
        signal: str | None = None,
        question: str | None = None,
        request: Request | None = None,
        template_values: Mapping[str, Any] | None = None,
    ) -> list[Message]:
        """Render the template's messages.

        Args:
            signal: the window as text; K placeholders where None.
            question: the template's `question`, where it has one.
            request: another task than the adapter's own, its variables and way to ask.
            template_values: of variables that come from the window.

        Raises:
            TemplateError: the form needs a variable that an adapter does not have.
            ConfigError: the adapter knows no such task.
        """
        text = SIGNAL * self.adapter.signal_tokens if signal is None else signal
        own: dict[str, Any] = {"signal": text, "numbers": text}
        own |= {"soft": SOFT * self.adapter.soft_tokens}
        own |= {"signals": {name: SIGNAL * n for name, n in self._places.items()}}
        if question is not None:
            check_plain(question, "the question")
        more = {} if question is None else {"question": question}
        return self._render(request, own | dict(template_values or {}) | more)

    def _render(self, request: Request | None, values: Mapping[str, Any]) -> list[Message]:
        adapter = self.adapter
        request = request or Request(adapter.template.task)
        variables = {
            "labels": list(adapter.label_texts),
            "modalities": list(adapter.spec.names),
            "windows": 1,
            "window_s": lengths[0] if len(lengths := adapter.spec.lengths_s) == 1 else None,
            **self.template_values,
            **values,
            **request.template_values,
        }
        template = adapter.template_of(request.task)
        form = self.form_of(request.task)
        self._has_places(template, form)
        return list(template.messages(form, paraphrase=request.paraphrase, **variables))

    def form_of(self, task: str) -> str:
        """Give the form that a task's template is used in: the adapter's own, or `encoded`."""
        adapter = self.adapter
        own = task == adapter.template.task or adapter.form in adapter.template_of(task).forms
        return adapter.form if own else "encoded"

    def _has_places(self, template: PromptTemplate, form: str) -> bool:
        """Say whether a form has a place for each modality.

        Raises:
            TemplateError: it has, and each signal token hears all modalities.
        """
        adapter, has_places = self.adapter, "signals" in template.uses(form)
        if has_places and adapter.encoder is not None and adapter.token_owners is None:
            raise TemplateError(
                f"prompt '{template.name}' has a place for each modality, and this bridge's "
                "tokens hear all of them; train with projector.per_modality: true"
            )
        return has_places

    @property
    def _places(self) -> dict[str, int]:
        """Count the signal tokens of each modality; none without an encoder."""
        owners = self.adapter.token_owners or ()
        return {name: owners.count(name) for name in self.adapter.spec.names}

    def order(self, request: Request | None = None) -> tuple[int, ...] | None:
        """Give the signal tokens in the order in which a prompt has their modalities.

        None: as they come. A modality that has no place in the prompt is left out.

        Raises:
            TemplateError: a modality has more than one place, or cannot have one of its own.
        """
        task = (request or Request(self.adapter.template.task)).task
        template = self.adapter.template_of(task)
        owners = self.adapter.token_owners
        if not self._has_places(template, self.form_of(task)) or owners is None:
            return None
        blank, whole = _Blank(), "\ue002"
        marks = {name: f"\ue000{name}\ue001" for name in owners}
        values = {"signal": whole, "values": blank, "signals": marks}
        values |= dict.fromkeys(("soft", "numbers", "scale", "question"), "")
        text = " ".join(message["content"] for message in self._render(request, values))
        # Of several ways to ask, one may have a single place for all.
        if whole in text:
            return None
        mentioned = re.findall("\ue000(.*?)\ue001", text)
        for name, count in Counter(mentioned).items():
            if count > 1:
                raise TemplateError(
                    f"prompt '{template.name}' has {count} places for {name!r} and there is one "
                    "window; leave one"
                )
        return tuple(i for name in mentioned for i, owner in enumerate(owners) if owner == name)

    def text(self, **variables: Any) -> str:
        """Give exactly what the LLM's tokenizer gets, placeholders included; see `messages`."""
        return self.llm.render(self.messages(**variables))

    def ids(self, **variables: Any) -> list[int]:
        """Give the prompt's token ids; see `messages`."""
        return self.llm.encode(self.text(**variables))

    def row_texts(self, batch: FeatureBatch, question: str | None = None) -> list[str]:
        """Give the prompt of every window of a batch.

        Args:
            batch: features of the windows.
            question: the template's `question`, for all of them.
        """
        return [self.llm.render(messages) for messages in self.row_messages(batch, question)]

    def row_messages(self, batch: FeatureBatch, question: str | None = None) -> list[list[Message]]:
        """Give the messages of every window's prompt; see `row_texts`."""
        n = len(batch)
        texts, requests = batch.texts or (None,) * n, batch.requests
        values = batch.template_variables(self.adapter.spec)
        for task in {request.task for request in requests or ()} if batch.second else ():
            self._check_second(task)
        return [
            self.messages(
                signal=texts[i],
                question=question,
                template_values=values[i] if values else None,
                request=requests[i] if requests else None,
            )
            for i in range(n)
        ]

    def _check_second(self, task: str) -> None:
        """Check that a task's prompt has a place for a second window.

        Raises:
            TemplateError: it has not.
        """
        template = self.adapter.template_of(task)
        if "windows" not in template.uses(self.form_of(task)):
            raise TemplateError(
                f"prompt '{template.name}' has a place for one window and two were given; ask "
                "about one, or take an adapter that was trained with conversation: true"
            )

    def encode_row(self, text: str) -> list[int]:
        """Give a prompt's token ids; the latest are kept."""
        if text not in self._encoded:
            if len(self._encoded) >= KEPT_ROWS:
                self._encoded.clear()
            self._encoded[text] = self.llm.encode(text)
        return self._encoded[text]

    def answer_row(self, text: str, answer: str) -> list[int]:
        """Give the token ids of an answer behind a prompt; the latest are kept."""
        key = (text, answer)
        if key not in self._answered:
            if len(self._answered) >= KEPT_ROWS:
                self._answered.clear()
            self._answered[key] = self.llm.answer_ids(text, answer)
        return self._answered[key]

    @cached_property
    def shared(self) -> SharedPrompt:
        """Build the prompt that every window uses, once."""
        ids = self.ids()
        rows = prompt_rows(self.llm, [ids])
        return SharedPrompt(rows, self.llm.embed(rows.ids))

    @property
    def default_variables(self) -> dict[str, Any]:
        """Give the variables of a prompt in which no window says anything of its own as text."""
        signal = "" if self.adapter.encoder is None else None
        return {"signal": signal, "template_values": {"values": _Blank(), "scale": ""}}

    @property
    def classifies(self) -> bool:
        """Say whether the adapter has labels to choose from."""
        return bool(self.adapter.label_names) and self.adapter.template.task == CLASSIFICATION

    @property
    def longest_answer(self) -> int:
        """Count the tokens of the longest label, end of turn included; 0 without labels."""
        return self.answers.table.shape[1] if self.classifies else 0

    @cached_property
    def answer_texts(self) -> tuple[str, ...]:
        """Give what the assistant says for each label."""
        template, form = self.adapter.template, self.adapter.form
        return tuple(template.answer(form, label=text) for text in self.adapter.label_texts)

    @cached_property
    def answers(self) -> LabelTokens:
        """Give the labels as tokens.

        Raises:
            ConfigError: two labels are the same text to the LLM, or one is empty.
        """
        before = self.text(**self.default_variables)
        ids = tuple(tuple(self.llm.answer_ids(before, text)) for text in self.answer_texts)
        end, longest = self.llm.end_of_turn_id, max(map(len, ids))
        tree = LabelTree.build([i[:-1] for i in ids], end, self.answer_texts)
        table = torch.tensor([[*i, *[end] * (longest - len(i))] for i in ids])
        lengths = torch.tensor([len(i) for i in ids])
        return LabelTokens(ids, table.to(self.llm.device), lengths.to(self.llm.device), tree)


class _Blank(dict[str, str]):
    """Stand for whatever numbers a window has, where only the order of places is asked."""

    def __missing__(self, name: str) -> str:
        return ""
