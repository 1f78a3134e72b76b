"""The app: every route in a few lines.

    app = create_app(load_models(["uci-har-bundled"]), ServerConfig())

Any ASGI server runs it; `running` does with uvicorn.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from sensor2llm.errors import ConfigError
from sensor2llm.serving.http.api_error import ApiError, JSONBody, handle_errors
from sensor2llm.serving.http.batching import BatchQueue, WorkerThread
from sensor2llm.serving.http.bodies import read_json, read_upload
from sensor2llm.serving.http.chat import ChatAnswer
from sensor2llm.serving.http.config import ServerConfig
from sensor2llm.serving.http.embeddings import EmbeddingsRequest, embed_prompt
from sensor2llm.serving.http.files import FileShelf
from sensor2llm.serving.http.guards import Guards
from sensor2llm.serving.http.host import ModelHost
from sensor2llm.serving.http.labelling import (
    label_recording,
    read_classify_request,
    wants_csv,
)
from sensor2llm.serving.http.messages import ChatRequest
from sensor2llm.serving.http.metrics import CONTENT_TYPE, ServerMetrics
from sensor2llm.serving.memory import keep_returning_memory
from sensor2llm.serving.notes import listening
from sensor2llm.serving.page.assets import add_page
from sensor2llm.serving.page.windows import WindowRequest, show_window
from sensor2llm.serving.served_models import ServedModel, choose_model, describe_adapter


def create_app(
    models: Mapping[str, ServedModel], config: ServerConfig, *, warm_up: bool = False
) -> FastAPI:
    """Build the server of some adapters.

    Args:
        models: by the name that requests say.
        config: what it allows.
        warm_up: hear a whole batch of nothing before the first request is answered.
    """
    metrics, thread = ServerMetrics(), WorkerThread()
    shelf = FileShelf(config.files, config.files_hours * 3600, config.files_bytes)
    hosts = {name: _host(thread, served, shelf, config, metrics) for name, served in models.items()}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with listening():
            for served in models.values() if warm_up else ():
                await thread.do(served.warm_up, config.batch_size)
            returning = asyncio.create_task(keep_returning_memory())
            yield
            returning.cancel()
        thread.close()

    # Its pages about itself would load scripts from elsewhere.
    hidden = {"docs_url": None, "redoc_url": None}
    app = FastAPI(title="sensor2llm", lifespan=lifespan, redirect_slashes=False, **hidden)
    handle_errors(app)
    app.add_middleware(Guards, config=config, keys=config.read_keys(), metrics=metrics)
    _add_status(app, hosts, metrics)
    _add_answers(app, hosts, config)
    _add_files(app, shelf, config)
    add_page(app)
    return app


def _host(
    thread: WorkerThread,
    served: ServedModel,
    shelf: FileShelf,
    config: ServerConfig,
    metrics: ServerMetrics,
) -> ModelHost:
    observe = metrics.batches.labels(served.name).observe
    queue = BatchQueue(thread, served.answerer, config.batch_size, observe)
    return ModelHost(served, queue, shelf, metrics.tokens.labels(served.name).inc)


def _choose(hosts: Mapping[str, ModelHost], name: str | None) -> ModelHost:
    """Find the adapter that a request names.

    Raises:
        ApiError: there is none of that name, or several and none is named.
    """
    try:
        return hosts[choose_model({n: host.served for n, host in hosts.items()}, name).name]
    except ConfigError as error:
        raise ApiError(str(error), status=404, code="model_not_found", param="model") from None


def _add_status(app: FastAPI, hosts: Mapping[str, ModelHost], metrics: ServerMetrics) -> None:
    started = int(time.time())

    def model_object(host: ModelHost) -> dict[str, Any]:
        name = host.served.name
        about = describe_adapter(name, host.served.folder) | {"abstain": host.served.abstain}
        return {"id": name, "object": "model", "created": started, "owned_by": "sensor2llm",
                "sensor2llm": about}  # fmt: skip

    @app.get("/health")
    async def health() -> Response:
        return JSONBody({"status": "ok", "models": list(hosts)})

    @app.get("/metrics")
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/v1/models")
    async def list_models() -> Response:
        return JSONBody({"object": "list", "data": [model_object(host) for host in hosts.values()]})

    @app.get("/v1/models/{name}")
    async def show_model(name: str) -> Response:
        return JSONBody(model_object(_choose(hosts, name)))


def _add_answers(app: FastAPI, hosts: Mapping[str, ModelHost], config: ServerConfig) -> None:
    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        wanted = await read_json(request, ChatRequest)
        host = _choose(hosts, wanted.model)
        answer = ChatAnswer(host, wanted, config.new_tokens, config.windows)
        pieces = answer.pieces()
        if wanted.stream:
            # The first piece comes before the status: what cannot be is no stream.
            first = await anext(pieces, "")
            events = answer.events(first, pieces)
            return StreamingResponse(events, media_type="text/event-stream")
        return JSONBody(answer.body("".join([piece async for piece in pieces])))

    @app.post("/classify")
    async def classify(request: Request) -> Response:
        as_csv = wants_csv(request)
        wanted, own_shelf = await read_classify_request(request, config.body_bytes)
        host = _choose(hosts, wanted.model)
        shelf = own_shelf or host.shelf
        return await label_recording(host, wanted, shelf, config.windows, as_csv=as_csv)

    @app.post("/window")
    async def window(request: Request) -> Response:
        wanted = await read_json(request, WindowRequest)
        host = _choose(hosts, wanted.model)
        return JSONBody(await show_window(host, wanted, config.windows))

    @app.post("/v1/prompt_embeds")
    async def embeddings(request: Request) -> Response:
        wanted = await read_json(request, EmbeddingsRequest)
        host = _choose(hosts, wanted.model)
        return JSONBody(await embed_prompt(host, wanted, config.windows))


def _add_files(app: FastAPI, shelf: FileShelf, config: ServerConfig) -> None:
    @app.post("/v1/files")
    async def upload(request: Request) -> Response:
        form = await read_upload(request, config.body_bytes)
        add = partial(shelf.add, form.filename, form.content, form.fields.get("purpose", ""))
        return JSONBody((await asyncio.to_thread(add)).to_dict())

    @app.get("/v1/files")
    async def list_files() -> Response:
        data = [entry.to_dict() for entry in shelf.entries()]
        return JSONBody({"object": "list", "data": data, "has_more": False})

    @app.get("/v1/files/{file_id}")
    async def show_file(file_id: str) -> Response:
        return JSONBody(shelf.get(file_id).to_dict())

    @app.get("/v1/files/{file_id}/content")
    async def file_content(file_id: str) -> Response:
        return Response(shelf.content(file_id), media_type="application/octet-stream")

    @app.delete("/v1/files/{file_id}")
    async def delete_file(file_id: str) -> Response:
        return JSONBody({"id": shelf.delete(file_id).id, "object": "file", "deleted": True})
