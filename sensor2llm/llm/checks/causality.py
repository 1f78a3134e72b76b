"""Whether a model is what is needed: each token sees what came before it, and embeddings say all.

Both are tried on a few tokens, because neither a class nor a configuration says it: transformers
loads BERT as a causal language model whose tokens see each other, and a family may embed its
tokens in more places than one.
"""

from typing import Any

import torch

from sensor2llm.errors import ModelError
from sensor2llm.llm.checks.precision import in_float32

TOKENS = 8
# Shares of what one token changes: above, it is no rounding.
WITHIN, WITHIN_ROUNDED = 1e-3, 0.1


@torch.no_grad()
def refuse_unfit(llm: Any) -> None:
    """Refuse a model that is not causal, or that does not run on input embeddings.

    Args:
        llm: a `FrozenLLM`.

    Raises:
        ModelError: saying which of the two.
    """
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(llm.vocabulary, (1, TOKENS), generator=generator).to(llm.device)
    other = ids.clone()
    other[0, -1] = (ids[0, -1] + 1) % llm.vocabulary
    kind, rows = llm.model.config.model_type, torch.cat([ids, other])
    try:
        with in_float32(llm.model) as exact:
            by_id = llm.model(input_ids=ids, use_cache=False).logits.float()
            by_vector, changed = llm.run(llm.embed(rows), rows).logits.float().split(1)
    except Exception as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ModelError(
            f"{llm.name} ({kind}) does not run on input embeddings ({reason}); take another "
            "causal language model"
        ) from error
    far = (by_vector - changed).abs().amax(-1)[0]
    # A token's own logits say how much one token matters to this model.
    rounding = (WITHIN if exact else WITHIN_ROUNDED) * float(far[-1]) + 1e-6
    if not float(far[:-1].max()) <= rounding:
        raise ModelError(
            f"{llm.name} ({kind}) is no causal language model: its tokens see those that follow "
            "(a masked model such as BERT does); take one that is trained to continue text"
        )
    if not float((by_id - by_vector).abs().max()) <= rounding:
        raise ModelError(
            f"{llm.name} ({kind}) says something else for input embeddings than for the same "
            "tokens' ids, so vectors cannot take a token's place; take another language model"
        )
