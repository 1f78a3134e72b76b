"""Run a study's cells: one process a core with one thread each, or on a ray cluster.

A finished cell is a JSON file and an npz file in OUT/cells. A cell whose files are there, and were
made by the same settings, is not run again: an interrupted study goes on where it was.
"""

import io
import json
import logging
import math
import multiprocessing
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.artefacts.atomic_write import sole_writer
from sensor2llm.artefacts.manifest import check_files, hash_files
from sensor2llm.errors import DataError, UserError
from sensor2llm.library_output import log_library_output
from sensor2llm.studies.config import StudyConfig
from sensor2llm.studies.data import mark, open_data
from sensor2llm.studies.grid import Cell, cells, check_cells, digest, stores_of
from sensor2llm.training.bar import counting_bar
from sensor2llm.training.ray_cluster import count_workers, ray_cluster
from sensor2llm.training.record import write_bytes, write_json

CELLS = "cells"
Answer = tuple[dict[str, Any], bytes]
Answers = Iterator[tuple[Cell, Answer | Exception]]
logger = logging.getLogger(__name__)


def run_study(study: StudyConfig) -> tuple[int, int]:
    """Run the cells that are not there yet; give how many there are, and how many were run now.

    Raises:
        UserError: a setting or a store that cannot be, before any cell is run; or a cell could not
            be run, after all others were.
    """
    check_cells(study)
    with sole_writer(study.out / CELLS):
        return _run_missing(study)


def _run_missing(study: StudyConfig) -> tuple[int, int]:
    for store in study.stores.values():
        open_data(store)
    wanted, marks = cells(study), dict[str, str]()
    left = [cell for cell in wanted if not is_done(study, cell, marks)]
    _tell_of_other_data(study, wanted, left)
    if left:
        _run(study, left, len(wanted))
    return len(wanted), len(left)


def _run(study: StudyConfig, left: Sequence[Cell], total: int) -> None:
    folder = study.out / CELLS
    log_library_output(study.out / "log.txt")
    engine = _on_ray if study.engine == "ray" else _local
    failed: list[tuple[Cell, Exception]] = []
    with counting_bar() as bar:
        task = bar.add_task(study.name, total=total, completed=total - len(left))
        for cell, answer in engine(study, left):
            if isinstance(answer, Exception):
                failed.append((cell, answer))
            else:
                _write(folder, cell, answer)
            bar.advance(task)
    if failed:
        _fail(failed, len(left))


def _fail(failed: Sequence[tuple[Cell, Exception]], count: int) -> None:
    """Name every cell that failed, and raise the first failure; ours in a line, others whole."""
    cell, error = failed[0]
    for other, its_error in failed[1:]:
        logger.error("%s: %s", other.key, " ".join(str(its_error).split()))
    if not isinstance(error, UserError):
        raise error
    raise DataError(
        f"{len(failed)} of {count} cells could not be run, the others are kept; {cell.key}: {error}"
    ) from error


def is_done(study: StudyConfig, cell: Cell, marks: dict[str, str] | None = None) -> bool:
    """Say whether a cell's result is there and was made by the same settings and windows.

    `marks` are fingerprints of stores (`data.mark`) that were asked before; others are put there.
    """
    record = _record(study, cell)
    # The first studies' cells bear no mark.
    unmarked = record is not None and record.get("data") is None
    return record is not None and (
        unmarked or record["data"] == _data(study, cell, {} if marks is None else marks)
    )


def _record(study: StudyConfig, cell: Cell) -> dict[str, Any] | None:
    """Read what a cell's result says, where it is whole and was made by the same settings."""
    path = study.out / CELLS / f"{cell.key}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        np.load(path.with_suffix(".npz"), allow_pickle=False).close()
        check_files(path.parent, record.get("files", {}), "cell", "run the study again")
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        return None
    fits = isinstance(record, dict) and record.get("digest") == digest(study, cell)
    return record if fits else None


