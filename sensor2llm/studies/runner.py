"""Run a study's cells: one process a core with one thread each, or on a ray cluster.

A finished cell is a JSON file and an npz file in OUT/cells. A cell whose files are there, and were
made by the same settings, is not run again: an interrupted study goes on where it was.
"""

import io
import json
import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sensor2llm.errors import DataError, UserError
from sensor2llm.studies.config import StudyConfig
from sensor2llm.studies.grid import Cell, cells, digest
from sensor2llm.training.record import write_bytes, write_json

CELLS = "cells"
Answer = tuple[dict[str, Any], bytes]
logger = logging.getLogger(__name__)


def run_study(study: StudyConfig) -> tuple[int, int]:
    """Run the cells that are not there yet.

    Returns:
        How many cells there are, and how many of them were run now.

    Raises:
        UserError: a cell could not be run; the others are, and stay.
    """
    wanted = cells(study)
    left = [cell for cell in wanted if not is_done(study, cell)]
    folder = study.out / CELLS
    folder.mkdir(parents=True, exist_ok=True)
    engine = _on_ray if study.engine == "ray" else _local
    failed: list[UserError] = []
    with _bar() as bar:
        task = bar.add_task(study.name, total=len(wanted), completed=len(wanted) - len(left))
        for cell, answer in engine(study, left):
            if isinstance(answer, UserError):
                failed.append(answer)
                logger.error("%s: %s", cell.key, answer)
            else:
                _write(folder, cell, answer)
            bar.advance(task)
    if failed:
        raise failed[0]
    return len(wanted), len(left)


def is_done(study: StudyConfig, cell: Cell) -> bool:
    """Say whether a cell's result is there and was made by the same settings."""
    path = study.out / CELLS / f"{cell.key}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return record.get("digest") == digest(study, cell) and path.with_suffix(".npz").is_file()


def read_cells(study: StudyConfig) -> list[dict[str, Any]]:
    """Read the results that are there, in the study's order, with `predicted` and `rows` arrays.

    Raises:
        DataError: there is none.
    """
    found = []
    for cell in cells(study):
        if not is_done(study, cell):
            continue
        path = study.out / CELLS / f"{cell.key}.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            found.append(record | {"rows": arrays["rows"], "predicted": arrays["predicted"]})
    if not found:
        raise DataError(f"'{study.out}' holds no finished cell of this study; run it first")
    return found


def answer_of(study: StudyConfig, cell: Cell) -> Answer | UserError:
    """Run one cell in this process; what a person can mend comes back as a value."""
    import torch

    from sensor2llm.studies.cell import run_cell

    torch.set_num_threads(1)
    try:
        result = run_cell(study, cell)
    except UserError as error:
        return error
    arrays = io.BytesIO()
    np.savez_compressed(arrays, rows=result.rows, predicted=result.predicted)
    return result.record, arrays.getvalue()


def _write(folder: Path, cell: Cell, answer: Answer) -> None:
    """Write the arrays first: a cell is finished when its JSON file is there."""
    record, arrays = answer
    write_bytes(folder / f"{cell.key}.npz", arrays)
    write_json(folder / f"{cell.key}.json", record)


def _local(study: StudyConfig, left: Sequence[Cell]) -> Iterator[tuple[Cell, Answer | UserError]]:
    workers = min(study.workers or os.cpu_count() or 1, max(len(left), 1))
    if workers == 1:
        for cell in left:
            yield cell, answer_of(study, cell)
        return
    # The children read this before they import torch; a thread each is what makes them add up.
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = {pool.submit(answer_of, study, cell): cell for cell in left}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _on_ray(study: StudyConfig, left: Sequence[Cell]) -> Iterator[tuple[Cell, Answer | UserError]]:
    """Fan cells out; results come back here and are written here.

    A cell whose machine is lost is started again by ray on another.

    Raises:
        DataError: ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise DataError("engine ray needs ray: pip install 'sensor2llm[ray]'") from error
    if not ray.is_initialized():
        ray.init(address=study.address, num_cpus=None if study.address else study.workers,
                 log_to_driver=False, include_dashboard=False, logging_level="error")  # fmt: skip
    run = ray.remote(num_cpus=1, max_retries=3)(answer_of)
    waiting = {run.remote(study, cell): cell for cell in left}
    try:
        while waiting:
            ready, _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(ready[0]), ray.get(ready[0])
    finally:
        ray.shutdown()


def _bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
