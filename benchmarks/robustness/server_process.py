"""A server in a process of its own: started, asked how it is, and killed."""

import atexit
import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

from sensor2llm.serving.memory import EVERY_S

COUNT = r'^sensor2llm_requests_total{route="/v1/chat/completions",status="200"} (\S+)$'


class ServerProcess:
    """Hold a running server, the port that it has again after a kill, and what it logged."""

    def __init__(self, adapter: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.adapter, self.log = adapter, folder / "log"
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        run = [sys.executable, "-m", "sensor2llm", "serve", self.adapter, "--port", str(self.port)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(run, stderr=log)
        atexit.register(self.process.kill)
        while True:
            with contextlib.suppress(OSError), self.connect() as there:
                there.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                if there.recv(64):
                    return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    def connect(self, patience_s: float = 120.0) -> socket.socket:
        """Give a connection, and how long each answer may take."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=patience_s)

    def kill(self) -> None:
        """End it as a loss of power does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def answered(self) -> int:
        """Count the questions that it answered since it started."""
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=120) as response:
            counted = re.search(COUNT, response.read().decode(), re.MULTILINE)
        return int(float(counted[1])) if counted else 0

    @property
    def cpu_s(self) -> float:
        """Give the CPU seconds that it took so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def settled_memory_mib(self) -> float:
        """Give its resident memory, once it gave back what it does not need."""
        time.sleep(1.5 * EVERY_S)
        return psutil.Process(self.process.pid).memory_info().rss / 2**20
