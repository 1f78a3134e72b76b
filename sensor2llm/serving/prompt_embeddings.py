"""Prompts for other engines: what vLLM takes as `prompt_embeds`.

    from vllm import LLM, SamplingParams

    model = SensorLanguageModel.from_pretrained("runs/har")
    engine = LLM("…", enable_prompt_embeds=True, dtype="bfloat16")    the adapter's own LLM
    prompts = [{"prompt_embeds": rows} for rows in prompt_embeds(model, windows)]
    answers = engine.generate(prompts, SamplingParams(**sampling(model), max_tokens=32))

An engine holds the base model; what the adapter learned is in the vectors. With LoRA, which it is
not, the adapter's `lora/` folder goes along: it is PEFT's, so vLLM reads it (`enable_lora=True`,
`lora_request=LoRARequest("har", 1, "runs/har/lora")`).
"""

import logging
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from sensor2llm.errors import ModelError
from sensor2llm.llm.chat import Message
from sensor2llm.llm.generation import stop_ids
from sensor2llm.model.model import Batch, SensorLanguageModel

logger = logging.getLogger(__name__)


def prompt_embeds(
    model: SensorLanguageModel,
    batch: Batch,
    *,
    question: str | None = None,
    messages: Sequence[Message] | None = None,
) -> list[Float[Tensor, "length width"]]:
    """Give the input embeddings of each window's whole prompt, without padding.

    The chat template, the soft prompt and the signal tokens are in them, so the engine must add
    nothing (for vLLM: its Completions API, never its Chat API). Each tensor is in the LLM's type,
    on the CPU, contiguous, and owns its memory, so that `torch.save` writes these rows alone.

    Args:
        model: adapter and LLM.
        batch: windows, a batch or cached features.
        question: the template's `question`.
        messages: a whole conversation instead of the template's.

    Raises:
        ModelError: the adapter reaches into the LLM's layers by cross-attention or a learned
            prefix, which no engine is given by embeddings, or the LLM's embeddings are of another
            width than its layers (OPT), which vLLM refuses.
    """
    llm = model.llm
    if llm.width != llm.hidden_width:
        raise ModelError(
            f"{llm.name} embeds in {llm.width} numbers and computes in {llm.hidden_width}; engines "
            "take embeddings as wide as the layers only; use generate or score"
        )
    vectors, mask, _ = model.embed(batch, question=question, messages=messages)
    if model.adapter.lora is not None:
        logger.warning(
            "this adapter changes the LLM by LoRA: give the engine its lora/ folder as well "
            "(vLLM: enable_lora=True and a LoRARequest)"
        )
    rows = zip(vectors.to(llm.dtype), mask.bool(), strict=True)
    return [row[real].cpu().clone() for row, real in rows]


def sampling(model: SensorLanguageModel) -> dict[str, Any]:
    """Give the options of vLLM's SamplingParams with which it answers as `generate` does.

    The first likeliest token each time, up to the end of the turn. Greedy answers of two engines
    may part where two tokens are equally likely within rounding.
    """
    return {"temperature": 0.0, "stop_token_ids": stop_ids(model.llm)}
