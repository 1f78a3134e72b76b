"""A window's prompt as embeddings, for an engine that holds the base model."""

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from sensor2llm.llm.chat import check_plain
from sensor2llm.serving.http.host import ModelHost
from sensor2llm.serving.http.sensor_part import SensorPart, read_part
from sensor2llm.serving.prompt_embeddings import (
    chat_requests,
    encode_rows,
    prompt_embeds,
    sampling,
)
from sensor2llm.signals.window import Window


class EmbeddingsRequest(BaseModel):
    """Say which window's prompt is wanted: the user's content for a chat route, or all of it."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    sensor: SensorPart
    question: str | None = None
    part: Literal["all", "user"] = "user"


async def embed_prompt(host: ModelHost, wanted: EmbeddingsRequest, most: int) -> dict[str, Any]:
    """Give the body of another engine's request: its chat route, or its completions route.

    Raises:
        UserError: the window cannot be read, or embeddings do not hold all that the adapter does.
    """
    if wanted.question is not None:
        check_plain(wanted.question, "the question")
    read = await asyncio.to_thread(read_part, wanted.sensor, host.served.spec, host.shelf, most)
    request = await host.queue.do(_request, host, read.windows, wanted)
    llm = host.served.model.llm.name
    return {"object": "prompt_embeds", "model": host.served.name, "llm": llm, "part": wanted.part,
            "request": request, "notes": read.notes}  # fmt: skip


def _request(host: ModelHost, windows: list[Window], wanted: EmbeddingsRequest) -> dict[str, Any]:
    model, question = host.served.model, wanted.question
    if wanted.part == "user":
        (body,) = chat_requests(model, windows, question=question)
        return {**body, **body.pop("extra_body")}
    (rows,) = prompt_embeds(model, windows, question=question)
    return {"prompt_embeds": encode_rows(rows), **sampling(model)}
