"""A server of the bundled adapter in this process, and a recording to ask about."""

import functools
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from fastapi.testclient import TestClient

import sensor2llm
from sensor2llm.datasets.simulation.phone import simulate_columns
from sensor2llm.serving.served_models import load_models

ADAPTER = "uci-har-bundled"


@functools.cache
def models():
    return load_models([ADAPTER])


@functools.cache
def abstaining_models(risk):
    """Give the same model, whose labels may be unknown."""
    return {name: replace(served, abstain=risk) for name, served in models().items()}


@functools.cache
def pipeline() -> sensor2llm.SensorPipeline:
    return sensor2llm.SensorPipeline(models()[ADAPTER].model)


@functools.cache
def recording() -> dict[str, list[float]]:
    """Give 12 s of walking, then 12 s of lying, as columns with a time."""
    columns = simulate_columns("walking", "lying", bout_s=12)
    return {name: [round(float(v), 5) for v in values] for name, values in columns.items()}


def one_window(first: int = 0) -> dict[str, list[float]]:
    columns = {name: values for name, values in recording().items() if name != "time_s"}
    return {name: values[first : first + 128] for name, values in columns.items()}


def csv_bytes() -> bytes:
    rows = zip(*recording().values(), strict=True)
    lines = [",".join(recording()), *(",".join(map(str, row)) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def client(abstain=None, **limits):
    """Give a client of a server with these limits; errors of ours are answers, not raised."""
    from sensor2llm.serving.http.application import create_app
    from sensor2llm.serving.http.config import ServerConfig

    app = create_app(
        models() if abstain is None else abstaining_models(abstain), ServerConfig(**limits)
    )
    return TestClient(app, raise_server_exceptions=False)


@contextmanager
def running(served_models=None, **limits):
    """Serve on the loopback, and give the address."""
    import uvicorn

    from sensor2llm.serving.http.application import create_app
    from sensor2llm.serving.http.config import ServerConfig
    from sensor2llm.serving.limited_http import limited_http

    config = ServerConfig(**limits)
    app = create_app(served_models or models(), config)
    options = {"http": limited_http(config.body_s), "log_config": None, "log_level": "warning"}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def sensor(**fields):
    return {"type": "sensor", **fields}


def ask(client, question, *parts, **options):
    """Ask about sensor parts in one user message."""
    content = [*parts, {"type": "text", "text": question}]
    body = {"messages": [{"role": "user", "content": content}], **options}
    return client.post("/v1/chat/completions", json=body)


def events(response) -> list:
    """Read server-sent events."""
    lines = [line for line in response.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def base64_rows(columns) -> str:
    import base64

    rows = np.array(list(columns.values()), dtype="<f4").T
    return base64.b64encode(rows.tobytes()).decode()
