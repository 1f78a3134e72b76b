"""Free answers, piece by piece: one token after the other on the base model's own cache."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import NoRepeatNGramLogitsProcessor

from sensor2llm.llm.forward import Prompt
from sensor2llm.llm.generation import DecodingSteps, room, stop_ids
from sensor2llm.llm.language_model import LanguageModel

# Small models fall into loops; a phrase of so many tokens is not said twice in one answer.
LONGEST_REPEAT = 6


def stream_text(
    llm: LanguageModel,
    prompt: Prompt,
    *,
    max_new_tokens: int = 96,
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[str]:
    """Continue one prompt and yield the new text as it comes, up to the end of the turn.

    Args:
        llm: the frozen LLM.
        prompt: one row.
        max_new_tokens: where the answer is cut off.
        temperature: 0 is greedy; above, tokens are drawn with `seed`.
        seed: of the drawing.
    """
    ids: list[int] = []
    text = written = ""
    for token in _tokens(llm, prompt, max_new_tokens, temperature, seed):
        ids.append(token)
        text = llm.tokenizer.decode(ids, skip_special_tokens=True)
        # A character may take several tokens: it is held back until it is whole.
        if not text.endswith("\ufffd"):
            yield text[len(written) :]
            written = text
    if text != written:
        yield text[len(written) :]


def _tokens(
    llm: LanguageModel, prompt: Prompt, count: int, temperature: float, seed: int
) -> Iterator[int]:
    generator = torch.Generator().manual_seed(seed)
    ends, repeats = set(stop_ids(llm)), NoRepeatNGramLogitsProcessor(LONGEST_REPEAT)
    said: list[int] = []
    steps, count = DecodingSteps(llm, prompt), room(llm, prompt, count)
    while len(said) < count:
        before = torch.tensor([said], dtype=torch.long)
        logits = repeats(before, steps.logits()[:1].cpu())[0]
        token = _choose(logits, temperature, generator)
        if token in ends:
            return
        said.append(token)
        yield token
        steps.append(torch.tensor([token], device=llm.device))


def _choose(
    logits: Float[Tensor, " vocabulary"], temperature: float, generator: torch.Generator
) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    return int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator))
