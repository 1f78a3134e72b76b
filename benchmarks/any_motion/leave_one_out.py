"""Adapters for any motion sensor on a data set that none of them learned from.

    python -m benchmarks.any_motion.leave_one_out --data stores/any_motion

`stores/any_motion` is what `benchmarks.any_motion.union` wrote. Two thirds of each data set's
people teach, one third tests, the same in every run; only labels that all data sets have are used.
A data set's test people are labelled by

    own          an adapter of the data set's own two thirds: the ceiling
    one          an adapter of another data set alone, each in turn
    all others   an adapter of all other data sets together

and by a random forest on features that no turn of the device changes, of the same windows and
people. A phone and a watch of one data set are of the same people: they are left out together and
judged one by one. Recipes are one file, `benchmarks/recipes/leave_one_out.yaml`.
"""

import argparse
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.any_motion.forest import TurnFreeForest
from benchmarks.machine import record, write
from sensor2llm.artefacts.marks import is_marked
from sensor2llm.command import read_recipe
from sensor2llm.errors import DataError, run_verb
from sensor2llm.recipes.config import Recipe, to_plain
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Windows
from sensor2llm.tasks.classification import predictions
from sensor2llm.tasks.metrics import Predictions, bootstrap_interval, measure, paired_difference
from sensor2llm.training.record import write_json

RESULTS = Path(__file__).resolve().parents[1] / "results" / "leave_one_out"
RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "leave_one_out.yaml"
THIRD = 3
Judged = dict[str, Predictions]
"""Device -> what was said of its test people's windows."""


def device_of(store: Windows, row: int) -> str:
    """Name the device of a window, as its recording does: "wisdm_watch"."""
    return str(store.recording_of(row)).partition(":")[0]


def shared_labels(store: Windows) -> list[str]:
    """Name the labels that every data set has."""
    parts = np.array([str(name).partition("/")[0] for name in store.subjects])
    each = [set(store.labels[parts == part].tolist()) for part in np.unique(parts)]
    return [name for i, name in enumerate(store.label_names) if all(i in some for some in each)]


def thirds(store: Windows, seed: int) -> tuple[set[str], set[str]]:
    """Divide each data set's people: those who teach, and the third who test."""
    by_part: dict[str, list[str]] = defaultdict(list)
    for name in sorted(store.subject_names):
        by_part[name.partition("/")[0]].append(name)
    test: set[str] = set()
    for number, people in enumerate(by_part.values()):
        order = np.random.default_rng((seed, number)).permutation(len(people))
        test |= {people[i] for i in order[: round(len(people) / THIRD)].tolist()}
    return set(store.subject_names) - test, test


def thinned(store: Windows, rows: Sequence[int], most: int, seed: int) -> list[int]:
    """Draw at most so many windows of a device and label, alike of all its people."""
    generator, groups = np.random.default_rng(seed), defaultdict(list)
    for row in rows:
        groups[device_of(store, row), int(store.labels[row])].append(row)
    chosen: list[int] = []
    for members in groups.values():
        seen: Counter[int] = Counter()
        turns = []
        for row in generator.permutation(members).tolist():
            person = int(store.subject_ids[row])
            turns.append((seen[person], row))
            seen[person] += 1
        chosen += [row for _, row in sorted(turns, key=lambda turn: turn[0])[:most]]
    return sorted(chosen)


@dataclass(frozen=True)
class SourceRun:
    """Hold what an adapter and a forest of some data sets say, and the adapter's validation."""

    adapter: Judged
    forest: Judged
    validation: float = 0.0

    @classmethod
    def of(cls, store: Windows, arrays: Mapping[str, np.ndarray]) -> "SourceRun":
        """Divide answers of a store's rows by the device of their windows."""
        rows = arrays["rows"]
        devices = np.array([device_of(store, row) for row in rows.tolist()])
        judged = {
            kind: {
                name: Predictions(
                    labels=store.label_names,
                    true=np.asarray(store.labels)[rows][devices == name],
                    predicted=arrays[kind][devices == name],
                    subjects=store.subjects[rows][devices == name],
                )
                for name in dict.fromkeys(devices.tolist())
            }
            for kind in ("adapter", "forest")
        }
        return cls(judged["adapter"], judged["forest"], float(arrays["validation"]))


class Protocol:
    """Write the store of each run, train on it and judge its test people, device by device."""

    def __init__(self, store: Windows, recipe: Recipe, most: int, seed: int, out: Path) -> None:
        self.store, self.recipe, self.most, self.seed, self.out = store, recipe, most, seed, out
        self.labels = shared_labels(store)
        self.teachers, self.testers = thirds(store, seed)
        self.rows = [r for r in range(len(store)) if self._label(r) in self.labels]

    def _label(self, row: int) -> str:
        return self.store.label_names[int(self.store.labels[row])]

    def _rows(self, data_sets: Sequence[str], people: set[str]) -> list[int]:
        names = self.store.subjects
        mine = [r for r in self.rows if names[r] in people and names[r].split("/")[0] in data_sets]
        return thinned(self.store, mine, self.most, self.seed)

    def write_store(self, sources: Sequence[str]) -> WindowStore:
        """Write the sources' teachers, and everybody's testers as the test part."""
        everything = list(self.store.parts)
        taught = self._rows(sources, self.teachers)
        rows = [*taught, *self._rows(everything, self.testers)]
        names = sorted({str(self.store.subjects[row]) for row in taught})
        people = {"train": names, "test": sorted(self.testers)}
        path = self.out / "stores" / "+".join(sources)
        return WindowStore.write(
            path, self.store.spec, self.store.windows(rows), label_names=self.labels,
            published=people, source=self.store.source, parts=self.store.parts,
        )  # fmt: skip

    def judge(self, sources: Sequence[str]) -> SourceRun:
        """Train adapter and forest on some data sets and judge them; a finished run is read."""
        store, name = self.write_store(sources), "+".join(sources)
        recipe = replace(self.recipe, data=store.path, out=self.out / "adapters" / name)
        file, mark = (self.out / "judged" / f"{name}.{end}" for end in ("npz", "json"))
        key = {"data": store.fingerprint, "recipe": to_plain(self.recipe)}
        if not is_marked(mark, key, f"the run of {name}"):
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, **self._train(store, recipe))
            write_json(mark, key)
        with np.load(file) as arrays:
            return SourceRun.of(store, dict(arrays))

    def _train(self, store: WindowStore, recipe: Recipe) -> dict[str, np.ndarray]:
        trained = train_adapter(recipe)
        split = trained.split
        answers = predictions(trained.model.eval(), trained.store, split.test)
        teach = np.sort(np.concatenate([split.train, split.validation]))
        forest = TurnFreeForest(store, teach, seed=self.seed)
        return {
            "rows": split.test,
            "adapter": answers.predicted,
            "forest": forest.predict(split.test),
            "validation": np.array(trained.result.best_score or 0.0),
        }


