"""SensorLanguageModel: an adapter and its frozen LLM, as one thing that hears sensors.

    model = SensorLanguageModel.from_pretrained("runs/har")
    model.score(windows)                    (window, label) probabilities
    model.generate(windows, question="How hard did this person move?")
    model.embed(windows)                    input embeddings for other engines

Notation: `length` positions of a prompt, P soft-prompt vectors, K signal tokens, `width` the LLM's.

Where an encoder hears the window, the prompt is the same text for every window, so one batch is
one row of ids that meets its vectors by a masked scatter; nothing loops over windows. Without an
encoder the window stands in the prompt as text, and rows are padded on the left.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.adapter import FeatureBatch, SensorAdapter
from sensor2llm.encoders.signal_encoder import Features
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.llm.chat import Message
from sensor2llm.llm.forward import Prompt, assemble, prompt_rows, rows_after, tail_logits
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.generation import generate_texts, greedy_texts
from sensor2llm.llm.scoring import Paths, choose_paths, score_each, score_tree
from sensor2llm.prompting import Prompting
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.window import Window
from sensor2llm.training.loop import StepLoss

Objective = Literal["answer", "labels", "both"]
Batch = FeatureBatch | SignalBatch | Features | Sequence[Window]
OBJECTIVES = ("answer", "labels", "both")


class SensorLanguageModel(nn.Module):
    """Let a frozen LLM read sensor windows through an adapter.

    The LLM is no submodule: parameters, state and device moves are the adapter's alone.

    Args:
        adapter: what is trained.
        llm: what is not.
        objective: `answer` is the log-likelihood of the right label's tokens and end of turn;
            `labels` the cross-entropy over all labels' scores; `both` their sum.
        check: refuse an LLM that the adapter was not trained for (a control passes False).
        given: further variables of the template that all windows share (unit, examples, …).

    Raises:
        ArtefactError: the LLM is another one than the adapter's.
        ConfigError: the objective is unknown, or two labels are the same text to the LLM.
    """

    def __init__(
        self,
        adapter: SensorAdapter,
        llm: FrozenLLM,
        *,
        objective: Objective = "answer",
        check: bool = True,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if objective not in OBJECTIVES:
            choices = ", ".join(OBJECTIVES)
            raise ConfigError(f"unknown objective {objective!r}; choose from {choices}")
        if check:
            adapter.check_llm(llm.name, llm.identity)
        self.adapter, self.llm, self.objective = adapter.to(llm.device), llm, objective
        self.prompting = Prompting(adapter, llm, given)
        self._paths: Paths | None = None

    @classmethod
    def from_pretrained(
        cls, name: str | Path, llm: FrozenLLM | str | None = None, **options: Any
    ) -> "SensorLanguageModel":
        """Load an adapter and its LLM.

        Args:
            name: an adapter folder, a released name or a hub name.
            llm: a loaded LLM, a folder or name of one; the adapter's own where None.
            **options: of `FrozenLLM.load`: dtype, quantization, device, attention.

        Raises:
            ArtefactError: the adapter is broken, or made for another LLM.
        """
        adapter = SensorAdapter.load(name)
        if not isinstance(llm, FrozenLLM):
            llm = FrozenLLM.load(llm or adapter.llm_place(), **options)
        return cls(adapter, llm).eval()

    @property
    def tokens_per_window(self) -> int:
        """Give the positions of one window: template, P, K and the longest answer.

        Without an encoder the window's own text comes on top.
        """
        text = "" if self.adapter.encoder is None else None
        return len(self.prompting.ids(signal=text)) + self.prompting.answers.table.shape[1]

    def features(self, batch: Batch) -> FeatureBatch:
        """Bring windows, a batch or cached features into the form that the adapter takes."""
        if isinstance(batch, Features):
            labels = torch.full((len(batch.steps),), -1)
            batch = FeatureBatch(labels, batch.steps, batch.present)
        elif not isinstance(batch, FeatureBatch | SignalBatch):
            batch = self.adapter.collate(batch)
        batch = batch.to(self.llm.device)
        return batch if isinstance(batch, FeatureBatch) else self.adapter.features(batch)

    def _prompt(self, batch: FeatureBatch, *, prefix: bool = True) -> Prompt:
        """Assemble the classification prompts of a batch."""
        soft, signal = self.adapter.soft_vectors(), self.adapter.signal_vectors(batch)
        if batch.texts is not None:
            return self._text_prompt(batch, soft, prefix)
        shared = self.prompting.shared
        return assemble(
            self.llm,
            shared.rows,
            soft,
            signal,
            batch=len(batch),
            prefix=shared.prefix if prefix and self._choose(batch).prefix else None,
            embedded=shared.embedded,
        )

    def _text_prompt(self, batch: FeatureBatch, soft: Tensor | None, prefix: bool) -> Prompt:
        """Assemble prompts that hold their windows as text; what all begin with is cached."""
        ids = [self.prompting.ids(signal=text) for text in batch.texts or ()]
        self._check_fits(max(map(len, ids), default=0))
        use = prefix and self._choose(batch).prefix
        shared = self.prompting.prefix_of(ids) if use else None
        rows = rows_after(self.llm, ids, shared) if shared else prompt_rows(self.llm, ids)
        return assemble(self.llm, rows, soft, None, batch=len(ids), prefix=shared)

    def _check_fits(self, prompt: int) -> None:
        answer, context = self.prompting.answers.table.shape[1], self.llm.context
        if context is not None and prompt + answer > context:
            raise DataError(
                f"a window as text takes {prompt + answer} positions with its prompt and answer, "
                f"{self.llm.name} holds {context}; write fewer numbers (rate, decimals, "
                "serialiser), or take an encoder"
            )

    def _choose(self, batch: FeatureBatch) -> Paths:
        """Find out once which shortcuts this LLM takes."""
        if self._paths is None:
            with self._evaluating():
                one = _few_rows(batch)
                self._paths = Paths(prefix=False)
                plain = self._prompt(one)
                self._paths = Paths(prefix=True)
                cached = self._prompt(one)
            self._paths = choose_paths(
                self.llm, plain, cached, self.prompting.answers.tree, self.prompting.answers.ids
            )
        return self._paths

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss summed over the batch's windows; this is what the training loop calls.

        Raises:
            DataError: a window has no label.
        """
        features = self.features(batch)
        labels = features.labels
        if bool((labels < 0).any()):
            raise DataError("a window to train on has no label; leave such windows out")
        prompt = self._prompt(features)
        total = prompt.vectors.new_zeros((), dtype=torch.float32)
        if self.objective == "answer":
            total = self._answer_loss(prompt, labels)
        else:
            scores = self._score(prompt, features)
            chosen = functional.cross_entropy(self._posterior(scores), labels, reduction="sum")
            right = scores.gather(1, labels[:, None]).sum()
            total = chosen - right if self.objective == "both" else chosen
        return StepLoss(total, float(len(labels)))

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Give the mean loss a window."""
        step = self(batch)
        return step.total / step.weight

    def _answer_loss(self, prompt: Prompt, labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Sum the negative log-likelihood of the answers' tokens; logits at those places only."""
        longest = int(self.prompting.answers.lengths[labels].max())
        targets = self.prompting.answers.table[labels, :longest]
        logits = tail_logits(self.llm, prompt, targets[:, :-1]).float()
        each = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        places = torch.arange(longest, device=labels.device)
        counted = places < self.prompting.answers.lengths[labels][:, None]
        return (each.view_as(targets) * counted).sum()

    def log_likelihoods(self, batch: Batch) -> Float[Tensor, "batch label"]:
        """Give every label's log-likelihood as the answer, end of turn included, in nats."""
        features = self.features(batch)
        return self._score(self._prompt(features), features)

    def _score(self, prompt: Prompt, features: FeatureBatch) -> Float[Tensor, "batch label"]:
        if self._choose(features).tree:
            return score_tree(self.llm, prompt, self.prompting.answers.tree)
        return score_each(self.llm, prompt, self.prompting.answers.ids)

    def _posterior(self, scores: Float[Tensor, "batch label"]) -> Float[Tensor, "batch label"]:
        return scores - scores.new_tensor(self.adapter.label_prior)

    def score(self, batch: Batch) -> Float[Tensor, "batch label"]:
        """Give every label's probability; rows sum to one."""
        with self._evaluating():
            return self._posterior(self.log_likelihoods(batch)).softmax(-1)

    def measure_prior(self, batches: Iterable[Batch]) -> tuple[float, ...]:
        """Set the adapter's label prior to each label's mean log-likelihood over these batches.

        Do it on training windows before training: what a label scores without anything learned
        says how likely its words are, not what the signal is.
        """
        total, windows = torch.zeros(len(self.adapter.label_names), dtype=torch.float64), 0
        with self._evaluating():
            for batch in batches:
                scores = self.log_likelihoods(batch)
                total += scores.double().sum(0).cpu()
                windows += len(scores)
        if not windows:
            raise DataError("no window to measure the label prior on; give training windows")
        self.adapter.label_prior = tuple((total / windows).tolist())
        return self.adapter.label_prior

    def embed(
        self,
        batch: Batch,
        *,
        question: str | None = None,
        messages: Sequence[Message] | None = None,
    ) -> tuple[
        Float[Tensor, "batch length width"],
        Int[Tensor, "batch length"],
        Int[Tensor, "batch length"],
    ]:
        """Give input embeddings, attention mask and position ids of whole prompts.

        Args:
            batch: windows, a batch or cached features.
            question: the template's `question`.
            messages: a whole conversation instead of the template's; it must hold P and K
                placeholders.
        """
        with self._evaluating():
            features = self.features(batch)
            texts = features.texts or (None,)
            given = [
                messages or self.prompting.messages(signal=t, question=question) for t in texts
            ]
            ids = [self.llm.encode(self.llm.render(m)) for m in given]
            rows = prompt_rows(self.llm, ids)
            soft, signal = self.adapter.soft_vectors(), self.adapter.signal_vectors(features)
            n = len(features)
            vectors = assemble(self.llm, rows, soft, signal, batch=n).vectors
        return vectors, rows.attention_mask.expand(n, -1), rows.position_ids.expand(n, -1)

    def generate(
        self,
        batch: Batch,
        *,
        question: str | None = None,
        messages: Sequence[Message] | None = None,
        max_new_tokens: int = 32,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[str]:
        """Let the LLM answer in its own words, one text a window.

        Args:
            batch: windows, a batch or cached features.
            question: the template's `question`.
            messages: a whole conversation instead of the template's.
            max_new_tokens: where an answer is cut off.
            temperature: 0 takes the likeliest token each time; above, tokens are drawn.
            seed: of the drawing.
        """
        vectors, mask, _ = self.embed(batch, question=question, messages=messages)
        return generate_texts(
            self.llm,
            vectors,
            mask,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            seed=seed,
        )

    def write(self, batch: Batch, *, max_new_tokens: int = 32) -> list[str]:
        """Let the LLM answer the template greedily, as `generate` does, from its cached prefix.

        Args:
            batch: windows, a batch or cached features.
            max_new_tokens: where an answer is cut off.
        """
        with self._evaluating():
            return greedy_texts(self.llm, self._prompt(self.features(batch)), max_new_tokens)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Switch dropout and gradients off for a while."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.train(training)


def _few_rows(batch: FeatureBatch) -> FeatureBatch:
    """Give one row; of texts the shortest and the longest, so that padding is tried as well."""
    if batch.texts is not None:
        order = sorted(range(len(batch)), key=lambda i: len(batch.texts[i]))  # type: ignore[index]
        chosen = sorted({order[0], order[-1]})
        return FeatureBatch(batch.labels[chosen], texts=tuple(batch.texts[i] for i in chosen))
    return FeatureBatch(
        batch.labels[:1],
        None if batch.steps is None else batch.steps[:1],
        None if batch.present is None else batch.present[:1],
    )
