"""Free answers: tokens after assembled prompts, likeliest or drawn."""

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import Cache, GenerationConfig, NoRepeatNGramLogitsProcessor

from sensor2llm.llm.forward import Prompt, join_ids
from sensor2llm.llm.language_model import LanguageModel
from sensor2llm.training.seeding import seeded

# Small models fall into loops; a phrase of so many tokens is not said twice in one answer.
LONGEST_REPEAT = 6


def generate(
    llm: LanguageModel,
    prompt: Prompt,
    *,
    max_new_tokens: int = 32,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[str]:
    """Continue prompts and return the new text of each, up to the end of the turn.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`; a prefix stays cached.
        max_new_tokens: where an answer is cut off.
        temperature: 0 is greedy; above, tokens are drawn with `seed`.
        seed: of the drawing; the global random state is left as it was.
    """
    texts = [""] * len(prompt)
    for rows in prompt.groups(llm, max_new_tokens):
        part = prompt if len(rows) == len(prompt) else prompt.select(rows)
        ids = _answer_ids(llm, part, max_new_tokens, temperature, seed)
        answers = llm.tokenizer.batch_decode(ids, skip_special_tokens=True)
        for row, text in zip(rows, answers, strict=True):
            texts[row] = text.strip()
    return texts


def _answer_ids(
    llm: LanguageModel, prompt: Prompt, most: int, temperature: float, seed: int
) -> list[list[int]]:
    if temperature <= 0:
        return _greedy_ids(llm, prompt, most)
    if prompt.prefix is None and llm.shortcuts().generate:
        drawn = {"do_sample": True, "temperature": temperature}
        return run_transformers(llm, prompt, most, seed, **drawn).sequences.tolist()
    rows = (prompt.row(i) for i in range(len(prompt)))
    return [list(decode_tokens(llm, row, most, temperature, seed)) for row in rows]


def run_transformers(
    llm: LanguageModel, prompt: Prompt, most: int, seed: int = 0, **options: Any
) -> Any:
    """Run the base model's own `generate`; what follows a row's end of turn is padding.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`, without a prefix; rows that may share a forward.
        most: tokens at which an answer is cut off.
        seed: of the drawing.
        **options: further settings of transformers' GenerationConfig.
    """
    config = GenerationConfig(
        max_new_tokens=room(llm, prompt, most),
        eos_token_id=stop_ids(llm),
        pad_token_id=llm.pad_id,
        suppress_tokens=llm.suppressed_ids or None,
        return_dict_in_generate=True,
        **options,
    )
    mask = prompt.mask
    if mask is None:
        mask = torch.ones(1, prompt.length, dtype=torch.long, device=llm.device)
    with (
        torch.no_grad(),
        seeded(seed),
        prompt.layer_hooks.attached(llm),
        warnings.catch_warnings(),
    ):
        # It says that what is not repeated is looked for in the answer alone, which is right.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"transformers\.generation")
        return llm.model.generate(
            inputs_embeds=prompt.vectors.clone(),
            attention_mask=mask.expand(len(prompt), -1),
            generation_config=config,
        )


@torch.no_grad()
def _greedy_ids(llm: LanguageModel, prompt: Prompt, most: int) -> list[list[int]]:
    ends = torch.tensor(stop_ids(llm), device=llm.device)
    ended = torch.zeros(len(prompt), dtype=torch.bool, device=llm.device)
    tokens: list[Tensor] = []
    steps, most = DecodingSteps(llm, prompt), room(llm, prompt, most)
    while len(tokens) < most and not bool(ended.all()):
        token = steps.logits().argmax(-1)
        ended |= torch.isin(token, ends)
        tokens.append(torch.where(ended, ends[0], token))
        steps.append(token)
    return [[i for i in row if i not in ends.tolist()] for row in torch.stack(tokens, 1).tolist()]


def decode_tokens(
    llm: LanguageModel, prompt: Prompt, most: int, temperature: float, seed: int
) -> Iterator[int]:
    """Yield the answer's tokens one by one; no phrase of `LONGEST_REPEAT` tokens comes twice.

    Args:
        llm: the frozen LLM.
        prompt: one row.
        most: tokens at which the answer is cut off.
        temperature: 0 is greedy; above, tokens are drawn with `seed`.
        seed: of the drawing.
    """
    generator = torch.Generator().manual_seed(seed)
    ends, repeats = set(stop_ids(llm)), NoRepeatNGramLogitsProcessor(LONGEST_REPEAT)
    tokens: list[int] = []
    steps, most = DecodingSteps(llm, prompt), room(llm, prompt, most)
    while len(tokens) < most:
        before = torch.tensor([tokens], dtype=torch.long)
        logits = repeats(before, steps.logits()[:1].cpu())[0]
        token = _choose(logits, temperature, generator)
        if token in ends:
            return
        tokens.append(token)
        yield token
        steps.append(torch.tensor([token], device=llm.device))


def _choose(
    logits: Float[Tensor, " vocabulary"], temperature: float, generator: torch.Generator
) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    return int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator))


