"""What arrives over a connection: heads have an end, and what is no request is refused."""

import asyncio
import contextlib
import http.client
import json
import re
import socket
import time

import pytest

from sensor2llm.serving.http.config import ServerConfig
from sensor2llm.serving.http.running import _listen
from sensor2llm.serving.limited_http import MOST_HEAD
from tests.serving import served

HEAD = b"POST /classify HTTP/1.1\r\nhost: here\r\nconnection: close\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\n{}\n\r\n"
TOO_LARGE = {
    "message": "a request's address and headers may have 64 KiB; send what is larger in the body",
    "type": "invalid_request_error",
    "param": None,
    "code": "too_large",
}


@pytest.fixture(scope="module")
def port():
    with served.running() as address:
        yield int(address.rpartition(":")[2])


def answers(port, *parts) -> list[tuple[int, dict]]:
    """Send parts until the server closes; give each answer's status and JSON."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as there:
        text = b""
        with contextlib.suppress(OSError):  # it may close before it has read all
            for part in parts:
                there.sendall(part)
        with contextlib.suppress(ConnectionResetError):
            while block := there.recv(1 << 16):
                text += block
    heads = re.split(rb"HTTP/1\.1 (?=\d)", text)[1:]
    return [(int(one[:3]), json.loads(one.partition(b"\r\n\r\n")[2])) for one in heads]


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD + b"a: " + b"x" * MOST_HEAD + b"\r\n\r\n"],
        [b"GET /" + b"x" * MOST_HEAD + b" HTTP/1.1\r\nhost: here\r\n\r\n"],
        [HEAD + b"a: b\r\n" * MOST_HEAD + b"\r\n"],
        [HEAD + b"a: ", *[b"x" * 50_000] * 8],
        [HEAD, *[b"a: b\r\n" * 8_000] * 8],
        [b"GET /", *[b"x" * 50_000] * 8],
        [b"\r\n" * 25_000] * 8,
        [CHUNKED + b"0\r\n", *[b"a: b\r\n" * 8_000] * 8],
        [CHUNKED + b"0\r\na: ", *[b"x" * 50_000] * 8],
        [CHUNKED + b"3;", *[b"x" * 50_000] * 8],
    ],
    ids=["header", "address", "many headers", "endless header", "endless headers",
         "endless address", "endless lines", "endless trailers", "endless trailer",
         "endless chunk"],
)  # fmt: skip
def test_what_is_no_body_has_an_end(port, parts):
    assert answers(port, *parts) == [(431, {"error": TOO_LARGE})]


def test_a_head_may_be_large_and_a_body_larger(port):
    head = HEAD + b"a: " + b"x" * (MOST_HEAD - 1000) + b"\r\ncontent-length: 400000\r\n\r\n"
    ((status, body),) = answers(port, head + b" " * 400_000)
    assert status == 400
    assert "EOF while parsing" in body["error"]["message"]


def test_a_body_may_come_in_many_small_pieces(port):
    ((status, body),) = answers(port, CHUNKED + b"1\r\n \r\n" * 20_000 + b"0\r\na: b\r\n\r\n")
    assert status == 400
    assert body["error"]["message"].startswith("a recording needs one of values, data and file_id")


def test_what_follows_a_body_is_no_header(port):
    """A header there would have passed whoever looked at the head."""
    kind = b"0\r\ncontent-type: image/png\r\n\r\n"
    ((status, body),) = answers(port, CHUNKED + kind)
    assert (status, body["error"]["code"]) == (400, "config_error")


def test_requests_over_one_connection_are_answered_in_turn(port):
    one, end = b"GET /health HTTP/1.1\r\nhost: here\r\n", b"connection: close\r\n\r\n"
    parts = [(one + b"\r\n") * 2, one + end]
    assert [status for status, _ in answers(port, *parts)] == [200] * 3


def test_an_upgrade_is_refused_where_its_body_would_be_lost(port):
    upgrade = b"connection: upgrade\r\nupgrade: h2c\r\n"
    asks = b"GET /health HTTP/1.1\r\nhost: here\r\nconnection: close\r\n"
    assert answers(port, asks + upgrade + b"\r\n")[0][0] == 200
    ((status, body),) = answers(port, HEAD + upgrade + b"content-length: 2\r\n\r\n{}")
    assert (status, body["error"]["code"]) == (400, "upgrade")
    assert body["error"]["message"] == (
        "this server speaks HTTP/1.1 only; send the request without an upgrade header"
    )


@pytest.mark.parametrize(
    "lines",
    [b"content-length: -1", b"no colon", b"\xff\x00: x", b"content-length: 2\r\n" * 2,
     b"content-length: 2\r\ntransfer-encoding: chunked"],
)  # fmt: skip
def test_what_is_no_http_is_a_line_of_text(port, lines):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as there:
        there.sendall(HEAD + lines + b"\r\n\r\n")
        text = b""
        while block := there.recv(1 << 16):
            text += block
    assert text.startswith(b"HTTP/1.1 400 ")
    assert text.endswith(b"Invalid HTTP request received.")


@pytest.fixture(scope="module")
def hasty():
    with served.running(body_s=1.0) as address:
        yield int(address.rpartition(":")[2])


def drip(there, data: bytes) -> bytes:
    """Send a byte every tenth of a second until the server closes; give what it said."""
    there.settimeout(0.1)
    text, bytes_left = b"", iter(data)
    while True:
        try:
            block = there.recv(4096)
        except TimeoutError:
            there.sendall(bytes([next(bytes_left)]))
        except ConnectionResetError:
            return text
        else:
            if not block:
                return text
            text += block


@pytest.mark.parametrize("before", [b"", b"GET /health HTTP/1.1\r\nhost: here\r\n\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(hasty, before):
    with socket.create_connection(("127.0.0.1", hasty)) as there:
        there.sendall(before)
        text = drip(there, HEAD + b"a: " + b"x" * 300)
    *_, answer = re.split(rb"HTTP/1\.1 (?=\d)", text)
    assert answer.startswith(b"408 Request Timeout\r\nconnection: close\r\n")
    assert text.count(b"HTTP/1.1 200") == bool(before)
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["code"] == "too_slow"
    assert error["message"].startswith("the request did not arrive within 1 s")


@pytest.mark.parametrize(
    ("sent", "dripped"),
    [
        (b"", b"\r\n" * 150),
        (b"GET /health HTTP/1.1\r\nhost: here\r\n\r\n", b"\r\n" * 150),
        (b"GET /health HTTP/1.1\r\nhost: here\r\ncontent-length: 300\r\n\r\n", b"x" * 300),
    ],
    ids=["no request", "after an answer", "a body that nobody reads"],
)
def test_what_is_no_head_holds_no_connection(hasty, sent, dripped):
    with socket.create_connection(("127.0.0.1", hasty)) as there:
        there.sendall(sent)
        text = drip(there, dripped)
    assert text.count(b"HTTP/1.1 ") == text.count(b"HTTP/1.1 200") == bool(sent)


def test_a_connection_may_be_idle_for_longer_than_a_head_may_take(hasty):
    connection = http.client.HTTPConnection("127.0.0.1", hasty, timeout=30)
    connection.connect()
    connected = connection.sock
    for pause_s in (0, 1.5, 1.5):
        time.sleep(pause_s)
        connection.request("GET", "/health")
        assert json.loads(connection.getresponse().read())["status"] == "ok"
        assert connection.sock is connected
    connection.close()


def test_a_slow_head_of_the_next_request_waits_for_an_answer_under_way(hasty, monkeypatch):
    answerer = served.models()[served.ADAPTER].answerer
    hear_all = answerer.hear_all

    def wait_and_hear(windows):
        time.sleep(2)
        return hear_all(windows)

    monkeypatch.setattr(answerer, "hear_all", wait_and_hear)
    body = json.dumps({"values": served.one_window(), "rate_hz": 50}).encode()
    first = b"POST /classify HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"
    first += b"content-length: %d\r\n\r\n" % len(body)
    ((status, _), (refused, error)) = answers(hasty, first + body + b"GET / HTTP/1.1\r\n")
    assert (status, refused, error["error"]["code"]) == (200, 408, "too_slow")


def test_an_answer_does_not_wait_for_the_receipt_of_its_head():
    async def connect(listener):
        delays = asyncio.get_running_loop().create_future()

        def look(reader, writer):
            option = socket.IPPROTO_TCP, socket.TCP_NODELAY
            delays.set_result(not writer.get_extra_info("socket").getsockopt(*option))
            writer.close()

        async with await asyncio.start_server(look, sock=listener) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.close()
            return await delays

    with _listen(ServerConfig(port=0)) as listener:
        assert asyncio.run(connect(listener)) is False
