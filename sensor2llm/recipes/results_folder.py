"""Where an evaluation keeps its results: with what is one's own, else in a folder beside the work.

A released, installed, tracked or read-only folder is never written to by itself; `--out` names it
where that is wanted.
"""

import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sensor2llm.artefacts import manifest
from sensor2llm.artefacts.atomic_write import update_folder
from sensor2llm.errors import ConfigError
from sensor2llm.tasks.config import EvaluationConfig

logger = logging.getLogger(__name__)
ELSEWHERE = Path("runs/evaluation")


@dataclass(frozen=True, kw_only=True)
class ResultsFolder:
    """Name a folder for results; `own` is that of what is measured, whose card is written again."""

    path: Path
    own: bool
    why: str = ""

    @contextmanager
    def update(self) -> Iterator[Path]:
        """Give an empty folder whose files are kept together; say where once they are."""
        with update_folder(self.path) as part:
            yield part
            names = ", ".join(sorted(path.name for path in part.iterdir()))
        logger.info("kept in %s: %s%s", self.path, names, self.why)


def results_folder(config: EvaluationConfig, folder: Path) -> ResultsFolder | None:
    """Choose and check the folder of the results, before anything is computed.

    Returns:
        The folder; None where results are only printed (other people than the test people).
    """
    if config.out is None and config.split != "test":
        return None
    reason = "" if config.out else _not_ours(config.adapter, folder)
    out = config.out or (ELSEWHERE / folder.resolve().name if reason else folder)
    there = next(path for path in (out, *out.resolve().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ConfigError(f"cannot write results to '{out}': '{there}' is no folder to write to")
    why = f" ('{folder.name}' is {reason}; --out names another folder)" if reason else ""
    return ResultsFolder(path=out, own=out.resolve() == folder.resolve(), why=why)


def _not_ours(name: str, folder: Path) -> str:
    """Say why a folder is not written to; empty where it is the user's own."""
    if _is_released(folder):
        return "a released one"
    if not Path(name).expanduser().is_dir():
        return "of the hub"
    if not os.access(folder, os.W_OK):
        return "read-only"
    return "tracked by git" if _tracked(folder, manifest.MANIFEST) else ""


def _is_released(folder: Path) -> bool:
    """Say whether it lies among the released ones; in a clone what git does not track is ours."""
    released = manifest.released_folder().resolve()
    if not folder.resolve().is_relative_to(released):
        return False
    is_clone = _tracked(released, f"*/{manifest.MANIFEST}")
    return not is_clone or _tracked(folder, manifest.MANIFEST)


def _tracked(folder: Path, files: str) -> bool:
    """Say whether git tracks any of these files below a folder."""
    command = ["git", "-C", str(folder), "ls-files", "--", files]
    try:
        return bool(subprocess.run(command, capture_output=True, timeout=10).stdout)
    except (OSError, subprocess.TimeoutExpired):  # no git here: nothing is tracked
        return False
