"""A soft prompt tuned on windows told in words: what the LLM can do where it need not hear."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmarks.quality.question_parts.systems import System, told_text
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import FeatureBatch, Request
from sensor2llm.adapter.parts import AdapterData, AdapterPrompt, LLMReference, LLMTuning
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.questions.naming import Facts
from sensor2llm.signals.questions.pairs import split_pair
from sensor2llm.tasks.conversation_items import make_conversation
from sensor2llm.tasks.dialogue.wording import split_parts
from sensor2llm.tasks.question_answering import LONGEST_ANSWER, TASK, request_of

LEARNING_RATE = 5e-3


def tune_told(
    model: SensorLanguageModel,
    facts: Sequence[Facts],
    *,
    steps: int,
    seed: int,
    batch_size: int = 16,
    soft_tokens: int = 16,
) -> SensorLanguageModel:
    """Tune a soft prompt on the questions that an adapter trains on, windows told in words.

    Args:
        model: whose LLM, labels and spec are taken.
        facts: of training windows, with their labels.
        steps: of the optimiser.
        seed: of the questions, the soft prompt's start and the batches.
        batch_size: questions a step.
        soft_tokens: vectors of the soft prompt.
    """
    told = _text_model(model, soft_tokens, seed)
    items = make_conversation(facts, model.adapter.spec, seed=seed, per_window=4)
    texts = [told_text(_windows_of(one)) for one in items.facts]
    requests = [replace(r, template_values={"question": r.template_values["question"]})
                for r in items.requests]  # fmt: skip
    optimiser = torch.optim.AdamW(
        (p for p in told.parameters() if p.requires_grad), lr=LEARNING_RATE
    )
    rng = np.random.default_rng(seed)
    told.train()
    for _ in range(steps):
        rows = rng.integers(len(items), size=batch_size).tolist()
        batch = _batch([texts[row] for row in rows], [requests[row] for row in rows])
        loss = told.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(told.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    return told.eval()


def tuned_told_system(told: SensorLanguageModel, facts: Sequence[Facts]) -> System:
    """Answer by a tuned soft prompt, told the truth in words."""

    def answer(ask: str, places: Sequence[int]) -> list[str]:
        text = told_text([facts[place] for place in places])
        return [
            told.generate(_batch([text], [request_of(part)]), max_new_tokens=LONGEST_ANSWER)[0]
            for part in split_parts(ask)
        ]

    return answer


def _windows_of(facts: Facts) -> list[Facts]:
    first, second = split_pair(facts)
    return [first, second] if second else [first]


def _batch(texts: Sequence[str], requests: Sequence[Request]) -> FeatureBatch:
    labels = torch.full((len(texts),), -1)
    return FeatureBatch(labels, texts=tuple(texts), requests=tuple(requests))


def _text_model(model: SensorLanguageModel, soft_tokens: int, seed: int) -> SensorLanguageModel:
    """Build an adapter without an encoder: a soft prompt and a text."""
    ours, llm = model.adapter, model.llm
    template = ours.templates.get(TASK) or PromptTemplate.load("question")
    soft = SoftPrompt.start(SoftPromptConfig(tokens=soft_tokens), llm, seed)
    adapter = SensorAdapter(
        data=AdapterData(spec=ours.spec, label_names=ours.label_names),
        prompt=AdapterPrompt(template=template, form="encoded"),
        llm=LLMReference(name=llm.name, identity=llm.identity),
        tuning=LLMTuning(soft_prompt=soft),
    )
    return SensorLanguageModel(adapter, llm)
