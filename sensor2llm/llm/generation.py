"""Free answers: the base model's own `generate` on input embeddings."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache, GenerationConfig

from sensor2llm.llm.forward import Prompt
from sensor2llm.llm.frozen import FrozenLLM


def generate_texts(
    llm: FrozenLLM,
    vectors: Float[Tensor, "batch length width"],
    attention_mask: Int[Tensor, "batch length"],
    *,
    max_new_tokens: int = 32,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[str]:
    """Continue prompts and return the new text of each, up to the end of the turn.

    Args:
        llm: the frozen LLM.
        vectors: the prompts' input embeddings, padded on the left.
        attention_mask: 1 at tokens.
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
    devices = [llm.device] if llm.device.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        ids = llm.model.generate(
            inputs_embeds=vectors, attention_mask=attention_mask, generation_config=config
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
    rows, rest = len(prompt), prompt.vectors.shape[1]
    cache = prompt.prefix.cache(rows) if prompt.prefix else DynamicCache()
    mask = None if prompt.mask is None else prompt.mask.expand(rows, -1)
    vectors, positions = prompt.vectors, prompt.positions[:, -rest:].expand(rows, -1)
    ends = torch.tensor(stop_ids(llm), device=llm.device)
    ended = torch.zeros(rows, dtype=torch.bool, device=llm.device)
    said: list[Tensor] = []
    while len(said) < max_new_tokens and not bool(ended.all()):
        logits = llm.model(
            inputs_embeds=vectors, attention_mask=mask, position_ids=positions,
            past_key_values=cache, use_cache=True,
            logits_to_keep=torch.tensor([vectors.shape[1] - 1], device=llm.device),
        ).logits[:, -1].float()  # fmt: skip
        logits[:, llm.suppressed_ids] = -torch.inf
        token = logits.argmax(-1)
        ended |= torch.isin(token, ends)
        said.append(torch.where(ended, ends[0], token))
        vectors, positions = llm.embed(token[:, None]), positions[:, -1:] + 1
        mask = None if mask is None else torch.cat([mask, mask.new_ones(rows, 1)], dim=1)
    kept = [[i for i in row if i not in ends.tolist()] for row in torch.stack(said, 1).tolist()]
    return [text.strip() for text in llm.tokenizer.batch_decode(kept, skip_special_tokens=True)]


def stop_ids(llm: FrozenLLM) -> list[int]:
    """Give the tokens that end an answer: the end of turn, and the model's own end of text."""
    own = llm.model.generation_config.eos_token_id
    more = own if isinstance(own, list) else [own]
    return sorted({llm.end_of_turn_id, *(int(i) for i in more if i is not None)})
