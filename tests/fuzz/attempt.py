"""One input through one reader: what came of it, within the budget of time and memory."""

import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor2llm.errors import LONGEST_LINE, UserError, one_line

LONGEST_S = 10
MOST_BYTES = 1 << 30
KINDS = ("data", "line", "traceback", "hang", "memory", "long line", "silent loss")
FAILURES = KINDS[2:]


@dataclass(frozen=True)
class FuzzResult:
    """What came of an input: one of KINDS, and where it went wrong."""

    kind: str
    detail: str = ""


class HungError(BaseException):
    """Raised by the alarm: no reader catches it."""


def attempt(reader: Callable[[Path], str], folder: Path) -> FuzzResult:
    """Read a folder; whatever is raised is told, never passed on."""
    before = _bytes_of("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    try:
        with _alarm(), _memory_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lost = reader(folder)
        result = FuzzResult("silent loss", lost) if lost else FuzzResult("data")
    except HungError as error:
        result = FuzzResult("hang", _place(error))
    except (UserError, OSError) as error:
        result = _of_line(error)
    except MemoryError as error:
        result = FuzzResult("memory", f"MemoryError at {_place(error)}")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        text = f"{type(error).__name__}: {one_line(error, 120)} at {_place(error)}"
        result = FuzzResult("traceback", text)
    used = _bytes_of("VmHWM") - before
    if used > MOST_BYTES:
        return FuzzResult("memory", f"{used >> 20} MiB")
    return result


def _of_line(error: BaseException) -> FuzzResult:
    line = f"error: {error if isinstance(error, UserError) else one_line(error, 290)}"
    if len(line) > LONGEST_LINE or "\n" in line or not line.isprintable():
        return FuzzResult("long line", f"{len(line)} characters at {_place(error)}")
    return FuzzResult("line")


@contextmanager
def _alarm() -> Iterator[None]:
    def hang(*_: Any) -> None:
        raise HungError

    previous = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _place(error: BaseException) -> str:
    """Name the last lines of this repository, and the last line at all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and "/tests/" not in f.filename]
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in [*own[-2:], frames[-1]]]
    return " < ".join(dict.fromkeys(reversed(places)))


def _bytes_of(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10


@contextmanager
def _memory_limit() -> Iterator[None]:
    """Let this process have no more than a bit above the budget beyond what it has now."""
    size = _bytes_of("VmSize") + MOST_BYTES + (64 << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
