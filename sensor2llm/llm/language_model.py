"""What running prompts needs of a language model; `sensor2llm.llm.frozen` has it.

Forwards, scoring and decoding take any object with these members, so that a frozen model can try
its own shortcuts with them.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sensor2llm.llm.checks.shortcuts import Shortcuts, SupportedShortcuts
from sensor2llm.llm.runner import ModelRunner


class LanguageModel(Protocol):
    """Run on input embeddings.

    Attributes:
        model: the transformers model.
        tokenizer: its tokenizer.
        name: what a person calls it.
        runner: knows what the model's forward takes.
        checkpointing: recompute decoder layers in the backward pass.
        soft_id, signal_id: ids of the placeholders.
        pad_id: what padding is embedded as.
        end_of_turn_id: the token that ends an answer.
    """

    model: Any
    tokenizer: Any
    name: str
    runner: ModelRunner
    checkpointing: bool
    soft_id: int
    signal_id: int
    pad_id: int
    end_of_turn_id: int

    @property
    def device(self) -> torch.device:
        """Give the device of the embeddings."""

    @property
    def vocabulary(self) -> int:
        """Give the number of tokens."""

    @property
    def context(self) -> int | None:
        """Give the positions that the model holds; None: it names no limit."""

    @property
    def suppressed_ids(self) -> Sequence[int]:
        """List ids that generation must not give."""

    def answer_ids(self, prompt: str, answer: str) -> list[int]:
        """Give the ids of an answer behind a prompt, end of turn included."""

    def embed(self, ids: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length width"]:
        """Embed token ids."""

    def run(
        self,
        vectors: Float[Tensor, "batch length width"],
        ids: Int[Tensor, "batch length"] | None = None,
        **options: Any,
    ) -> Any:
        """Run the model on input embeddings."""

    def shortcuts(self, length: int = 0) -> SupportedShortcuts:
        """Say which shortcuts change nothing for so many positions."""

    def with_shortcuts(self, shortcuts: Shortcuts) -> "LanguageModel":
        """Give the same model taking these shortcuts, without trying them."""
