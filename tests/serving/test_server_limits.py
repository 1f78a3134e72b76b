"""Keys, sizes and queues: who may ask, how much, and what is counted."""

import gzip
import json
import socket
import threading
import time

import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.serving.http.config import ServerConfig
from tests.serving import served
from tests.serving.served import ask, events, sensor


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "keys.txt"
    path.write_text("# of the lab\nfirst-key\n\n second-key \n")
    return path


def test_a_key_is_wanted_everywhere_but_for_health(key_file):
    with served.client(api_key_file=key_file) as server:
        assert server.get("/health").status_code == 200
        for path in ("/v1/models", "/metrics", "/v1/files", "/nowhere"):
            response = server.get(path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.json()["error"]["code"] == "invalid_api_key"
            assert response.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer first-key", 200),
        ("bearer second-key", 200),
        ("Bearer third-key", 401),
        ("Bearer # of the lab", 401),
        ("Bearer ", 401),
        ("Basic first-key", 401),
        ("first-key", 401),
    ],
)
def test_one_of_the_keys_will_do(key_file, header, status):
    with served.client(api_key_file=key_file) as server:
        response = server.get("/v1/models", headers={"authorization": header})
        assert response.status_code == status


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# none\n\n", "holds no key"),
        ("a b\n", "key 1 has blanks"),
        ("ok\nß\n", "key 2 has blanks"),
    ],
)
def test_a_file_of_keys_is_looked_at(tmp_path, text, words):
    path = tmp_path / "keys.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        ServerConfig(api_key_file=path).read_keys()
    for wrong in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match=f"{wrong} is no file; write one with an API key"):
            ServerConfig(api_key_file=wrong).read_keys()


def test_a_large_body_is_not_read():
    with served.client(body_mb=0.01) as server:
        for content in (b"x" * 20_000, iter([b"x" * 10_000] * 2)):
            response = server.post("/v1/chat/completions", content=content)
            assert response.status_code == 413
            assert response.json()["error"]["code"] == "too_large"
            assert "larger than 0.01 MB" in response.json()["error"]["message"]


def test_a_body_that_does_not_come_is_not_waited_for():
    with served.running(body_s=0.2) as address:
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as there:
            there.sendall(b"POST /classify HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\n{")
            answer = b""
            while block := there.recv(4096):
                answer += block
    assert answer.startswith(b"HTTP/1.1 408")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == {
        "message": "the request did not arrive within 0.2 s; send it in pieces, or over a faster "
        "network",
        "type": "invalid_request_error",
        "param": None,
        "code": "too_slow",
    }


def test_an_answer_may_take_longer_than_its_question(monkeypatch):
    answerer = served.models()[served.ADAPTER].answerer
    hear_all = answerer.hear_all

    def wait_and_hear(windows):
        time.sleep(0.5)
        return hear_all(windows)

    monkeypatch.setattr(answerer, "hear_all", wait_and_hear)
    part = sensor(values=served.one_window(), rate_hz=50)
    with served.client(body_s=0.3) as server:
        assert ask(server, "What is it?", part).status_code == 200
        assert events(ask(server, "What is it?", part, stream=True))


def test_no_more_than_so_many_requests_wait(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    answerer = served.models()[served.ADAPTER].answerer
    hear_all = answerer.hear_all

    def wait_and_hear(windows):
        begun.set()
        assert go_on.wait(30)
        return hear_all(windows)

    monkeypatch.setattr(answerer, "hear_all", wait_and_hear)
    part = sensor(values=served.one_window(), rate_hz=50)
    with served.client(queue=1) as server:
        answers = []
        first = threading.Thread(target=lambda: answers.append(ask(server, "What is it?", part)))
        first.start()
        assert begun.wait(30)
        response = ask(server, "What is it?", part)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert response.json()["error"]["message"].startswith("1 requests wait already")
        assert server.get("/health").status_code == 200
        go_on.set()
        first.join()
        assert answers[0].status_code == 200
        assert ask(server, "What is it?", part).status_code == 200


def metric(server, line: str) -> float:
    (value,) = [
        text.rsplit(" ", 1)[1]
        for text in server.get("/metrics").text.splitlines()
        if text.startswith(line + " ")
    ]
    return float(value)


def test_what_is_answered_is_counted_by_route():
    with served.client() as server:
        ask(server, "What is it?", sensor(values=served.one_window(), rate_hz=50))
        ask(server, "")
        server.get("/made/up/address")
        server.get("/v1/files/file-1")
        counted = 'sensor2llm_requests_total{route="/v1/chat/completions",status="%d"}'
        assert metric(server, counted % 200) == 1
        assert metric(server, counted % 400) == 1
        assert metric(server, 'sensor2llm_requests_total{route="other",status="404"}') == 1
        of_file = 'sensor2llm_requests_total{route="/v1/files/{file_id}",status="404"}'
        assert metric(server, of_file) == 1
        of_model = f'{{model="{served.ADAPTER}"}}'
        assert metric(server, f"sensor2llm_batch_windows_count{of_model}") == 1
        assert metric(server, f"sensor2llm_generated_tokens_total{of_model}") == 6
        assert metric(server, "sensor2llm_requests_running") == 1  # this very one


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "there is no /nowhere here; /openapi.json lists what there is"),
        ("GET", "/v1/models/", 404, "there is no /v1/models/ here"),
        ("GET", "/v1/files/a/b", 404, "there is no /v1/files/a/b here"),
        ("GET", "/v1/chat/completions", 405, "/v1/chat/completions takes POST, got GET"),
        ("PUT", "/classify", 405, "/classify takes POST, got PUT"),
    ],
)
def test_what_is_not_there_is_an_error_object(method, path, status, words):
    with served.client() as server:
        response = server.request(method, path)
        assert response.status_code == status
        error = response.json()["error"]
        assert (error["type"], error["message"][: len(words)]) == ("invalid_request_error", words)


def test_a_compressed_body_is_refused_and_not_guessed_at():
    body, head = gzip.compress(b'{"values": {}}'), {"content-encoding": "gzip"}
    with served.client() as server:
        response = server.post("/classify", content=body, headers=head)
        assert response.status_code == 415
        assert response.json()["error"]["message"].startswith("cannot read a body in 'gzip'")


def test_a_bug_is_an_error_object_and_stands_in_the_log(monkeypatch, caplog):
    answerer = served.models()[served.ADAPTER].answerer
    monkeypatch.setattr(answerer, "hear_all", lambda windows: 1 / 0)
    with served.client() as server:
        response = ask(server, "Hm?", sensor(values=served.one_window(), rate_hz=50))
    assert response.status_code == 500
    assert response.json()["error"] == {
        "message": "the server met a bug; its log says where",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "limit", ["queue", "windows", "new_tokens", "body_mb", "body_s", "files_hours"]
)
def test_a_limit_is_positive(limit):
    with pytest.raises(ConfigError, match=f"{limit} must be positive, got 0"):
        ServerConfig(**{limit: 0})


def test_a_port_is_one():
    with pytest.raises(ConfigError, match="port must be from 0 to 65535, got 70000"):
        ServerConfig(port=70_000)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("192.168.1.2", False), ("::", False), ("example.org", False)],
)  # fmt: skip
def test_a_loopback_is_known(host, local):
    assert ServerConfig(host=host).is_local is local
