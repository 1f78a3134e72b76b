"""One family of errors that a person can act on; a verb prints one line and exits with code 2.

A message says what was given, what was expected and what to do, in the words the person typed.
"""

import logging
import sys
from collections.abc import Callable, Iterable

from sensor2llm.library_output import StderrHandler, library_output

LONGEST_LINE = 300
"""Characters of a line that a verb writes where something cannot be."""


def one_line(error: BaseException | str, longest: int = LONGEST_LINE) -> str:
    """Give what an error says in one line that a terminal shows as it is.

    A long one keeps its two ends: what was given stands at the beginning, what to do at the end.
    """
    words = " ".join(str(error).split()) or type(error).__name__
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)
    if len(line) <= longest:
        return line
    end = longest // 3
    return f"{line[: longest - end - 3].rstrip()} … {line[-end:].lstrip()}"


class UserError(ValueError):
    """Raise for input that the person who typed it can mend.

    The message is one line that still fits behind `error: `.
    """

    def __str__(self) -> str:
        """Give the message, its middle left out where it is long."""
        return one_line(super().__str__(), LONGEST_LINE - len("error: "))


class DataError(UserError):
    """Raise for recordings, tables, stores and splits that cannot be used as given."""


class SpecError(UserError):
    """Raise where channels, units, rates or axes do not fit; the message names both sides."""


class ConfigError(UserError):
    """Raise for an option or a recipe field that cannot be."""


class ArtefactError(UserError):
    """Raise for an adapter, encoder or checkpoint folder that is broken or does not fit."""


class DiskFullError(UserError, OSError):
    """Raise where a disk has no room for what is written; the message names path and size."""


class TemplateError(UserError):
    """Raise for a prompt template that cannot be read or rendered."""


class ModelError(UserError):
    """Raise for a language model that cannot be loaded, or is not the one that is needed."""


def listed(names: Iterable[str], most: int = 10) -> str:
    """Write names one after the other, the first few of very many."""
    some = list(names)
    more = len(some) - most
    shown = ", ".join(one_line(name or "''", 60) for name in some[: most + (more == 1)])
    return f"{shown}, … ({more} more)" if more > 1 else shown


def run_verb(main: Callable[[], int | None]) -> int:
    """Run a verb and turn its errors into exit codes.

    Returns:
        0 or what `main` returned; 2 after a `UserError`, a missing file, a full disk or memory,
        with one line of at most 300 characters on stderr; 130 after Ctrl-C.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[StderrHandler()])
    try:
        with library_output():
            return main() or 0
    except UserError as error:
        print(one_line(f"error: {error}"), file=sys.stderr)
        return 2
    except OSError as error:
        place = f"cannot use {error.filename}: " if error.filename and error.strerror else ""
        print(one_line(f"error: {place}{error.strerror or error}"), file=sys.stderr)
        return 2
    except MemoryError as error:
        print(one_line(f"error: not enough memory ({error})"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was saved so far is kept", file=sys.stderr)
        return 130
