"""Spread an archive's parts over processes of a ray cluster; each loads the model once.

Ray starts a process that was ended again and repeats its parts. A part whose file is there is not
labelled again, so that a repeated part changes nothing.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.adapter.files import find_adapter
from sensor2llm.archive import parts as archive_parts
from sensor2llm.archive.labelling import Labelling
from sensor2llm.archive.parts import ArchivePart, Engine, LabelPart, Outcomes, PartResult
from sensor2llm.errors import ConfigError, UserError
from sensor2llm.training.ray_cluster import ray_cluster

# More blocks than this cost ray more than the parts that are repeated after a kill.
MOST_BLOCKS = 4096


def choose_engine(name: str, workers: int | None, address: str | None) -> Engine | None:
    """Give what spreads an archive's parts, or None for this process alone.

    Raises:
        ConfigError: workers or an address without ray, or no positive number of workers.
    """
    if name != "ray":
        if workers is not None or address is not None:
            raise ConfigError("--workers and --address are ray's; add --engine ray")
        return None
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be positive, got {workers}")
    return partial(on_ray, workers=workers, address=address)


def on_ray(
    labelling: Labelling,
    parts: Sequence[ArchivePart],
    folder: Path,
    *,
    workers: int | None = None,
    address: str | None = None,
) -> Outcomes:
    """Label parts on a cluster whose machines see the same files.

    Workers are one a GPU by default, or one a core where there is none. Without the address of a
    cluster, one of our own is started on this machine.

    Raises:
        DataError: ray is not installed, or there is no cluster at the address.
    """
    if not parts:
        return
    with ray_cluster(workers, address) as ray:
        gpus, cores = (int(ray.cluster_resources().get(kind, 0)) for kind in ("GPU", "CPU"))
        most = gpus or max(cores, 1)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False  # the driver has one
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        places = json.dumps([asdict(_placed(labelling)), str(folder.resolve())])
        blocks = min(len(parts), MOST_BLOCKS)
        done = ray.data.from_items(list(range(len(parts))), override_num_blocks=blocks).map_batches(
            _Worker,
            fn_constructor_args=[places, list(parts), archive_parts.label_part],
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(workers or most, most, len(parts))),
            num_gpus=1 if gpus else None,
            num_cpus=None if gpus else 1,
        )
        for row in done.iter_rows():
            yield parts[row["part"]], PartResult(**json.loads(row["outcome"]))


class _Worker:
    """Hold the model in a process of the cluster; `ray.data` calls it with a part's number."""

    def __init__(self, places: str, parts: list[ArchivePart], label: LabelPart):
        labelling, folder = json.loads(places)
        self.labelling, self.folder = Labelling(**labelling), Path(folder)
        self.parts, self.label = parts, label
        self.fault: PartResult | None = None
        try:
            self.model = self.labelling.load()
        except (UserError, OSError) as error:
            # An error here would be taken for a lost process, and tried for ever.
            self.fault = PartResult(reason=" ".join(str(error).split()), kind="model")

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        number = int(batch["item"][0])
        outcome = self.fault or self.label(
            self.model, self.parts[number], self.labelling, self.folder
        )
        return {"part": [number], "outcome": [json.dumps(asdict(outcome))]}


def _placed(labelling: Labelling) -> Labelling:
    """Name folders in full: processes elsewhere start in another one."""
    adapter = str(find_adapter(labelling.adapter).resolve())
    llm = labelling.llm
    if llm is not None and Path(llm).exists():
        llm = str(Path(llm).resolve())
    return replace(labelling, adapter=adapter, llm=llm)
