"""Part `joint`: one bridge over several data sets against one bridge each.

The data sets differ in sensors, rates, window lengths and labels. Each is heard by its own frozen
encoder; all encoders' modalities side by side are the one projector's, and those of the other data
sets are missing sensors. A label text that two sets share is one label. At use, a window is given
one of its own data set's labels. Every bridge takes as many steps on a data set as any other.

The one adapter is made of features: a spec has one window length, and these sets have several, so
there is no store and no saved folder of all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.worth.judged import difference, fit_probe, judge, kept
from benchmarks.worth.training import LLMS, Bench, chunks, train
from sensor2llm.adapter import SensorAdapter
from sensor2llm.batches import FeatureBatch
from sensor2llm.bridge.projectors import Projector
from sensor2llm.errors import ConfigError
from sensor2llm.llm.soft_prompt import SoftPrompt
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.model import SensorLanguageModel
from sensor2llm.recipes.sources import Rows, Source

PROBE = "one head each, no LLM"


@dataclass(frozen=True, eq=False)
class AmongAll:
    """Read one data set's features as part of all data sets' modalities and labels.

    Args:
        rows: its features.
        first: how many modalities stand before its own.
        modalities: of all data sets.
        numbers: each of its labels' number among all labels.
    """

    rows: Rows
    first: int
    modalities: int
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Give every row's label, numbered among all."""
        return self.numbers[np.asarray(self.rows.labels)]

    def batch(self, rows: NDArray[np.int64]) -> FeatureBatch:
        """Read rows; the other data sets' modalities are absent."""
        read = self.rows.batch(rows)
        assert isinstance(read, FeatureBatch)
        assert read.steps is not None
        assert read.present is not None
        n, own, *shape = read.steps.shape
        here = slice(self.first, self.first + own)
        steps = read.steps.new_zeros(n, self.modalities, *shape)
        present = torch.zeros(n, self.modalities, dtype=torch.bool)
        steps[:, here], present[:, here] = read.steps, read.present
        return FeatureBatch(torch.from_numpy(self.labels[rows]), steps, present)


class Together:
    """Several data sets for one bridge.

    Args:
        benches: by name; their encoders have one width and one number of pooled steps.

    Raises:
        ConfigError: the encoders' features differ in shape.
    """

    def __init__(self, benches: Mapping[str, Bench]) -> None:
        self.benches = dict(benches)
        encoders = [bench.heard.encoder for bench in self.benches.values()]
        shapes = {(e.config.pooled_steps, e.width) for e in encoders}
        if len(shapes) > 1:
            raise ConfigError(
                f"one bridge needs encoders of one shape, got (steps, width) {sorted(shapes)}; "
                "make them with the same width and pooled_steps"
            )
        self.shape = shapes.pop()
        counts = [len(e.spec.modalities) for e in encoders]
        starts = np.cumsum([0, *counts[:-1]]).tolist()
        self.first = dict(zip(self.benches, starts, strict=True))
        self.modalities = sum(counts)
        every = (name for b in self.benches.values() for name in b.store.label_names)
        self.labels = tuple(dict.fromkeys(every))

    def numbers(self, name: str) -> NDArray[np.int64]:
        """Give the number among all labels of each label of one data set."""
        return np.array([self.labels.index(n) for n in self.benches[name].store.label_names])

    def rows(self, name: str, part: str) -> AmongAll:
        """Give one data set's features among all."""
        rows = self.benches[name].rows(part)
        return AmongAll(rows, self.first[name], self.modalities, self.numbers(name))

    def untrained(self, llm: str) -> SensorLanguageModel:
        """Build one bridge for all, by the first data set's recipe."""
        first = next(iter(self.benches.values()))
        recipe, frozen = first.recipe, first.llms[llm]
        torch.manual_seed(recipe.loop.seed)
        soft = recipe.soft_prompt
        adapter = SensorAdapter(
            spec=first.store.spec,
            label_names=self.labels,
            template=PromptTemplate.load(recipe.prompt),
            llm_name=frozen.name,
            llm_identity=frozen.identity,
            encoder=first.heard.encoder.requires_grad_(False),
            projector=Projector(
                recipe.projector, self.modalities, *self.shape, frozen.width, frozen.embedding_std
            ),
            projector_config=recipe.projector,
            soft_prompt=SoftPrompt.start(soft, frozen, seed=recipe.loop.seed)
            if soft.tokens
            else None,
        )
        return SensorLanguageModel(adapter, frozen, objective=recipe.objective)


