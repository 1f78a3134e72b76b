"""Free answers: the base model's own `generate` on input embeddings."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import GenerationConfig

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


def stop_ids(llm: FrozenLLM) -> list[int]:
    """Give the tokens that end an answer: the end of turn, and the model's own end of text."""
    own = llm.model.generation_config.eos_token_id
    more = own if isinstance(own, list) else [own]
    return sorted({llm.end_of_turn_id, *(int(i) for i in more if i is not None)})
