"""Spread an archive's parts over processes of a ray cluster; each loads the model once.

Ray starts a process that was ended again and repeats its parts. A part whose file is there is not
labelled again, so that a repeated part changes nothing.
"""

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from sensor2llm.adapter.files import find_adapter
from sensor2llm.archive import parts as archive_parts
from sensor2llm.archive.labelling import Labelling
from sensor2llm.archive.parts import ArchivePart, Engine, LabelPart, Outcomes, PartResult
from sensor2llm.errors import ConfigError, UserError
from sensor2llm.training.ray_cluster import check_request, count_workers, ray_cluster


def choose_engine(
    name: str,
    workers: int | None = None,
    address: str | None = None,
    worker_cpus: float | None = None,
    worker_gpus: float | None = None,
) -> Engine | None:
    """Give what spreads an archive's parts, or None for this process alone.

    Raises:
        ConfigError: what is ray's without ray, or what is no positive number.
    """
    of_ray: dict[str, Any] = {"workers": workers, "address": address}
    of_ray |= {"worker_cpus": worker_cpus, "worker_gpus": worker_gpus}
    if name != "ray":
        for option, value in of_ray.items():
            if value is not None:
                raise ConfigError(f"--{option.replace('_', '-')} is ray's; add --engine ray")
        return None
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be positive, got {workers}")
    check_request(worker_cpus, worker_gpus)
    return partial(on_ray, **of_ray)


def on_ray(
    labelling: Labelling,
    parts: Sequence[ArchivePart],
    folder: Path,
    *,
    workers: int | None = None,
    address: str | None = None,
    worker_cpus: float | None = None,
    worker_gpus: float | None = None,
) -> Outcomes:
    """Label parts on a cluster whose machines see the same files.

    Workers are as many as the machines have room for. Each has a GPU to itself by default, or a
    core where there is no GPU, and computes with as many threads as cores. Without the address of
    a cluster, one of our own is started on this machine.

    Raises:
        DataError: ray is not installed, or there is no cluster at the address.
        ConfigError: no machine has room for a worker.
    """
    if not parts:
        return
    cores = None if workers is None else math.ceil(workers * (worker_cpus or 1))
    with ray_cluster(cores, address) as ray:
        request = worker_request(ray.cluster_resources(), worker_cpus, worker_gpus)
        count = min(workers or len(parts), count_workers(ray, request), len(parts))
        # A worker that was ended is started again, and so is what it was at.
        worker = ray.remote(
            num_cpus=request.get("CPU", 0), num_gpus=request.get("GPU", 0),
            max_restarts=-1, max_task_retries=-1,
        )(_Worker)  # fmt: skip
        places = json.dumps([asdict(_placed(labelling)), str(folder.resolve())])
        idle = [worker.remote(places, archive_parts.label_part) for _ in range(count)]
        left, running = deque(parts), dict[Any, tuple[Any, ArchivePart]]()
        while left or running:
            while left and idle:
                one, part = idle.pop(), left.popleft()
                running[one.label.remote(part)] = one, part
            (done,), _ = ray.wait(list(running))
            one, part = running.pop(done)
            idle.append(one)
            yield part, ray.get(done)


def worker_request(
    resources: Mapping[str, float], cpus: float | None, gpus: float | None
) -> dict[str, float]:
    """Say what a worker has for itself: what is wanted, or a GPU, or a core where there is none.

    Args:
        resources: of the whole cluster.
        cpus: cores that are wanted.
        gpus: GPUs that are wanted.
    """
    if cpus is None and gpus is None:
        return {"GPU": 1} if resources.get("GPU") else {"CPU": 1}
    return {kind: number for kind, number in (("CPU", cpus), ("GPU", gpus)) if number is not None}


class _Worker:
    """Hold the model in a process of the cluster, and label parts there."""

    def __init__(self, places: str, label: LabelPart):
        labelling, folder = json.loads(places)
        self.labelling, self.folder, self.write = Labelling(**labelling), Path(folder), label
        self.fault: PartResult | None = None
        try:
            self.model = self.labelling.load()
        except (UserError, OSError) as error:
            # An error here would be taken for a lost process, and tried for ever.
            self.fault = PartResult(reason=" ".join(str(error).split()), kind="model")

    def label(self, part: ArchivePart) -> PartResult:
        """Label a part, or say why the model is not there."""
        return self.fault or self.write(self.model, part, self.labelling, self.folder)


def _placed(labelling: Labelling) -> Labelling:
    """Name folders in full: processes elsewhere start in another one."""
    adapter = str(find_adapter(labelling.adapter).resolve())
    llm = labelling.llm
    if llm is not None and Path(llm).exists():
        llm = str(Path(llm).resolve())
    return replace(labelling, adapter=adapter, llm=llm)
