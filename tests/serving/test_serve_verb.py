"""`sensor2llm serve` as a process: it says where it is, and ends once what runs is written."""

import builtins
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from sensor2llm.serve import main
from tests.conftest import REPOSITORY
from tests.serving import served


@contextlib.contextmanager
def process(*words):
    """Start a server, and give it with its address and the lines that it said."""
    run = [sys.executable, "-m", "sensor2llm", "serve", served.ADAPTER, "--port", "0", *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(run, stderr=subprocess.PIPE, text=True, env=environment) as server:
        lines: list[str] = []
        try:
            while not lines or not lines[-1].startswith(("warning", "uploaded")):
                line = server.stderr.readline()
                assert line, lines
                lines.append(line.strip())
            (address,) = re.findall(r"at (http://\S+)", lines[0])
            yield server, address, lines
        finally:
            server.kill()


def post(address, body) -> dict:
    request = urllib.request.Request(f"{address}/v1/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def test_it_finishes_what_runs_and_ends_well():
    question = "Tell me a joke about sensors and people."
    reference = served.pipeline().ask(served.recording(), question, max_new_tokens=200)
    body = {"messages": [{"role": "user", "content": question}], "max_tokens": 200}
    with process() as (server, address, lines):
        assert lines == [
            f"serving {served.ADAPTER} at {address} (open it in a browser; Ctrl-C ends it)",
            "warning: no API key is asked for (--api-key-file): whoever is on this machine may "
            "use it",
        ]
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(post(address, body))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        while metric(address, "sensor2llm_requests_running") < 4:
            time.sleep(0.005)
        server.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.wait(60) == 0
        assert server.stderr.read() == "the server has ended; all that ran was answered\n"
    assert [one["choices"][0]["message"]["content"] for one in answers] == [reference.said] * 3


def metric(address, name) -> float:
    with urllib.request.urlopen(f"{address}/metrics", timeout=60) as response:
        text = response.read().decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])


def test_an_address_that_is_taken_is_one_line(capsys, monkeypatch):
    from sensor2llm.serving import served_models

    monkeypatch.setattr(served_models, "load_models", lambda *words, **options: served.models())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([served.ADAPTER, "--port", str(port)]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: cannot listen on 127.0.0.1 port {port} (")
    assert line.endswith("choose another --host or --port\n")
    assert main([served.ADAPTER, "--host", "nowhere.invalid"]) == 2
    assert "cannot listen on nowhere.invalid port 8000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "'nowhere'"),
        ([served.ADAPTER, "--queue", "0"], "queue must be positive, got 0"),
        ([served.ADAPTER, "--api-key-file", "nowhere.txt"], "nowhere.txt"),
        ([served.ADAPTER, served.ADAPTER], f"two adapters are called '{served.ADAPTER}'"),
    ],
)
def test_what_cannot_be_served_is_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch):
    real = builtins.__import__

    def without(name, *words, **settings):
        if name.partition(".")[0] in ("uvicorn", "fastapi"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *words, **settings)

    for name in [n for n in sys.modules if n.startswith("sensor2llm.serving.http.running")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    assert main([served.ADAPTER]) == 2
    said = capsys.readouterr().err
    assert said == "error: serve needs uvicorn: pip install 'sensor2llm[serve]'\n"


def test_who_may_use_it_and_where_files_stay_is_said(tmp_path):
    from sensor2llm.serving.http.config import ServerConfig
    from sensor2llm.serving.http.running import announcement

    keys = tmp_path / "keys.txt"
    keys.write_text("a-key\n")
    lines = announcement(served.models(), ServerConfig(host="::", api_key_file=keys), 1234)
    assert lines == [
        f"serving {served.ADAPTER} at http://[::]:1234 (open it in a browser; Ctrl-C ends it)"
    ]
    config = ServerConfig(host="0.0.0.0", files=tmp_path, files_hours=24)
    assert announcement(served.models(), config, 80)[1:] == [
        "warning: no API key is asked for (--api-key-file): WHOEVER REACHES IT may use it",
        f"uploaded files are kept in {tmp_path} for 24 hours",
    ]
