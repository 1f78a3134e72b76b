"""Free answers: the base model's own `generate` on input embeddings."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache, GenerationConfig

from sensor2llm.llm.forward import Prompt
from sensor2llm.llm.frozen import FrozenLLM


def generate_texts(
    llm: FrozenLLM,
    prompt: Prompt,
    *,
    max_new_tokens: int = 32,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[str]:
    """Continue prompts and return the new text of each, up to the end of the turn.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`, without a prefix.
        max_new_tokens: where an answer is cut off.
        temperature: 0 is greedy; above, tokens are drawn with `seed`.
        seed: of the drawing; the global random state is left as it was.
    """
    drawn = {"do_sample": True, "temperature": temperature} if temperature > 0 else {}
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        eos_token_id=stop_ids(llm),
        pad_token_id=llm.pad_id,
        suppress_tokens=llm.suppressed_ids or None,
        **drawn,
    )
    mask = prompt.mask
    if mask is None:
        mask = torch.ones(1, prompt.length, dtype=torch.long, device=llm.device)
    devices = [llm.device] if llm.device.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices), prompt.reach.into(llm):
        torch.manual_seed(seed)
        ids = llm.model.generate(
            inputs_embeds=prompt.vectors,
            attention_mask=mask.expand(len(prompt), -1),
            generation_config=config,
        )
    return [text.strip() for text in llm.tokenizer.batch_decode(ids, skip_special_tokens=True)]


@torch.no_grad()
def greedy_texts(llm: FrozenLLM, prompt: Prompt, max_new_tokens: int = 32) -> list[str]:
    """Continue assembled prompts greedily and return the new text of each; a prefix stays cached.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`.
        max_new_tokens: where an answer is cut off.
    """
    ends = torch.tensor(stop_ids(llm), device=llm.device)
    ended = torch.zeros(len(prompt), dtype=torch.bool, device=llm.device)
    said: list[Tensor] = []
    steps = Steps(llm, prompt)
    while len(said) < max_new_tokens and not bool(ended.all()):
        token = steps.logits().argmax(-1)
        ended |= torch.isin(token, ends)
        said.append(torch.where(ended, ends[0], token))
        steps.append(token)
    kept = [[i for i in row if i not in ends.tolist()] for row in torch.stack(said, 1).tolist()]
    return [text.strip() for text in llm.tokenizer.batch_decode(kept, skip_special_tokens=True)]


class Steps:
    """Run prompts one token at a time; a prefix, cached or learned, stays where it is.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`.
    """

    def __init__(self, llm: FrozenLLM, prompt: Prompt) -> None:
        rows, rest = len(prompt), prompt.vectors.shape[1]
        self.llm, self.reach, self.vectors = llm, prompt.reach, prompt.vectors
        self.cache = prompt.prefix.cache(rows) if prompt.prefix else DynamicCache()
        self.mask = None if prompt.mask is None else prompt.mask.expand(rows, -1)
        self.positions = prompt.positions[:, -rest:].expand(rows, -1)

    @torch.no_grad()
    def logits(self) -> Float[Tensor, "batch vocabulary"]:
        """Give the logits of the next token; what is no token gets none."""
        with self.reach.into(self.llm):
            logits = self.llm.model(
                inputs_embeds=self.vectors, attention_mask=self.mask,
                position_ids=self.positions,
                use_cache=True, **{self.llm.cache_argument: self.cache},
                logits_to_keep=torch.tensor([self.vectors.shape[1] - 1], device=self.llm.device),
            ).logits[:, -1].float()  # fmt: skip
        logits[:, self.llm.suppressed_ids] = -torch.inf
        return logits

    def append(self, token: Int[Tensor, " batch"]) -> None:
        """Go on with these tokens."""
        self.vectors, self.positions = self.llm.embed(token[:, None]), self.positions[:, -1:] + 1
        if self.mask is not None:
            new = self.mask.new_ones(len(self.mask), 1)
            self.mask = torch.cat([self.mask, new], dim=1)


def stop_ids(llm: FrozenLLM) -> list[int]:
    """Give the tokens that end an answer: the end of turn, and the model's own end of text."""
    own = llm.model.generation_config.eos_token_id
    more = own if isinstance(own, list) else [own]
    return sorted({llm.end_of_turn_id, *(int(i) for i in more if i is not None)})
