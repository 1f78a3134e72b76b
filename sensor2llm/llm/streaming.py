"""Free answers, piece by piece: one token after the other on the base model's own cache."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache, NoRepeatNGramLogitsProcessor

from sensor2llm.llm.forward import Prompt
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.generation import stop_ids

# Small models fall into loops; a phrase of so many tokens is not said twice in one answer.
LONGEST_REPEAT = 6


def stream_text(
    llm: FrozenLLM,
    prompt: Prompt,
    *,
    max_new_tokens: int = 96,
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[str]:
    """Continue one prompt and yield the new text as it comes, up to the end of the turn.

    Args:
        llm: the frozen LLM.
        prompt: one row, without a cached prefix.
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
    llm: FrozenLLM, prompt: Prompt, count: int, temperature: float, seed: int
) -> Iterator[int]:
    generator = torch.Generator().manual_seed(seed)
    ends, repeats = set(stop_ids(llm)), NoRepeatNGramLogitsProcessor(LONGEST_REPEAT)
    cache, vectors, positions = DynamicCache(), prompt.vectors, prompt.positions
    said: list[int] = []
    while len(said) < count:
        with torch.no_grad():
            logits = llm.model(
                inputs_embeds=vectors, position_ids=positions, past_key_values=cache, use_cache=True
            ).logits[0, -1]
        before = torch.tensor([said], dtype=torch.long)
        logits = repeats(before, logits.float().cpu()[None])[0]
        logits[llm.suppressed_ids] = -torch.inf
        token = _choose(logits, temperature, generator)
        if token in ends:
            return
        said.append(token)
        yield token
        vectors = llm.embed(torch.tensor([[token]]))
        positions = positions[:, -1:] + 1


def _choose(
    logits: Float[Tensor, " vocabulary"], temperature: float, generator: torch.Generator
) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    return int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator))
