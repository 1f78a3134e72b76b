"""What libraries print stays away from a person's terminal; a run's log file has it.

    with library_output():
        ...                          only what this package prints reaches the terminal
        log_library_output(path)     from here on, and from before, in this file

A library speaks by Python warnings, by loggers, by print, and from C by writing to descriptor 2.
"""

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

OURS = {"sensor2llm", "tokenization_study", "benchmarks", "__main__"}
# What these write is what our code gave them.
INSTRUMENTS = {"rich", "jsonargparse"} | set(sys.stdlib_module_names)
STDERR = 2

logger = logging.getLogger(__name__)


def is_first_process() -> bool:
    """Say whether this process speaks for those that a launcher started together."""
    return os.environ.get("RANK", "") in ("", "0")


def print_result(text: str) -> None:
    """Print what came out, once where several processes were launched together."""
    if is_first_process():
        print(text)


class StderrHandler(logging.StreamHandler[TextIO]):
    """Write log lines to what is standard error now, not when the handler was made.

    Of processes that were launched together the first one speaks; the others write errors only.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what the first process says."""
        is_said = is_first_process() or record.levelno >= logging.ERROR
        return is_said and bool(super().filter(record))

    @property
    def stream(self) -> TextIO:
        """Give standard error."""
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        pass


class _Sieve(io.TextIOBase):
    """A text stream that lets through what our code writes; the rest goes to the library's file."""

    def __init__(self, terminal: TextIO, held: TextIO):
        self.terminal, self.held = terminal, held

    def write(self, text: str) -> int:
        return (self.terminal if _is_ours() else self.held).write(text)

    def flush(self) -> None:
        self.terminal.flush()

    def isatty(self) -> bool:
        return self.terminal.isatty()

    def fileno(self) -> int:
        return self.terminal.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.terminal.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.terminal.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)  # buffer, reconfigure, …


class _Held:
    """The file that takes what libraries print, and what stood in its place before."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile(  # noqa: SIM115  `end` closes it
            "w+", encoding="utf-8", errors="replace", buffering=1
        )
        self.path: Path | None = None
        sys.stderr.flush()
        self.descriptor = os.dup(STDERR)
        os.dup2(self.file.fileno(), STDERR)
        self.streams, self.show = (sys.stdout, sys.stderr), warnings.showwarning
        self.own = _stream_of(sys.stderr, self.descriptor)
        sys.stdout, sys.stderr = _Sieve(sys.stdout, self.file), _Sieve(self.own, self.file)
        warnings.showwarning = self._warn

    def _warn(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        self.file.write(warnings.formatwarning(message, category, filename, lineno, line))

    def text(self) -> str:
        """Give what was held so far."""
        self.file.flush()
        size = os.fstat(self.file.fileno()).st_size
        return os.pread(self.file.fileno(), size, 0).decode("utf-8", "replace")

    def write_to(self, path: Path) -> None:
        """Go on in a file, which gets what was held so far."""
        if path == self.path:
            return
        text = "" if self.path else self.text()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            self.file.flush()
            os.dup2(file.fileno(), self.file.fileno())
            os.dup2(file.fileno(), STDERR)
        self.path = path

    def end(self) -> None:
        """Give everything back its place."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        (sys.stdout, sys.stderr), warnings.showwarning = self.streams, self.show
        os.dup2(self.descriptor, STDERR)
        os.close(self.descriptor)
        if self.path is None and (text := self.text()):
            logger.debug("libraries printed: %s", text)
        self.file.close()


_current: _Held | None = None


@contextlib.contextmanager
def library_output() -> Iterator[None]:
    """Hold back what libraries print until the block ends; within another such block, nothing."""
    global _current
    if _current is not None:
        yield
        return
    _current = _Held()
    try:
        yield
    finally:
        held, _current = _current, None
        held.end()


def log_library_output(path: Path) -> None:
    """Let a run's log file have what libraries print; outside `library_output`, nothing is held."""
    if _current is not None:
        _current.write_to(path)


def _stream_of(stream: TextIO, descriptor: int) -> TextIO:
    """Give a stream that goes where standard error went, whatever its descriptor now is."""
    try:
        direct = stream.fileno() == STDERR
    except (OSError, ValueError):  # a stream in memory
        direct = False
    if not direct:
        return stream
    return open(
        descriptor, "w", encoding=stream.encoding, errors="backslashreplace", buffering=1,
        closefd=False,
    )  # fmt: skip


def _is_ours() -> bool:
    """Say whether our code, or an instrument in its hands, is what writes."""
    frame = sys._getframe(2)
    # Ray puts a function of its own in the place of print.
    replaced = getattr(print, "__code__", None)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if name not in INSTRUMENTS and frame.f_code is not replaced:
            return name in OURS
        frame = frame.f_back  # type: ignore[assignment]
    return True
