"""Part `joint`: one adapter over several data sets against one adapter each.

The data sets differ in sensors, rates, window lengths and labels. They stand side by side in one
store (`prepare joined`), each is heard by its own frozen encoder, and the encoders are joined to
one: the sensors of the other data sets are missing sensors. A label text that two sets share is one
label. At use, a window is given one of its own data set's labels. Every bridge takes as many steps
on a data set as any other. The one adapter is saved like any (`OUT/all-LLM-adapter`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from research.llm_ablation.judged import difference, fit_probe, judge, kept
from research.llm_ablation.training import Bench, chunks, train
from sensor2llm.errors import DataError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.sources import BatchSource
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.side_by_side import union_modalities

PROBE = "one head each, no LLM"
ANY = 1_000_000
"""More windows than a part has: of the joined store, all are at hand."""


def write_joined(stores: Mapping[Path, SplitConfig], path: Path) -> Path:
    """Put stores side by side in a store at `path`, each with its split, unless it is there."""
    if not (path / "store.json").is_file():
        opened = [WindowStore.open(store) for store in stores]
        reading = union_modalities(opened, list(stores.values()))
        WindowStore.write(
            path,
            reading.spec,
            reading.windows,
            label_names=reading.label_names,
            published=reading.published,
            source=reading.source,
            parts=reading.parts,
        )
    return path


@dataclass(eq=False)
class Together:
    """Several data sets in one store, and each alone.

    Args:
        bench: the joined store, with all its windows and the joined encoder.
        benches: the data sets alone, by the names that they have in the joined store.

    Raises:
        DataError: the joined store is of other data sets, or has them in another order.
    """

    bench: Bench
    benches: Mapping[str, Bench]

    def __post_init__(self) -> None:
        parts, names = list(self.bench.store.parts), list(self.benches)
        if parts != names:
            raise DataError(f"the joined store holds {parts}, expected {names}; prepare it again")
        lengths = [len(bench.store) for bench in self.benches.values()]
        starts = np.cumsum([0, *lengths[:-1]]).tolist()
        self._first = dict(zip(self.benches, starts, strict=True))

    def source(self, name: str, part: str) -> BatchSource:
        """Give the windows that a data set alone has in a part, as the joined encoder hears them.

        Raises:
            DataError: the joined split has not all of them in that part.
        """
        wanted = self._first[name] + self.benches[name].positions(part)
        at = np.flatnonzero(np.isin(self.bench.positions(part), wanted))
        if len(at) != len(wanted):
            raise DataError(
                f"{len(wanted)} {part} windows of '{name}', of which the joined store has "
                f"{len(at)} in that part; split both alike"
            )
        return BatchSource(self.bench.rows(part), at)

    def numbers(self, name: str) -> NDArray[np.int64]:
        """Give the number among all labels of each label of one data set."""
        known = self.bench.store.label_names
        return np.array([known.index(label) for label in self.benches[name].store.label_names])


@dataclass(eq=False)
class JointPart:
    """Measure one adapter over all data sets against one each.

    Args:
        together: the data sets.
        out: what is done is kept here.
        seeds: by LLM, of the bridge's first weights and of the batches; each has one run of
            everything.
    """

    together: Together
    out: Path
    seeds: Mapping[str, Sequence[int]]

    def run(self) -> dict[str, Any]:
        """Train and judge what is missing; a method's runs are in the order of the seeds."""
        benches, labels = self.together.benches, self.together.bench.store.label_names
        found: dict[str, Any] = {"labels": labels, "seeds": self.seeds, "data_sets": {}}
        one = {llm: self._runs("all", llm, self.all) for llm in self.seeds}
        for name, bench in benches.items():
            each = {llm: self._runs(name, llm, partial(self.each, name)) for llm in self.seeds}
            alone = {llm: [run[name] for run in runs] for llm, runs in one.items()}
            found["data_sets"][name] = {
                "one adapter": alone,
                "one each": each,
                PROBE: kept(self._file(name, PROBE), partial(self.probe, name)),
                "differences": {
                    llm: difference(bench, alone[llm], each[llm]) for llm in self.seeds
                },
            }
        found["cost"] = {llm: [run["cost"] for run in runs] for llm, runs in one.items()}
        return found

    def _runs(
        self, name: str, llm: str, make: Callable[[str, int], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        return [
            kept(self._file(name, llm, seed), partial(make, llm, seed)) for seed in self.seeds[llm]
        ]

    def _file(self, name: str, method: str, seed: int = 0) -> Path:
        ending = f"-seed{seed}" if seed else ""
        return self.out / f"{name}-{method.replace(' ', '_').replace(',', '')}{ending}.json"

    def all(self, llm: str, seed: int) -> dict[str, Any]:
        """Train one adapter on all data sets, save it, and judge it on each."""
        together, bench = self.together, self.together.bench
        sources = [together.source(name, "train") for name in together.benches]
        steps = (bench.recipe.loop.steps or 0) * len(sources)
        loop = replace(bench.recipe.loop, steps=steps, epochs=max(steps, 1), seed=seed)
        model = bench.untrained(llm, loop=loop)
        run = self._file("all", llm, seed).with_suffix("")
        cost = train(model, sources, loop, run, {"part": "joint", "labels": len(sources)})
        found: dict[str, Any] = {"cost": cost}
        for name, own in together.benches.items():
            said = labelled_among(model, together.source(name, own.judges), together.numbers(name))
            found[name] = judge(own, said, own.store.label_names)
        model.adapter.save(run.with_name(f"{run.name}-adapter"))
        return found

    def each(self, name: str, llm: str, seed: int) -> dict[str, Any]:
        """Train an adapter on one data set, and judge it."""
        bench = self.together.benches[name]
        loop = replace(bench.recipe.loop, seed=seed)
        model, run = bench.untrained(llm, loop=loop), self._file(name, llm, seed).with_suffix("")
        sources = [BatchSource.of_labels(bench.rows("train"))]
        cost = train(model, sources, loop, run, {"part": "joint", "set": name})
        own = np.arange(len(bench.store.label_names))
        said = labelled_among(model, BatchSource.of_labels(bench.rows(bench.judges)), own)
        return judge(bench, said, bench.store.label_names) | {"cost": cost}

    def probe(self, name: str) -> dict[str, Any]:
        """Fit a head to one data set's features, and judge it."""
        bench = self.together.benches[name]
        probe = fit_probe(bench.pooled("train"), bench.labels("train"))
        return judge(bench, probe.predict(bench.pooled(bench.judges)), bench.store.label_names)


def labelled_among(
    model: SensorLanguageModel, windows: BatchSource, numbers: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give each window the likeliest of some labels, by its place among these."""
    columns = torch.from_numpy(numbers)
    found = []
    for chosen in chunks(len(windows)):
        scores = model.score(windows.batch(chosen).to(model.llm.device)).cpu()
        found.append(scores[:, columns].argmax(1).numpy())
    return np.concatenate(found)
