"""The Dockerfile's own steps in an empty folder, where no container can be built.

    python -m benchmarks.robustness.container_steps FOLDER --python /usr/bin/python3.11

The build's lines are read from the Dockerfile and run with FOLDER as their root, in an environment
that has nothing but a Python; then the entry point is started as the image's user, asked about a
window with a key and without, and told to end. What needs an image is left out: the base itself,
and the user's entry in it. `--python` is one that the image's user may run.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from sensor2llm.datasets.simulation.phone import simulate_columns

REPOSITORY = Path(__file__).resolve().parents[2]
PLACES = ("/source", "/wheels", "/opt/sensor2llm", "/home/sensor2llm", "/run/secrets/api_keys")
KEY, PORT, EVERYWHERE, ENOUGH_S = "a-key", "8000", "0.0.0.0", 120.0
PASSED_ON = ("LANG", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="is made")
    parser.add_argument("--python", default="python3")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True)
    subprocess.run([options.python, "-m", "venv", folder / "base"], check=True)
    steps = ContainerSteps(folder)
    for step, text in instructions((REPOSITORY / "Dockerfile").read_text(encoding="utf-8")):
        steps.take(step, text)
    print(steps.serve())


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Give a Dockerfile's instructions with what stands behind each."""
    plain = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    for line in filter(None, map(str.strip, plain.splitlines())):
        step, _, rest = line.partition(" ")
        yield step, rest


class ContainerSteps:
    """Take a Dockerfile's instructions in a folder that stands for the image's root.

    Args:
        folder: with the environment `base`, in which nothing but a Python is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.stage, self.user = folder, 0, 0
        self.entry: list[str] = []
        self.at = folder
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self.variables = {**passed, **pip, "HOME": str(folder / "home/sensor2llm"),
                          "PATH": f"{folder}/base/bin:/usr/bin:/bin"}  # fmt: skip
        (folder / "home/sensor2llm/.cache").mkdir(parents=True)

    def inside(self, text: str) -> str:
        """Put the folder before the image's own places."""
        places = "|".join(map(re.escape, PLACES))
        return re.sub(rf"(?<![\w.])(?:{places})(?![\w.])", rf"{self.folder}\g<0>", text)

    def take(self, step: str, text: str) -> None:
        """Take one instruction; of the second stage, what the running server needs of it."""
        if step == "FROM":
            self.stage += 1
        elif step in ("ARG", "ENV"):
            for pair in shlex.split(self.inside(text)):
                name, _, value = pair.partition("=")
                self.variables[name] = value.replace("$PATH", self.variables["PATH"])
        elif step == "WORKDIR":
            self.at = Path(self.inside(text))
            self.at.mkdir(parents=True, exist_ok=True)
        elif step == "USER":
            self.user = int(text)
        elif step in ("ENTRYPOINT", "CMD"):
            self.entry += json.loads(self.inside(text))
        elif step in ("COPY", "RUN") and self.stage == 1:
            {"COPY": self._copy, "RUN": self._run}[step](text)

    def _copy(self, text: str) -> None:
        *names, target = text.split()
        for name in names:
            place, source = self.at / target, REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, place)

    def _run(self, text: str) -> None:
        print(f"RUN {text[:80]}", flush=True)
        subprocess.run(self.inside(text), shell=True, cwd=self.at, env=self.variables, check=True)

    def serve(self) -> str:
        """Start the server as the image does, ask it, and end it; say how it went."""
        keys = self.folder / "run/secrets/api_keys"
        keys.parent.mkdir(parents=True)
        keys.write_text(f"{KEY}\n")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        moved = {PORT: str(port), EVERYWHERE: "127.0.0.1"}
        words = [moved.get(word, word) for word in self.entry]
        if user := self.user if os.getuid() == 0 else 0:
            for place in [self.at, *self.at.rglob("*")]:
                os.chown(place, user, user)
        run = subprocess.Popen(words, cwd=self.at, env=self.variables, user=user or None)
        try:
            status = {key: self._ask(run, port, key) for key in (KEY, "another")}
        finally:
            run.terminate()
        ended = run.wait(ENOUGH_S)
        assert (status[KEY][0], status["another"][0], ended) == (200, 401, 0), (status, ended)
        return f"as user {user or os.getuid()}: {status[KEY][1]}; another key: 401; SIGTERM: 0"

    def _ask(self, run: subprocess.Popen[bytes], port: int, key: str) -> tuple[int, str]:
        """Ask about a window, once the server is there."""
        columns = simulate_columns("walking", bout_s=3)
        values = {
            name: list(map(float, v[:128])) for name, v in columns.items() if name != "time_s"
        }
        content = [{"type": "sensor", "values": values, "rate_hz": 50},
                   {"type": "text", "text": "What is the person doing?"}]  # fmt: skip
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            json.dumps({"messages": [{"role": "user", "content": content}]}).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {key}"},
        )
        until = time.monotonic() + ENOUGH_S
        while time.monotonic() < until and run.poll() is None:
            try:
                with urllib.request.urlopen(request, timeout=ENOUGH_S) as response:
                    choice = json.load(response)["choices"][0]
                    return response.status, choice["message"]["content"]
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()
            except urllib.error.URLError:
                time.sleep(0.5)
        return 0, f"no server; it ended with {run.poll()}"


if __name__ == "__main__":
    main()
