"""The server under load, killed, and asked for what cannot be: beside `model.score` in one run.

python -m benchmarks.robustness.serving_load speed --adapter uci-har-bundled
python -m benchmarks.robustness.serving_load kills --requests 2000
python -m benchmarks.robustness.serving_load malformed --requests 10000
python -m benchmarks.robustness.serving_load memory --requests 50000

Clients, server and `model.score` are a process each, of one thread for computing; server and score
take turns, so that other work on the machine meets both. `pip install --group load`.
`cpu_ratio` compares the CPU seconds of the server's process a request with score's a window.
Each part stands under its own name in `benchmarks/results/serving_load.json`.
"""

import argparse
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.machine import record, write
from benchmarks.robustness.malformed_requests import MalformedRequest, malformed_requests
from benchmarks.robustness.server_process import ServerProcess

RESULT = Path("benchmarks/results/serving_load.json")
CLIENTS = (1, 8, 32)
WINDOWS, STEPS = 48, 128
QUESTION = "What is the person doing?"
KILLS = 10
PATIENCE_S, HUNG = 20.0, "no answer"
"""How long an answer to a malformed request may take, and what one is that takes longer."""
RECORDING = ("walking", "lying", "sitting", "standing")


class KnownWindows:
    """Hold simulated windows, bodies that ask about them, and what `model.score` says of each."""

    def __init__(self, adapter: str) -> None:
        import torch

        from sensor2llm.datasets.simulation.phone import simulate_columns
        from sensor2llm.serving.served_models import load_models
        from sensor2llm.signals.tables.data import data_windows

        torch.set_num_threads(1)
        self.model = load_models([adapter])[adapter].model
        bout_s = WINDOWS // len(RECORDING) * STEPS / 50
        columns = simulate_columns(*RECORDING, bout_s=bout_s)
        # Still windows are scaled up: what was rounded away shows in their probabilities.
        rounded = {name: values.astype(float).round(5) for name, values in columns.items()}
        self.windows = list(data_windows(rounded, self.model.adapter.spec).windows)
        self.columns = {
            name: values.tolist() for name, values in rounded.items() if name != "time_s"
        }
        self.scores = self.model.score(self.windows)

    def sensor(self, number: int) -> dict[str, Any]:
        """Give a window as a content part."""
        steps = slice(number * STEPS, (number + 1) * STEPS)
        values = {name: series[steps] for name, series in self.columns.items()}
        return {"type": "sensor", "values": values, "rate_hz": 50}

    def chat(self, number: int) -> dict[str, Any]:
        """Give the body of a question about a window."""
        content = [self.sensor(number), {"type": "text", "text": QUESTION}]
        return {"messages": [{"role": "user", "content": content}]}

    def write_cases(self, path: Path) -> None:
        """Write bodies with the answers that are right."""
        labels = self.model.adapter.label_names
        cases = [
            {"body": json.dumps(self.chat(number)), "label": labels[int(row.argmax())],
             "probability": float(row.max())}
            for number, row in enumerate(self.scores)
        ]  # fmt: skip
        path.write_text(json.dumps(cases))

    def time_score(self, seconds: float, batch: int = 32) -> tuple[int, float, float]:
        """Score batches for a while; give windows, seconds and CPU seconds."""
        windows, began, cpu = 0, time.monotonic(), time.process_time()
        while not windows or time.monotonic() - began < seconds:
            windows += len(self.model.score(self.windows[:batch]))
        return windows, time.monotonic() - began, time.process_time() - cpu


def clients(server: ServerProcess, cases: Path, *words: object) -> subprocess.Popen[str]:
    """Start clients."""
    run = [sys.executable, "-m", "benchmarks.robustness.serving_clients", server.address, cases]
    return subprocess.Popen([*map(str, (*run, *words))], stdout=subprocess.PIPE, text=True)


