"""One family of errors that a person can act on; a verb prints one line and exits with code 2.

A message says what was given, what was expected and what to do, in the words the person typed.
"""

import logging
import sys
from collections.abc import Callable

from sensor2llm.library_output import StderrHandler, library_output


class UserError(ValueError):
    """Raise for input that the person who typed it can mend; the message is one line."""


class DataError(UserError):
    """Raise for recordings, tables, stores and splits that cannot be used as given."""


class SpecError(UserError):
    """Raise where channels, units, rates or axes do not fit; the message names both sides."""


class ConfigError(UserError):
    """Raise for an option or a recipe field that cannot be."""


class ArtefactError(UserError):
    """Raise for an adapter, encoder or checkpoint folder that is broken or does not fit."""


class TemplateError(UserError):
    """Raise for a prompt template that cannot be read or rendered."""


class ModelError(UserError):
    """Raise for a language model that cannot be loaded, or is not the one that is needed."""


def run_verb(main: Callable[[], int | None]) -> int:
    """Run a verb and turn its errors into exit codes.

    Returns:
        0 or what `main` returned; 2 after a `UserError`, a missing file or a full disk, with one
        line on stderr; 130 after Ctrl-C.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[StderrHandler()])
    try:
        with library_output():
            return main() or 0
    except (UserError, OSError) as error:
        line = " ".join(str(error).split())
        print(f"error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was saved so far is kept", file=sys.stderr)
        return 130
