"""Hundreds of malformed requests: each is written with an error object, none with a 500."""

import base64
import random
from collections import Counter
from itertools import islice

import pytest

from benchmarks.robustness.malformed_requests import malformed_requests
from tests.serving import served


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


def check(response, caplog, method="POST"):
    assert response.status_code in (200, 400, 404, 405, 413, 415), response.text
    if response.status_code != 200 and method != "HEAD":
        error = response.json()["error"]
        assert list(error) == ["message", "type", "param", "code"]
        assert 0 < len(error["message"]) <= 300
        assert error["message"].isprintable()
        assert error["type"] == "invalid_request_error"
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("seed", range(12))
def test_requests_that_are_wrong_somewhere(server, seed, caplog):
    requests = malformed_requests(seed, *well_formed(), served.csv_bytes()[:3000])
    statuses = Counter()
    for method, path, headers, body in islice(requests, 50):
        # As a server gives it on; what is no header's text, clients do not send.
        response = server.request(method, path, headers=headers, content=body)
        check(response, caplog, method)
        statuses[response.status_code] += 1
    assert statuses[400] > 20


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "parquet", "npz"])
def test_uploaded_files_that_are_none(server, suffix, caplog):
    generator = random.Random(suffix)
    for content in (b"\x00", b"PAR1PAR1", b"PK\x03\x04", b"\x1f\x8b\x08", generator.randbytes(500)):
        file = server.post("/v1/files", files={"file": (f"a.{suffix}", content)}).json()
        check(server.post("/classify", json={"file_id": file["id"]}), caplog)
        assert base64.b64encode(content).decode() not in caplog.text