def answers(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for clients, and give what they counted."""
    text, _ = process.communicate()
    assert process.returncode == 0, process.returncode
    counted: dict[str, Any] = json.loads(text)
    return counted


def speed(adapter: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Ask by 1, 8 and 32 clients; score beside, before and after each."""
    known, server, cases = KnownWindows(adapter), ServerProcess(adapter, folder), folder / "cases"
    known.write_cases(cases)
    answers(clients(server, cases, "--clients", 8, "--requests", 40, "--seconds", 300))
    rows = []
    for count in CLIENTS:
        scored = [known.time_score(seconds / 4)]
        cpu = server.cpu_s
        row = answers(clients(server, cases, "--clients", count, "--seconds", seconds))
        cpu = server.cpu_s - cpu
        scored.append(known.time_score(seconds / 4))
        windows, wall_s, cpu_s = (sum(part) for part in zip(*scored, strict=True))
        row |= {
            "score_windows_per_s": windows / wall_s,
            "score_cpu_ms": 1000 * cpu_s / windows,
            "server_cpu_ms": 1000 * cpu / row["answered"],
        }
        row["ratio"] = row["requests_per_s"] / row["score_windows_per_s"]
        row["cpu_ratio"] = row["score_cpu_ms"] / row["server_cpu_ms"]
        rows.append(row)
    server.kill()
    return {"adapter": adapter, "seconds": seconds, "rows": rows}


def kills(adapter: str, requests: int, folder: Path, times: int = KILLS) -> dict[str, Any]:
    """Kill and restart the server while 8 clients ask; who is cut off asks again."""
    known, server, cases = KnownWindows(adapter), ServerProcess(adapter, folder), folder / "cases"
    known.write_cases(cases)
    words = ("--clients", 8, "--requests", requests, "--seconds", 900, "--retry")
    asking, killed = clients(server, cases, *words), 0
    while asking.poll() is None:
        if killed < times and server.answered >= requests // (times + 1):
            server.kill()
            server.start()
            killed += 1
        time.sleep(0.02)
    counted = answers(asking)
    server.kill()
    return {"adapter": adapter, "kills": killed, "tracebacks": _tracebacks(server), **counted}


def malformed(adapter: str, requests: int, folder: Path) -> dict[str, Any]:
    """Send what cannot be; memory is that after a tenth of the requests, and after all."""
    known, server = KnownWindows(adapter), ServerProcess(adapter, folder)
    rows = zip(*known.columns.values(), strict=True)
    csv = "\n".join([",".join(known.columns), *(",".join(map(str, row)) for row in rows)]).encode()
    classify = {"values": known.sensor(0)["values"], "rate_hz": 50.0, "overlap": 0.5}
    statuses: Counter[str] = Counter()
    memory, wrong = [], 0
    for number, request in enumerate(
        islice(malformed_requests(0, known.chat(0), classify, csv[:3000]), requests), 1
    ):
        status = send(server, request, number)
        statuses[status] += 1
        wrong += status == HUNG or (status.startswith("5") and status != "503")
        if number in (requests // 10, requests):
            memory.append(server.settled_memory_mib())
    alive = server.process.poll() is None
    server.kill()
    return {"adapter": adapter, "requests": requests, "statuses": dict(sorted(statuses.items())),
            "server_errors": wrong, "tracebacks": _tracebacks(server), "alive": alive,
            "memory_mib": memory, "growth": memory[-1] / memory[0] - 1}  # fmt: skip


def send(server: ServerProcess, request: MalformedRequest, number: int) -> str:
    """Send a request's bytes, some of them no HTTP; give the status, or that none came."""
    path = request.path.encode("latin-1", "replace").replace(b" ", b"%20")
    lines = [request.method.encode() + b" " + path + b" HTTP/1.1", b"host: here"]
    lines += [name.encode() + b": " + value for name, value in request.headers.items()]
    length = len(request.body)
    if number % 20 == 0:
        odd = (
            b"content-length: %d" % (length + 9),
            b"content-length: -1",
            b"\xff\x00: x",
            b"transfer-encoding: chunked",
            b"content-length: 9999999999999",
            b"no colon",
        )
        lines.append(odd[number // 20 % len(odd)])
    else:
        lines.append(b"content-length: %d" % length)
    head = b"\r\n".join([*lines, b"connection: close", b"", b""])
    first = b""
    with server.connect(PATIENCE_S) as there:
        with contextlib.suppress(OSError):  # it may have answered and closed before the end
            there.sendall(head + request.body)
            if number % 20 == 0:
                there.shutdown(socket.SHUT_WR)  # it may wait for more
        try:
            first = there.recv(1 << 16)
            while there.recv(1 << 16):
                pass
        except TimeoutError:
            return HUNG
        except OSError:
            pass
    match = re.match(rb"HTTP/1.1 (\d{3})", first)
    return match[1].decode() if match else "closed"


def memory(adapter: str, requests: int, folder: Path) -> dict[str, Any]:
    """Ask by 32 clients; memory is that after a fiftieth of the requests, and after all."""
    known, server, cases = KnownWindows(adapter), ServerProcess(adapter, folder), folder / "cases"
    known.write_cases(cases)
    used, answered = [], Counter[str]()
    for count in (requests // 50, requests - requests // 50):
        words = ("--clients", 32, "--requests", count, "--seconds", 900)
        counted = answers(clients(server, cases, *words))
        answered.update({name: counted[name] for name in ("answered", "wrong")})
        used.append(server.settled_memory_mib())
    server.kill()
    return {"adapter": adapter, "requests": requests, "memory_mib": used,
            "growth": used[1] / used[0] - 1, **answered}  # fmt: skip


def _tracebacks(server: ServerProcess) -> int:
    return server.log.read_text(errors="replace").count("Traceback")


@contextlib.contextmanager
def _one_thread() -> Iterator[Path]:
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("speed", "kills", "malformed", "memory"))
    parser.add_argument("--adapter", default="uci-har-bundled")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--out", type=Path, default=RESULT)
    options, started = parser.parse_args(), os.getloadavg()
    ways: dict[str, tuple[Callable[..., dict[str, Any]], Any]] = {
        "speed": (speed, options.seconds),
        "kills": (partial(kills, times=options.kills), options.requests),
        "malformed": (malformed, options.requests), "memory": (memory, options.requests),
    }  # fmt: skip
    way, size = ways[options.what]
    with _one_thread() as folder:
        result = record("robustness.serving_load", way(options.adapter, size, folder), started)
    known = json.loads(options.out.read_text()) if options.out.is_file() else {}
    name = f"speed, {options.adapter}" if options.what == "speed" else options.what
    write(known | {name: result}, options.out)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