def room(llm: LanguageModel, prompt: Prompt, most: int) -> int:
    """Give how many tokens may follow a prompt: at most so many, and no more than the LLM holds."""
    return most if llm.context is None else max(1, min(most, llm.context - prompt.length))


class DecodingSteps:
    """Run prompts one token at a time; a prefix, cached or learned, stays where it is.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`.
    """

    def __init__(self, llm: LanguageModel, prompt: Prompt) -> None:
        rows, rest = len(prompt), prompt.vectors.shape[1]
        self.llm, self.layer_hooks, self.vectors = llm, prompt.layer_hooks, prompt.vectors
        self.prefix = prompt.prefix
        self.ids = None if prompt.ids is None else prompt.ids.expand(rows, -1)
        self.cache = self._cache() if llm.shortcuts().steps else None
        self.mask = None if prompt.mask is None else prompt.mask.expand(rows, -1)
        self.positions = prompt.positions[:, -rest:].expand(rows, -1)

    def _cache(self) -> Cache | None:
        """Give a cache of what was computed before this prompt."""
        return self.prefix.cache(len(self.vectors)) if self.prefix else self.llm.runner.new_cache()

    @torch.no_grad()
    def logits(self) -> Float[Tensor, "batch vocabulary"]:
        """Give the logits of the next token; what is no token gets none."""
        cache = self.cache
        if cache is None and self.prefix:
            cache = self._cache()
        last = torch.tensor([self.vectors.shape[1] - 1], device=self.llm.device)
        with self.layer_hooks.attached(self.llm):
            logits = self.llm.run(
                self.vectors, self.ids, mask=self.mask, positions=self.positions,
                cache=cache, places=last,
            ).logits[:, -1].float()  # fmt: skip
        logits[:, self.llm.suppressed_ids] = -torch.inf
        return logits

    def append(self, token: Int[Tensor, " batch"]) -> None:
        """Go on with these tokens; what is not cached is computed anew with them."""
        before = slice(0, 0) if self.cache is not None else slice(None)
        after, ids = self.llm.embed(token[:, None]), token[:, None]
        # The LLM's own type from here on: the first vectors may have come in the adapter's.
        self.vectors = torch.cat([self.vectors[:, before].to(after.dtype), after], dim=1)
        if self.ids is not None:
            self.ids = join_ids(self.ids[:, before], ids)
        next_one = self.positions[:, -1:] + 1
        self.positions = torch.cat([self.positions[:, before], next_one], dim=1)
        if self.mask is not None:
            new = self.mask.new_ones(len(self.mask), 1)
            self.mask = torch.cat([self.mask, new], dim=1)


def stop_ids(llm: LanguageModel) -> list[int]:
    """Give the tokens that end an answer: the end of turn, and the model's own end of text."""
    own = llm.model.generation_config.eos_token_id
    more = own if isinstance(own, list) else [own]
    return sorted({llm.end_of_turn_id, *(int(i) for i in more if i is not None)})
