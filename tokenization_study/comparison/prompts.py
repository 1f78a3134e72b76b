"""Raw prompts on the frozen LLM: zero-shot, few-shot, and with a learned soft prompt."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.adapter.parts import AdapterData, AdapterPrompt, LLMReference, LLMTuning
from sensor2llm.llm.checks.shortcuts import Shortcuts
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.sources import BatchSource
from sensor2llm.recipes.task import AdapterTask
from sensor2llm.tasks.classification import parse_label
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.loop import fit
from tokenization_study.comparison.config import ComparisonConfig

BATCH = 16
PRIOR_WINDOWS = 16
BACKWARD = 3
"""What a training step of a prompt costs, in forwards."""
POSITIONS_IN_TRAINING = 4096
TRIED_AT = 1024
"""Shortcuts that hold at so many positions are taken at any length: trials of the longest prompts
would cost more than their rows."""


@dataclass(frozen=True)
class TextRows:
    """Windows as text with their labels, as the training task reads them."""

    texts: tuple[str, ...]
    labels: Int[np.ndarray, " window"]

    def __len__(self) -> int:
        return len(self.texts)

    def batch(self, rows: Int[np.ndarray, " row"]) -> FeatureBatch:
        """Read rows by their position."""
        labels = torch.from_numpy(np.asarray(self.labels)[rows])
        return FeatureBatch(labels, texts=tuple(self.texts[i] for i in rows.tolist()))

    def some(self, keep: Sequence[int] | np.ndarray) -> "TextRows":
        """Keep some rows."""
        return TextRows(tuple(self.texts[i] for i in keep), np.asarray(self.labels)[keep])


@dataclass(frozen=True)
class PromptAnswers:
    """Each window's label by score and in the LLM's own words; -1 where it did not fit."""

    scored: Int[np.ndarray, " window"]
    written: Int[np.ndarray, " window"]
    probabilities: Float[np.ndarray, "window label"] | None
    positions: Int[np.ndarray, " window"]
    fits: np.ndarray
    seconds: float


def text_model(
    adapter: SensorAdapter,
    llm: FrozenLLM,
    form: str,
    variables: Mapping[str, Any],
    soft_tokens: int = 0,
) -> SensorLanguageModel:
    """Build a model that reads windows as text, with the labels and template of an adapter."""
    llm = _settled(llm)
    config = SoftPromptConfig(tokens=soft_tokens)
    reader = SensorAdapter(
        data=AdapterData(
            spec=adapter.spec, label_names=adapter.label_names, label_texts=adapter.label_texts
        ),
        prompt=AdapterPrompt(template=adapter.template, form=form),
        llm=LLMReference(name=llm.name, identity=llm.identity),
        tuning=LLMTuning(soft_prompt=SoftPrompt.start(config, llm) if soft_tokens else None),
    )
    return SensorLanguageModel(
        reader, llm, objective="both", template_values=dict(variables)
    ).eval()


def _settled(llm: FrozenLLM) -> FrozenLLM:
    """Take at any length the shortcuts that hold at `TRIED_AT`, where no layer has a window."""
    if llm.runner.window is not None or (llm.context or TRIED_AT) < TRIED_AT:
        return llm
    tried = llm.shortcuts(TRIED_AT)
    return llm.with_shortcuts(
        Shortcuts(**{f.name: getattr(tried, f.name) for f in fields(Shortcuts)})
    )


def positions_of(model: SensorLanguageModel, texts: Sequence[str]) -> Int[np.ndarray, " window"]:
    """Count every position of each window: prompt, soft prompt and the longest answer."""
    answer = model.prompting.answers.table.shape[1]
    return np.array([len(model.prompting.ids(signal=text)) + answer for text in texts])


def fitting(model: SensorLanguageModel, positions: np.ndarray) -> np.ndarray:
    """Say which windows fit the LLM's context."""
    context = model.llm.context
    return np.ones(len(positions), bool) if context is None else positions <= context


def runs_alone(model: SensorLanguageModel) -> bool:
    """Say whether each window is to be run by itself.

    A CPU gains nothing from a batch of long rows, and a prompt alone needs no mask: attention that
    is causal takes half the products. Solved examples are shared: they are computed once.
    """
    return model.llm.device.type == "cpu" and "examples" not in model.prompting.template_values


