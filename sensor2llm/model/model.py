"""SensorLanguageModel: an adapter and its frozen LLM, as one thing that hears sensors.

    model = SensorLanguageModel.from_pretrained("runs/har")
    model.score(windows)                    (window, label) probabilities
    model.generate(windows, question="How hard did this person move?")
    model.embed(windows)                    input embeddings for other engines

Notation: `length` positions of a prompt, P soft-prompt vectors, K signal tokens, `width` the LLM's.

Where an encoder hears the window, the prompt is the same text for every window, so one batch is
one row of ids that meets its vectors by a masked scatter; nothing loops over windows. Where each
window has a text of its own (a question, its numbers), rows are padded on the left.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import FeatureBatch, Request, RequestBatch
from sensor2llm.bridge.extra.reprogramming import sample_words
from sensor2llm.encoders.signal_encoder import Features
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.llm.chat import Message
from sensor2llm.llm.forward import Prompt, last_states
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.generation import generate
from sensor2llm.llm.scoring import score_labels, score_likely_labels
from sensor2llm.model.embedded_prompts import EmbeddedPrompts, PromptPart, embed_prompts
from sensor2llm.model.evaluating import evaluating
from sensor2llm.model.loss import OBJECTIVES, Objective, label_loss, posterior, request_loss
from sensor2llm.model.prompt_text import PromptRenderer
from sensor2llm.model.prompt_vectors import PromptBuilder
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.window import Window
from sensor2llm.training.task import StepLoss

Batch = FeatureBatch | SignalBatch | RequestBatch | Features | Sequence[Window]


class SensorLanguageModel(nn.Module):
    """Let a frozen LLM read sensor windows through an adapter.

    The LLM is no submodule: parameters, state and device moves are the adapter's alone.

    Args:
        adapter: what is trained.
        llm: what is not.
        encoder_trainable: whether the adapter's encoder learns with the bridge; None leaves it as
            it is.
        objective: `answer` is the log-likelihood of the right label's tokens and end of turn;
            `labels` the cross-entropy over all labels' scores; `both` their sum.
        check: refuse an LLM that the adapter was not trained for (a control passes False).
        template_values: of the template's further variables (unit, examples, …), for all windows.

    Raises:
        ArtefactError: the LLM is another one than the adapter's.
        ConfigError: the objective is unknown, or two labels are the same text to the LLM.
    """

    accepted: dict[str, Any] | None = None  # how another LLM was tried: `model.acceptance`

    def __init__(
        self,
        adapter: SensorAdapter,
        llm: FrozenLLM,
        *,
        encoder_trainable: bool | None = None,
        objective: Objective = "answer",
        check: bool = True,
        template_values: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if objective not in OBJECTIVES:
            choices = ", ".join(OBJECTIVES)
            raise ConfigError(f"unknown objective {objective!r}; choose from {choices}")
        if check and not llm.matches(adapter.llm_identity):
            adapter.check_llm(llm.name, llm.identity)
        # Frozen: the LLM, by its own constructor, whatever is trained around it; an encoder that is
        # not to learn; and the encoder's joint vector, which the bridge never reads.
        # Trained: the rest of the adapter (bridge, soft prompt, gated layers, prefix, LoRA, head).
        assert not any(p.requires_grad for p in llm.model.parameters())
        if adapter.encoder is not None and encoder_trainable is not None:
            adapter.encoder.requires_grad_(encoder_trainable)
            adapter.encoder.aggregator.requires_grad_(False)
        self.adapter, self.llm, self.objective = adapter.to(llm.device), llm, objective
        if adapter.projector is not None and adapter.projector.needs_vocabulary:
            with torch.no_grad():
                adapter.projector.use_vocabulary(llm.embed(sample_words(llm.vocabulary)[None])[0])
        self.prompting = PromptRenderer(adapter, llm, template_values)
        self.build = PromptBuilder(self.adapter, llm, self.prompting)

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
        """Give the positions of one window: template, P, K, a learned prefix, the longest label.

        What a window's prompt says as text (numbers without an encoder, values, a question) comes
        on top, and so does the answer to a question.
        """
        return self.build.tokens_per_window

    def check_context(self) -> None:
        """Check, before anything is computed, that the LLM holds a prompt and the longest label.

        Raises:
            DataError: it does not.
        """
        self.build.check_fits(self.tokens_per_window - self.build.learned_tokens, 0)

    def features(self, batch: Batch) -> FeatureBatch:
        """Bring windows, a batch or cached features into the form that the adapter takes."""
        if isinstance(batch, RequestBatch):
            second = self.features(batch.second) if batch.second else None
            return self.features(batch.signals).with_requests(batch.requests, second)
        if isinstance(batch, Features):
            batch = FeatureBatch(torch.full((len(batch.steps),), -1), batch.steps, batch.present)
        elif not isinstance(batch, FeatureBatch | SignalBatch):
            batch = self.adapter.collate(batch)
        batch = batch.to(self.llm.device)
        return batch if isinstance(batch, FeatureBatch) else self.adapter.features(batch)

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss summed over the batch's windows; this is what the training loop calls.

        Raises:
            DataError: a window has no label.
        """
        features = self.features(batch)
        if features.requests is None or features.requests[0].answer is None:
            step = label_loss(self.build, features, self.objective)
        else:
            step = request_loss(self.build, features)
        if self.adapter.head is None:
            return step
        # Several processes wait for a gradient of every parameter, whatever the task.
        untouched = sum(p.sum() * 0 for p in self.adapter.head.parameters())
        return step._replace(total=step.total + untouched)

    def numbers(self, batch: Batch) -> Float[Tensor, " batch"]:
        """Give the number head's estimates, in the target's unit, for windows that are asked.

        Raises:
            ConfigError: the adapter has no number head.
        """
        if self.adapter.head is None:
            raise ConfigError("the adapter estimates no number; train one with the task regression")
        with evaluating(self):
            features = self.features(batch)
            if features.requests is None:
                features = features.with_requests([Request("regression")] * len(features))
            return self.adapter.head(last_states(self.llm, self.build.for_batch(features))).float()

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Give the mean loss a window."""
        step = self(batch)
        return step.total / step.weight

    def log_likelihoods(self, batch: Batch) -> Float[Tensor, "batch label"]:
        """Give every label's log-likelihood as the answer, end of turn included, in nats."""
        prompt, answers = self.build.for_batch(self.features(batch)), self.prompting.answers
        return score_labels(self.llm, prompt, answers.tree, answers.ids)

    def score(self, batch: Batch) -> Float[Tensor, "batch label"]:
        """Give every label's probability, calibrated where the adapter is; they sum to one."""
        with evaluating(self):
            prompt, answers = self.build.for_batch(self.features(batch)), self.prompting.answers
            temperature = self.adapter.trust.temperature
            options = prompt, answers.tree, answers.ids, self.adapter.label_prior, temperature
            scores = posterior(self.adapter, score_likely_labels(self.llm, *options))
            return (scores / temperature).softmax(-1)

    def measure_prior(self, batches: Iterable[Batch]) -> tuple[float, ...]:
        """Set the adapter's label prior to each label's mean log-likelihood over these batches.

        Do it on training windows before training: what a label scores without anything learned
        says how likely its words are, not what the signal is.
        """
        total, windows = torch.zeros(len(self.adapter.label_names), dtype=torch.float64), 0
        with evaluating(self):
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
        part: PromptPart = "all",
    ) -> EmbeddedPrompts:
        """Give input embeddings, attention mask and position ids of prompts.

        Args:
            batch: windows, a batch or cached features.
            question: the template's `question`.
            messages: a whole conversation instead, P and K placeholders included.
            part: `all` of each prompt; or the `user`'s content, to which an engine's chat route
                adds the chat template.
        """
        with evaluating(self):
            return embed_prompts(self.build, self.features(batch), question, messages, part)

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
            batch: windows, a batch or cached features; what they are asked where it says so.
            question: the template's `question`.
            messages: a whole conversation instead of the template's.
            max_new_tokens: where an answer is cut off.
            temperature: 0 takes the likeliest token each time; above, tokens are drawn.
            seed: of the drawing.
        """
        with evaluating(self):
            features = self.features(batch)
            if question is None and messages is None:
                prompt = self.build.for_batch(features, prefix=temperature <= 0)
            else:
                prompt = self.build.for_messages(features, question, messages)
            return self._answers(prompt, max_new_tokens, temperature, seed)

    def reply(
        self,
        messages: Sequence[Message],
        features: Sequence[FeatureBatch],
        *,
        max_new_tokens: int = 32,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> str:
        """Let the LLM answer one conversation in which several windows stand.

        Args:
            messages: with every window's placeholders at its place.
            features: of each window, in the order of their places.
            max_new_tokens: where the answer is cut off.
            temperature: 0 takes the likeliest token each time; above, tokens are drawn.
            seed: of the drawing.

        Raises:
            ModelError: there are more places than windows, or fewer.
        """
        ids = self.llm.encode(self.llm.render(messages))
        with evaluating(self):
            prompt = self.build.for_token_ids(ids, features)
            return self._answers(prompt, max_new_tokens, temperature, seed)[0]

    def _answers(self, prompt: Prompt, most: int, temperature: float, seed: int) -> list[str]:
        return generate(self.llm, prompt, max_new_tokens=most, temperature=temperature, seed=seed)