def _tell_of_other_data(study: StudyConfig, wanted: Sequence[Cell], left: Sequence[Cell]) -> None:
    """Say how many finished cells are of other windows, and of how many that is not known."""
    if stale := sum(_record(study, cell) is not None for cell in left):
        logger.info("%d finished cells are of other data and are run again", stale)
    records = (_record(study, cell) for cell in wanted if cell not in left)
    if unmarked := sum(record is not None and record.get("data") is None for record in records):
        logger.warning(
            "%d finished cells do not say which data they are of and are taken as they are; "
            "delete them in %s to run them again", unmarked, study.out / CELLS,
        )  # fmt: skip


def _data(study: StudyConfig, cell: Cell, marks: dict[str, str]) -> dict[str, str]:
    """Give the marks of the stores that a cell's result follows from."""
    names = stores_of(study, cell)
    for name in names:
        if name not in marks:
            marks[name] = mark(study.stores[name])
    return {name: marks[name] for name in names}


def read_cells(study: StudyConfig) -> list[dict[str, Any]]:
    """Read the results that are there, in the study's order, with `predicted` and `rows` arrays."""
    records, marks = [], dict[str, str]()
    for cell in cells(study):
        if not is_done(study, cell, marks):
            continue
        path = study.out / CELLS / f"{cell.key}.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            records.append(record | {"rows": arrays["rows"], "predicted": arrays["predicted"]})
    if not records:
        raise DataError(f"'{study.out}' holds no finished cell of this study; run it first")
    return records


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
    record |= {"files": hash_files(folder, [f"{cell.key}.npz"])}
    write_json(folder / f"{cell.key}.json", record)


def _local(study: StudyConfig, left: Sequence[Cell]) -> Answers:
    workers = min(study.workers or os.cpu_count() or 1, len(left))
    if workers == 1:
        for cell in left:
            yield cell, _caught(partial(answer_of, study, cell))
        return
    # The children read this before they import torch; a thread each is what makes them add up.
    os.environ["OMP_NUM_THREADS"] = "1"
    context, before = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = {pool.submit(answer_of, study, cell): cell for cell in left}
        try:
            for future in as_completed(running):
                yield running[future], _caught(future.result)
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            # A cell that nobody waits for would run to its end first.
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            if isinstance(error, BrokenExecutor):
                raise DataError(
                    "a process was ended from outside, as happens where memory is short; run the "
                    "study again, with fewer --workers: finished cells are kept"
                ) from error
            raise


def _caught(give: Callable[[], Answer | UserError]) -> Answer | Exception:
    """Give a cell's answer, or why there is none; a pool that broke has none at all."""
    try:
        return give()
    except BrokenExecutor:
        raise
    except Exception as error:
        return error


def _on_ray(study: StudyConfig, left: Sequence[Cell]) -> Answers:
    """Fan cells out; results come back here; a lost machine's cells start again elsewhere."""
    # Processes elsewhere start in another folder.
    stores = {k: replace(v, path=v.path.resolve()) for k, v in study.stores.items()}
    cores = None if study.workers is None else math.ceil(study.workers * study.worker_cpus)
    request = {"CPU": study.worker_cpus}
    if study.worker_gpus is not None:
        request["GPU"] = study.worker_gpus
    with ray_cluster(cores, study.address) as ray:
        count_workers(ray, request)
        sent = ray.put(replace(study, stores=stores))
        asked = {"num_cpus": study.worker_cpus, "num_gpus": study.worker_gpus}
        run = ray.remote(**asked, max_retries=3)(answer_of)
        waiting = {run.remote(sent, cell): cell for cell in left}
        try:
            while waiting:
                ready, _ = ray.wait(list(waiting), num_returns=1)
                yield waiting.pop(ready[0]), _caught(partial(ray.get, ready[0]))
        finally:
            for unfinished in waiting:
                ray.cancel(unfinished)
