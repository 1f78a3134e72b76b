"""Finished cells with labels that a test chose, written as the runner writes them."""

import json

import numpy as np

from sensor2llm.studies.data import divide, mark, open_data
from sensor2llm.studies.grid import cells, digest, judgements


def write_cells(study, say, missing=((),), without=()):
    """Write every cell of a study; `say(cell, line, true)` gives its windows' labels.

    Args:
        study: its store's labels are true.
        say: what a cell's encoder says; the line holds the judgement and `missing`.
        missing: sets that are missing when windows are judged.
        without: sets that are missing already when labels are learnt.
    """
    folder = study.out / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    for cell in cells(study):
        config = study.stores[cell.store]
        store = open_data(config)
        rows = divide(config, store, cell.fold).test
        true = np.asarray(store.labels)[rows]
        lines = []
        for one in judgements(study, cell, list(without)):
            gone = (one.without,) if one.without else missing
            lines += [{**vars(one), "missing": list(m), "without": list(one.without)} for m in gone]
        said = np.stack([say(cell, line, true) for line in lines]).astype(np.int16)
        results = [
            line | {
                "macro_f1": float(np.mean(labels == true)), "accuracy": 0.5, "seconds": 2.0,
                "balanced_accuracy": 0.5, "f1_crossl_released": 0.25, "labelled": 9, "chosen": {},
            }
            for line, labels in zip(lines, said, strict=True)
        ]  # fmt: skip
        pretraining = {"seconds": 10.0 + cell.fold, "windows_per_s": 100.0, "ended": "early"}
        record = {
            "store": cell.store, "method": cell.title, "base": cell.method, "fold": cell.fold,
            "seed": cell.seed, "digest": digest(study, cell), "data": {cell.store: mark(config)},
            "pretraining": pretraining if study.methods[cell.method].objective else None,
            "results": results,
        }  # fmt: skip
        np.savez_compressed(folder / f"{cell.key}.npz", rows=rows, predicted=said)
        (folder / f"{cell.key}.json").write_text(json.dumps(record))


def mostly_right(share_by_method, seed=0):
    """Say the truth of a share of the windows, and a neighbour's label of the rest."""
    rng = np.random.default_rng(seed)

    def say(cell, line, true):
        share = share_by_method[cell.method] - 0.1 * len(line["missing"])
        wrong = rng.random(len(true)) > share - 0.2 * (1 - line["share"])
        return np.where(wrong, (true + 1) % 3, true)

    return say
