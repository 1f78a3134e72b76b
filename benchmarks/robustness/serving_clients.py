"""People who ask a server about windows whose labels they know: locust, in a process of its own.

python -m benchmarks.robustness.serving_clients ADDRESS CASES.json --clients 32 --seconds 30

The file holds bodies of requests, each with the label and the probability that are right. A request
that dies with the server is asked again. One JSON object on stdout.
"""

import argparse
import itertools
import json
import math
import socket
import time
from pathlib import Path
from typing import ClassVar

import gevent
from geventhttpclient.connectionpool import ConnectionPool
from locust import FastHttpUser, task
from locust.env import Environment

CLOSE = 0.03
"""How far a probability may be off: a batch's rounding depends on who is in it."""


def send_at_once(pool: ConnectionPool, to: socket.socket) -> None:
    """Let a request's body follow its head: else the system waits 40 ms for the head's receipt."""
    to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


ConnectionPool.after_connect = send_at_once
COUNTS = ("answered", "wrong", "refused", "died", "repeated")


class Asker(FastHttpUser):
    """Ask about one window after the other, and look at each answer."""

    cases: tuple[dict, ...] = ()
    route = "/v1/chat/completions"
    retry = False
    turns = itertools.count()
    ids: ClassVar[list[str]] = []
    seconds: ClassVar[list[float]] = []
    counts: ClassVar[dict[str, int]] = dict.fromkeys(COUNTS, 0)

    @task
    def ask(self) -> None:
        """Ask about a window until it is answered."""
        case = self.cases[next(Asker.turns) % len(self.cases)]
        while not self._is_answered(case):
            gevent.sleep(0.2)
            self.counts["repeated"] += 1

    def _is_answered(self, case: dict) -> bool:
        headers, began = {"content-type": "application/json"}, time.monotonic()
        with self.client.post(
            self.route, data=case["body"], headers=headers, catch_response=True
        ) as response:
            if not response.status_code:
                self.counts["died"] += 1
                response.failure("died")
                return not self.retry
            if response.status_code != 200:
                self.counts["refused"] += 1
                response.failure(response.text[:200])
                return True
            try:
                answer = response.json()
            except ValueError:  # the server died after the head of its answer
                self.counts["died"] += 1
                response.failure("cut off")
                return not self.retry
            window = (answer.get("sensor2llm") or answer)["windows"][0]
            right = window["label"] == case["label"]
            right = right and abs(window["probability"] - case["probability"]) < CLOSE
            self.counts["answered"] += 1
            self.counts["wrong"] += not right
            self.ids.append(answer.get("id", ""))
            self.seconds.append(time.monotonic() - began)
            response.success()
            return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("cases", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--requests", type=int, default=0, help="end after so many answers")
    parser.add_argument("--route", default=Asker.route)
    parser.add_argument("--retry", action="store_true")
    options = parser.parse_args()
    Asker.cases = tuple(json.loads(options.cases.read_text()))
    Asker.route, Asker.retry, Asker.host = options.route, options.retry, options.address
    runner = Environment(user_classes=[Asker]).create_local_runner()
    began = time.monotonic()
    runner.start(options.clients, spawn_rate=options.clients)
    with gevent.Timeout(options.seconds, False):
        while not options.requests or Asker.counts["answered"] < options.requests:
            gevent.sleep(0.05)
    lasted_s, times = time.monotonic() - began, sorted(Asker.seconds) or [0.0]
    result = {
        "clients": options.clients,
        "requests_per_s": Asker.counts["answered"] / lasted_s,
        "median_ms": 1000 * times[len(times) // 2],
        "p99_ms": 1000 * times[math.ceil(0.99 * len(times)) - 1],
        **Asker.counts,
        "ids_twice": len(Asker.ids) - len({*Asker.ids}),
    }
    runner.quit()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
