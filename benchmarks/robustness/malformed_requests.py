"""Requests to the server that are wrong in seeded ways: bodies, bytes, forms, headers, addresses.

    for request in islice(malformed_requests(0, chat, classify, csv), 10_000): ...

`chat` and `classify` are well-formed bodies, `csv` is a well-formed file.
"""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

STRANGE = (
    None, True, False, 0, -1, 1, 3.5, 1e308, -1e-308, 10**40, "", " ", "x", "\u0000", "\ud800",
    "<|signal|>", "x" * 5000, [], {}, [[]], [{}], {"": {}}, [None], [[None]], [1, [2]], {"a": 1},
    {"a": []}, {"a": [1, None]}, {"a": ["x"]}, {"type": "sensor"}, {"type": "text"}, {"type": None},
    "AAAA", "AAAAAAAA=", "//79/f==", "data:;base64,AAAA", "nan", "1e999", "file-0123456789abcdef",
)  # fmt: skip
KINDS = ("text/csv", "application/x-parquet", "multipart/form-data; boundary=b", "text/\u00e9",
         "multipart/form-data", "application/json", "text/tab-separated-values", "")  # fmt: skip
JSON_PATHS = ("/v1/chat/completions", "/classify", "/v1/prompt_embeds")
PATHS = ("/", "/nowhere", "/v1/models/%00", "/v1/models/\u00e9", "/v1/files/..%2f..%2fetc%2fpasswd",
         "/v1/files/file-1", "/v1/files/file-1/content", "/classify?overlap=nan", "/classify?x=1",
         "/classify?format=xml", "/classify?rate_hz=-1&units=%ff", "/health?" + "a" * 5000,
         "/v1/chat/completions/", "//", "/%2e%2e/%2e%2e", "/classify?overlap=1e308", "/metrics/x",
         "/openapi.json?a[]=1")  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE")
HEADERS = (("accept", "text/csv"), ("accept", "\u00ff" * 40), ("authorization", "Bearer"),
           ("authorization", "Basic \u00e9"), ("content-encoding", "gzip"), ("expect", "x"),
           ("range", "bytes=-1"), ("cookie", "a" * 4000), ("x-" + "y" * 200, ""),
           ("origin", "null"), ("if-modified-since", "never"))  # fmt: skip


class MalformedRequest(NamedTuple):
    """Hold a request that cannot be answered well, or hardly."""

    method: str
    path: str
    headers: dict[str, bytes]
    body: bytes


def malformed_requests(
    seed: int, chat: dict[str, Any], classify: dict[str, Any], csv: bytes
) -> Iterator[MalformedRequest]:
    """Give requests without end, the same for a seed."""
    generator = random.Random(seed)
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.%s"\r\n\r\n%s\r\n--b--'
    while True:
        way = generator.random()
        method, path, headers, body = "POST", generator.choice(JSON_PATHS), {}, b""
        well_formed = chat if "chat" in path else classify
        if "embeds" in path:
            well_formed = {"sensor": chat["messages"][-1]["content"][0], "question": "Hm?"}
        if way < 0.55:
            body = json.dumps(changed(well_formed, generator)).encode()
        elif way < 0.7:
            body = broken(json.dumps(well_formed).encode(), generator)
        elif way < 0.9:
            suffix = generator.choice((b"csv", b"csv.gz", b"tsv", b"parquet", b"npz", b"exe", b""))
            whole = csv if generator.random() < 0.5 else form % (suffix, csv)
            path, body = generator.choice(("/classify", "/v1/files")), broken(whole, generator)
            headers["content-type"] = generator.choice(KINDS).encode()
        else:
            method, path = generator.choice(METHODS), generator.choice(PATHS)
            body = generator.randbytes(generator.choice((0, 0, 10, 1000)))
        if generator.random() < 0.15:
            name, value = generator.choice(HEADERS)
            headers[name] = value.encode()
        yield MalformedRequest(method, path, headers, body)


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Give the path of every value of some JSON; of long lists, of the first few."""
    yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from places(entry, (*path, key))
    elif isinstance(value, list):
        for i, entry in enumerate(value[:4]):
            yield from places(entry, (*path, i))


def changed(body: dict[str, Any], generator: random.Random) -> dict[str, Any]:
    """Put something strange into some places, leave one out, or give one another name."""
    body = copy.deepcopy(body)
    for _ in range(generator.randint(1, 2)):
        path = generator.choice(list(places(body))[1:] or [("x",)])
        inner: Any = body
        for key in path[:-1]:
            inner = inner[key]
        way = generator.random()
        if way < 0.7 or path == ("x",):
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