def runs(data_sets: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Give the data sets that each run learns from: one alone, then all but one."""
    yield from ((name,) for name in data_sets)
    yield from (tuple(n for n in data_sets if n != left_out) for left_out in data_sets)


def compare(device: str, own: str, said: Mapping[tuple[str, ...], SourceRun]) -> dict[str, Any]:
    """Give a device's figures: who was taught by what, and all others against the best of each."""
    sources = {key: run for key, run in said.items() if key == (own,) or own not in key}
    figures: dict[str, Any] = {"device": device, "adapters": {}, "forests": {}}
    for key, run in sources.items():
        for kind, judged in (("adapters", run.adapter), ("forests", run.forest)):
            answers = judged[device]
            figures[kind]["+".join(key)] = {
                "macro_f1": measure(answers).macro_f1, "interval": bootstrap_interval(answers),
            }  # fmt: skip
    others = max((key for key in sources if own not in key), key=len)
    singles = [key for key in sources if own not in key and key != others]
    scores = {key: figures["adapters"]["+".join(key)]["macro_f1"] for key in sources}
    best = max(singles, key=scores.__getitem__)
    mine = said[others].adapter[device]
    figures |= {
        "own": own,
        "others": "+".join(others),
        "people": len(np.unique(mine.subjects)),
        "windows": len(mine.true),
        "best_single": "+".join(best),
        "above_singles_mean": scores[others] - float(np.mean([scores[key] for key in singles])),
        "gap_to_own": scores[others] - scores[(own,)],
        "against_best_single": paired_difference(mine, said[best].adapter[device]),
        "against_forest": paired_difference(mine, said[others].forest[device]),
    }
    return figures


def study(protocol: Protocol) -> dict[str, Any]:
    """Run everything and compare it device by device."""
    data_sets = list(protocol.store.parts)
    if len(data_sets) < THIRD:
        raise DataError(f"leaving one out needs three data sets, got {', '.join(data_sets)}")
    said = {}
    for sources in runs(data_sets):
        said[sources] = protocol.judge(sources)
        scores = {n: round(measure(p).macro_f1, 3) for n, p in said[sources].adapter.items()}
        print(f"{'+'.join(sources)}: {scores}", flush=True)
    owners = {d: str(p.subjects[0]).split("/")[0] for d, p in said[(data_sets[0],)].adapter.items()}
    return {
        "labels": protocol.labels,
        "validation": {"+".join(key): run.validation for key, run in said.items()},
        "devices": [compare(device, own, said) for device, own in owners.items()],
    }


def table(figures: Mapping[str, Any]) -> str:
    """Write a row a device: all others, each other alone, the forest, the ceiling."""
    head = ("device, test people", "all others", "each other alone", "forest of all others")
    head += ("less best single", "less forest", "own people (ceiling)", "forest")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for one in figures["devices"]:
        adapters, forests = one["adapters"], one["forests"]
        alone = [key for key in adapters if key not in (one["own"], one["others"])]
        cells = (
            f"{one['device']}, {one['people']}",
            _scored(adapters[one["others"]]),
            ", ".join(f"{key} {adapters[key]['macro_f1']:.3f}" for key in alone),
            f"{forests[one['others']]['macro_f1']:.3f}",
            _differing(one["against_best_single"]),
            _differing(one["against_forest"]),
            _scored(adapters[one["own"]]),
            f"{forests[one['own']]['macro_f1']:.3f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    text = f"Macro-F1 on {', '.join(figures['labels'])} (95 % over people)."
    return "\n".join([*lines, "", text, ""])


def _scored(one: Mapping[str, Any]) -> str:
    low, high = one["interval"]
    return f"{one['macro_f1']:.3f} ({low:.3f} to {high:.3f})"


def _differing(pair: Sequence[Any]) -> str:
    difference, (low, high) = pair
    return f"{difference:+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    """Train, judge, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--llm")
    parser.add_argument("--most", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/leave_one_out"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started, recipe = os.getloadavg(), read_recipe(RECIPE, Recipe)
    if options.llm:
        recipe = replace(recipe, llm=options.llm)
    store = WindowStore.open(options.data)
    protocol = Protocol(store, recipe, options.most, options.seed, options.work)
    result = record("any_motion.leave_one_out", study(protocol), started)
    write(result, options.out / "results.json")
    (options.out / "table.md").write_text(table(result), encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
