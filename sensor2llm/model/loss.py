"""The loss of what windows are to be answered: likelihood of the answers' tokens, and numbers."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import CLASSIFICATION, FeatureBatch
from sensor2llm.bridge.number_head import number_loss
from sensor2llm.errors import DataError
from sensor2llm.llm.forward import Prompt
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.scoring import next_log_probs, score_labels
from sensor2llm.model.prompt_vectors import PromptBuilder
from sensor2llm.training.task import StepLoss

Objective = Literal["answer", "labels", "both"]
OBJECTIVES = ("answer", "labels", "both")


def answer_loss(
    llm: FrozenLLM,
    prompt: Prompt,
    table: Int[Tensor, "batch token"],
    lengths: Int[Tensor, " batch"],
) -> Float[Tensor, ""]:
    """Sum the negative log-likelihood of answers' tokens; logits at those places only.

    Args:
        llm: the frozen LLM.
        prompt: what is answered.
        table: token ids of each row's answer, end of turn included, padded on the right.
        lengths: how many of them count.
    """
    return _answer_loss_and_states(llm, prompt, table, lengths, states=False)[0]


def _answer_loss_and_states(
    llm: FrozenLLM, prompt: Prompt, table: Tensor, lengths: Tensor, states: bool = True
) -> tuple[Float[Tensor, ""], Float[Tensor, "batch place hidden"]]:
    """Give `answer_loss`, and the last hidden states of the same run."""
    tokens = table[:, : int(lengths.max())]
    places = torch.arange(tokens.shape[1])
    each, hidden = next_log_probs(llm, prompt, tokens[:, :-1], places, tokens, states=states)
    return -(each * (places.to(lengths) < lengths[:, None])).sum(), hidden


def posterior(
    adapter: SensorAdapter, scores: Float[Tensor, "batch label"]
) -> Float[Tensor, "batch label"]:
    """Take what each label scores by itself, the adapter's label prior, off its score."""
    return scores - scores.new_tensor(adapter.label_prior)


def label_loss(build: PromptBuilder, batch: FeatureBatch, objective: Objective) -> StepLoss:
    """Sum the loss of each window's label.

    Raises:
        DataError: a window has no label, or is asked something else.
    """
    labels, others = batch.labels, (r.task != CLASSIFICATION for r in batch.requests or ())
    if bool((labels < 0).any()) or any(others):
        raise DataError("a window to train on has no label or answer; leave such windows out")
    prompt, answers = build.for_batch(batch), build.prompting.answers
    if objective == "answer":
        total = answer_loss(build.llm, prompt, answers.table[labels], answers.lengths[labels])
        return StepLoss(total, float(len(labels)))
    scores = score_labels(build.llm, prompt, answers.tree, answers.ids)
    chosen = functional.cross_entropy(posterior(build.adapter, scores), labels, reduction="sum")
    right = scores.gather(1, labels[:, None]).sum()
    return StepLoss(chosen - right if objective == "both" else chosen, float(len(labels)))


def request_loss(build: PromptBuilder, batch: FeatureBatch) -> StepLoss:
    """Sum the loss of each window's own answer, and of its number where there is a head.

    Raises:
        DataError: a window has no answer.
    """
    answers = [request.answer for request in batch.requests or ()]
    if None in answers:
        raise DataError("a window to train on has no answer; leave such windows out")
    llm, prompting, head = build.llm, build.prompting, build.adapter.head
    texts = prompting.row_texts(batch)
    answer_rows = [prompting.answer_row(t, a or "") for t, a in zip(texts, answers, strict=True)]
    longest, end = max(map(len, answer_rows)), llm.end_of_turn_id
    rows = [prompting.encode_row(text) for text in texts]
    prompt = build.rows(batch, rows, answer=longest)
    padded = [[*ids, *[end] * (longest - len(ids))] for ids in answer_rows]
    table = torch.tensor(padded, device=llm.device)
    lengths = torch.tensor([len(ids) for ids in answer_rows], device=llm.device)
    numbers = [request.number for request in batch.requests or ()]
    if head is None or None in numbers:
        return StepLoss(answer_loss(llm, prompt, table, lengths), float(len(batch)))
    values = torch.tensor(numbers, dtype=torch.float32, device=llm.device)
    loss, states = _answer_loss_and_states(llm, prompt, table, lengths)
    return StepLoss(loss + number_loss(head, states[:, 0], values), float(len(batch)))