def time_window(model: SensorLanguageModel, rows: TextRows) -> float:
    """Give the seconds of scoring the longest window that fits.

    Other windows go first: they try the LLM's shortcuts and compute what all prompts begin with.
    """
    positions = positions_of(model, rows.texts)
    fits = np.flatnonzero(fitting(model, positions))
    *others, longest = fits[positions[fits].argsort(kind="stable")]
    if others:
        model.score(rows.batch(np.array(others[: 1 if runs_alone(model) else BATCH // 2])))
    before = time.perf_counter()
    model.score(rows.batch(np.array([longest])))
    return time.perf_counter() - before


def ask(
    model: SensorLanguageModel, rows: TextRows, config: ComparisonConfig, *, write: bool = False
) -> PromptAnswers:
    """Score every label for every window that fits; with `write` the LLM also answers itself."""
    positions = positions_of(model, rows.texts)
    fits = fitting(model, positions)
    labels = len(model.adapter.label_names)
    probabilities = np.full((len(rows), labels), np.nan, np.float32)
    written = np.full(len(rows), -1)
    answers, longest = model.prompting.answer_texts, model.prompting.answers.table.shape[1]
    batches = list(_batches(positions, fits, 0 if runs_alone(model) else config.tokens_at_once))
    before = time.perf_counter()
    for batch in batches:
        probabilities[batch] = model.score(rows.batch(batch)).float().cpu().numpy()
    seconds = time.perf_counter() - before
    for batch in batches if write else ():
        texts = model.generate(rows.batch(batch), max_new_tokens=longest + 1)
        written[batch] = [parse_label(text, answers) for text in texts]
    scored = np.where(fits, np.nan_to_num(probabilities).argmax(1), -1)
    whole = probabilities if fits.all() else None
    return PromptAnswers(scored, written, whole, positions, fits, seconds)


def choose_examples(
    model: SensorLanguageModel,
    variables: Mapping[str, Any],
    examples: Sequence[dict[str, str]],
    rows: TextRows,
) -> list[dict[str, str]]:
    """Give the first examples, as many as fit beside the longest window; one at least."""
    longest = max(rows.texts, key=len)
    for count in range(len(examples), 1, -1):
        variables = {**variables, "examples": list(examples[:count])}
        shown = text_model(model.adapter, model.llm, "few_shot", variables)
        if fitting(shown, positions_of(shown, [longest])).all():
            return list(examples[:count])
    return list(examples[:1])


def _batches(positions: np.ndarray, fits: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Give windows of like length together, at most so many positions at once; one at least."""
    order = np.argsort(positions, kind="stable")
    order = order[fits[order]]
    while len(order):
        size = max(int(most // positions[order[-1]]), 1)
        yield order[-size:]
        order = order[:-size]


def measure_prior(model: SensorLanguageModel, train: TextRows) -> None:
    """Measure what each label scores on training windows, whatever their labels are."""
    count = min(PRIOR_WINDOWS, len(train))
    rows = np.linspace(0, len(train) - 1, count).astype(np.int64)
    rows = rows[fitting(model, positions_of(model, train.some(rows).texts))]
    if len(rows):
        parts = np.array_split(rows, len(rows) if runs_alone(model) else max(1, len(rows) // BATCH))
        model.measure_prior(train.batch(part) for part in parts)


def learn_prompt(
    model: SensorLanguageModel,
    train: TextRows,
    validation: TextRows,
    config: ComparisonConfig,
    folder: Path,
    identity: dict[str, Any],
) -> None:
    """Train the soft prompt of a text model; an interrupted run goes on."""
    sources = [
        BatchSource.of_labels(
            rows.some(np.flatnonzero(fitting(model, positions_of(model, rows.texts))))
        )
        for rows in (train, validation)
    ]
    longest = int(positions_of(model, train.texts).max())
    halvings = (-(-BATCH * longest // POSITIONS_IN_TRAINING) - 1).bit_length()
    loop = LoopConfig(
        epochs=config.epochs,
        batch_size=BATCH,
        gradient_accumulation=min(2**halvings, BATCH),
        learning_rate=config.learning_rate,
        weight_decay=0.0,
        warmup_share=0.05,
        ema_decay=0.98,
        seed=config.seed,
    )
    task = AdapterTask(model, sources[:1], sources[1:], BATCH, config.seed)
    fit(task, loop, folder, resume=True, identity=identity)
    model.eval()