@dataclass(eq=False)
class JointPart:
    """Measure one bridge over all data sets against one each.

    Args:
        together: the data sets.
        out: what is done is kept here.
    """

    together: Together
    out: Path

    def run(self) -> dict[str, Any]:
        """Train and judge what is missing."""
        benches = self.together.benches
        found: dict[str, Any] = {"labels": self.together.labels, "data_sets": {}}
        one = {llm: kept(self._file("all", llm), partial(self.all, llm)) for llm in LLMS}
        for name, bench in benches.items():
            each = {llm: kept(self._file(name, llm), partial(self.each, name, llm)) for llm in LLMS}
            probe = kept(self._file(name, PROBE), partial(self.probe, name))
            found["data_sets"][name] = {
                "one adapter": {llm: one[llm][name] for llm in LLMS},
                "one each": each,
                PROBE: probe,
                "differences": {
                    llm: difference(bench, [one[llm][name]], [each[llm]]) for llm in LLMS
                },
            }
        found["cost"] = {llm: one[llm]["cost"] for llm in LLMS}
        return found

    def _file(self, name: str, method: str) -> Path:
        return self.out / f"{name}-{method.replace(' ', '_').replace(',', '')}.json"

    def all(self, llm: str) -> dict[str, Any]:
        """Train one bridge on all data sets, and judge it on each."""
        together, first = self.together, next(iter(self.together.benches.values()))
        model = together.untrained(llm)
        sources = [Source.of_labels(together.rows(name, "train")) for name in together.benches]
        loop = first.recipe.loop
        steps = (loop.steps or 0) * len(sources)
        loop = replace(loop, steps=steps, epochs=max(steps, 1))
        run = self._file("all", llm).with_suffix("")
        cost = train(model, sources, loop, run, {"part": "joint", "labels": together.labels})
        found: dict[str, Any] = {"cost": cost}
        for name, bench in together.benches.items():
            said = labelled_among(model, together.rows(name, "test"), together.numbers(name))
            found[name] = judge(bench, said, bench.store.label_names)
        return found

    def each(self, name: str, llm: str) -> dict[str, Any]:
        """Train a bridge on one data set, and judge it."""
        bench = self.together.benches[name]
        model, run = bench.untrained(llm), self._file(name, llm).with_suffix("")
        sources = [Source.of_labels(bench.rows("train"))]
        cost = train(model, sources, bench.recipe.loop, run, {"part": "joint", "set": name})
        own = np.arange(len(bench.store.label_names))
        said = labelled_among(model, bench.rows("test"), own)
        return judge(bench, said, bench.store.label_names) | {"cost": cost}

    def probe(self, name: str) -> dict[str, Any]:
        """Fit a head to one data set's features, and judge it."""
        bench = self.together.benches[name]
        probe = fit_probe(bench.pooled("train"), bench.labels("train"))
        return judge(bench, probe.predict(bench.pooled("test")), bench.store.label_names)


def labelled_among(
    model: SensorLanguageModel, rows: Rows, numbers: Sequence[int] | NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give each window the likeliest of some labels, by its place among these."""
    columns = torch.as_tensor(np.asarray(numbers))
    found = []
    for chosen in chunks(len(rows)):
        scores = model.score(rows.batch(chosen).to(model.llm.device)).cpu()
        found.append(scores[:, columns].argmax(1).numpy())
    return np.concatenate(found)
