"""Hundreds of malformed requests: each is written with an error object, none with a 500."""

import base64
import copy
import json
import random

import pytest

from tests.serving import served

MANY = 400
STRANGE = (
    None, True, False, 0, -1, 1, 3.5, 1e308, -1e-308, 10**40, "", " ", "x", "\u0000", "\ud800",
    "<|signal|>", "x" * 5000, [], {}, [[]], [{}], {"": {}}, [None], [[None]], [1, [2]], {"a": 1},
    {"a": []}, {"a": [1, None]}, {"a": ["x"]}, {"type": "sensor"}, {"type": "text"}, {"type": None},
)  # fmt: skip
PATHS = ("/v1/chat/completions", "/classify")


@pytest.fixture(scope="module")
def server():
    with served.client(body_mb=1, windows=64) as client:
        yield client


def well_formed() -> tuple[dict, ...]:
    small = {name: values[:140] for name, values in served.recording().items()}
    part = {"type": "sensor", "values": small, "units": "g", "number": 1, "columns": {}}
    rows = {"type": "sensor", "data": served.base64_rows(served.one_window()), "rate_hz": 50,
            "channels": list(served.one_window())}  # fmt: skip
    content = [part, rows, {"type": "text", "text": "What is he doing?"}]
    chat = {
        "model": served.ADAPTER,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": "not from the window: Ho"},
            {"role": "user", "content": content},
        ],
        "stream": False, "max_tokens": 2, "temperature": 0.0, "seed": 1, "n": 1,
    }  # fmt: skip
    return chat, {"model": served.ADAPTER, "overlap": 0.5, "values": small, "rate_hz": 50.0}


def places(value, path=()):
    """Give the path of every value of some JSON; of long lists, of the first few."""
    yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from places(entry, (*path, key))
    elif isinstance(value, list):
        for i, entry in enumerate(value[:4]):
            yield from places(entry, (*path, i))


def changed(body, generator: random.Random):
    """Put something strange into some places, leave one out, or give one another name."""
    body = copy.deepcopy(body)
    for _ in range(generator.randint(1, 2)):
        path = generator.choice(list(places(body))[1:])
        inner = body
        for key in path[:-1]:
            inner = inner[key]
        way = generator.random()
        if way < 0.7:
            inner[path[-1]] = copy.deepcopy(generator.choice(STRANGE))
        elif way < 0.85 or isinstance(inner, list):
            del inner[path[-1]]
        else:
            inner[generator.choice(("", "x", "type", "values"))] = inner.pop(path[-1])
    return body


def broken(text: bytes, generator: random.Random) -> bytes:
    """Cut, repeat or overwrite some bytes."""
    at = generator.randrange(len(text))
    bytes_ = generator.randbytes(generator.randint(1, 8))
    ways = (text[:at], text[:at] + bytes_ + text[at:], text[:at] + bytes_ + text[at + 8 :],
            text + text, bytes_, b"[" * 100_000, b'{"a":' * 50_000, b"1" * 10_000)  # fmt: skip
    return generator.choice(ways)


def check(response, caplog):
    assert response.status_code in (200, 400, 404, 405, 413, 415), response.text
    if response.status_code != 200:
        error = response.json()["error"]
        assert list(error) == ["message", "type", "param", "code"]
        assert 0 < len(error["message"]) <= 300
        assert error["message"].isprintable()
        assert error["type"] == "invalid_request_error"
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("seed", range(8))
def test_json_with_something_strange_in_it(server, seed, caplog):
    generator, bodies = random.Random(seed), well_formed()
    refused = 0
    for number in range(MANY // 8):
        body = changed(bodies[number % 2], generator)
        response = server.post(PATHS[number % 2], content=json.dumps(body).encode())
        check(response, caplog)
        refused += response.status_code != 200
    assert refused > MANY // 16


@pytest.mark.parametrize("seed", range(4))
def test_bytes_that_are_no_json(server, seed, caplog):
    generator = random.Random(seed)
    texts = [json.dumps(body).encode() for body in well_formed()]
    for number in range(25):
        content = broken(texts[number % 2], generator)
        check(server.post(PATHS[number % 2], content=content), caplog)


@pytest.mark.parametrize("seed", range(4))
def test_files_and_forms_that_are_broken(server, seed, caplog):
    generator = random.Random(seed)
    kinds = ("text/csv", "application/x-parquet", "multipart/form-data; boundary=b",
             "multipart/form-data", "text/\u00e9", "application/json", "")  # fmt: skip
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    form += served.csv_bytes()[:3000] + b"\r\n--b--\r\n"
    for number in range(25):
        content = broken(form if number % 2 else served.csv_bytes()[:3000], generator)
        head = {"content-type": generator.choice(kinds).encode("utf-8")}
        path = generator.choice(("/classify", "/v1/files"))
        check(server.post(path, content=content, headers=head), caplog)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "parquet", "npz"])
def test_uploaded_files_that_are_none(server, suffix, caplog):
    generator = random.Random(suffix)
    for content in (b"\x00", b"PAR1PAR1", b"PK\x03\x04", b"\x1f\x8b\x08", generator.randbytes(500)):
        file = server.post("/v1/files", files={"file": (f"a.{suffix}", content)}).json()
        check(server.post("/classify", json={"file_id": file["id"]}), caplog)
        assert base64.b64encode(content).decode() not in caplog.text
