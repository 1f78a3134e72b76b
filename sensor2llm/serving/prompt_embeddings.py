"""Prompts for other engines: what vLLM takes as `prompt_embeds`.

    from vllm import LLM, SamplingParams

    model = SensorLanguageModel.from_pretrained("runs/har")
    engine = LLM("…", enable_prompt_embeds=True, dtype="bfloat16")    the adapter's own LLM
    prompts = [{"prompt_embeds": rows} for rows in prompt_embeds(model, windows)]
    answers = engine.generate(prompts, SamplingParams(**sampling(model), max_tokens=32))

or, of a running `vllm serve` that takes embeddings, the chat route, which adds the template itself:

    for body in chat_requests(model, windows):
        client.chat.completions.create(model="…", max_tokens=32, **body)

An engine holds the base model; what the adapter learned is in the vectors. With LoRA, which it is
not, the adapter's `lora/` folder goes along: it is PEFT's, so vLLM reads it (`enable_lora=True`,
`lora_request=LoRARequest("har", 1, "runs/har/lora")`).
"""

import base64
import io
import logging
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sensor2llm.errors import ModelError
from sensor2llm.llm.chat import Message
from sensor2llm.llm.generation import stop_ids
from sensor2llm.model.embedded_prompts import PromptPart, user_contents
from sensor2llm.model.model import Batch, SensorLanguageModel

logger = logging.getLogger(__name__)


def prompt_embeds(
    model: SensorLanguageModel,
    batch: Batch,
    *,
    question: str | None = None,
    messages: Sequence[Message] | None = None,
    part: PromptPart = "all",
) -> list[Float[Tensor, "length width"]]:
    """Give the input embeddings of each window's prompt, without padding.

    In whole prompts are the chat template, the soft prompt and the signal tokens, so the engine
    must add nothing (for vLLM: its Completions API). Of the user's content alone, the engine must
    add the template (its Chat API; see `chat_requests`). Each tensor is in the LLM's type, on the
    CPU, contiguous, and owns its memory, so that `torch.save` writes these rows alone.

    Args:
        model: adapter and LLM.
        batch: windows, a batch or cached features.
        question: the template's `question`.
        messages: a whole conversation instead of the template's.
        part: `all` of each prompt, or the `user`'s content.

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
    vectors, mask, _ = model.embed(batch, question=question, messages=messages, part=part)
    if model.adapter.lora is not None:
        logger.warning(
            "this adapter changes the LLM by LoRA: give the engine its lora/ folder as well "
            "(vLLM: enable_lora=True and a LoRARequest)"
        )
    rows = zip(vectors.to(llm.dtype), mask.bool(), strict=True)
    return [row[real].cpu().clone() for row, real in rows]


def chat_requests(
    model: SensorLanguageModel,
    batch: Batch,
    *,
    question: str | None = None,
    messages: Sequence[Message] | None = None,
) -> list[dict[str, Any]]:
    """Give a body of vLLM's chat route for each window; the caller adds `model` and `max_tokens`.

    The user's content is a `prompt_embeds` part; a system message stays words. What OpenAI's
    client has no parameter for stands in `extra_body`.

    Args:
        model: adapter and LLM.
        batch: windows, a batch or cached features.
        question: the template's `question`.
        messages: a whole conversation instead of the template's.

    Raises:
        ModelError: as `prompt_embeds`, or the user's content is not all that the adapter learned.
    """
    features = model.features(batch)
    rows = prompt_embeds(model, features, question=question, messages=messages, part="user")
    contents = user_contents(model.build, features, question, messages)
    contents = contents * len(rows) if len(contents) == 1 else contents
    options = sampling(model)
    extra = {"stop_token_ids": options.pop("stop_token_ids"),
             "chat_template_kwargs": {"enable_thinking": False}}  # fmt: skip
    return [
        {
            "messages": [
                *(dict(message) for message in content.messages[:-1]),
                {"role": "user", "content": [{"type": "prompt_embeds", "data": encode_rows(row)}]},
            ],
            **options,
            "extra_body": extra,
        }
        for row, content in zip(rows, contents, strict=True)
    ]


def encode_rows(rows: Float[Tensor, "length width"]) -> str:
    """Write embeddings as vLLM reads them from JSON: a saved tensor in base64."""
    file = io.BytesIO()
    torch.save(rows, file)
    return base64.b64encode(file.getvalue()).decode()


def sampling(model: SensorLanguageModel) -> dict[str, Any]:
    """Give the options of vLLM's SamplingParams with which it answers as `generate` does.

    The first likeliest token each time, up to the end of the turn. Greedy answers of two engines
    may part where two tokens are equally likely within rounding.
    """
    return {"temperature": 0.0, "stop_token_ids": stop_ids(model.llm)}
