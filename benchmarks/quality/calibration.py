"""Who calibrates: validation people alone, or all who are not test people by folds of a head.

    python -m benchmarks.quality.calibration uci-har-encoder=stores/uci_har
        wisdm-watch-encoder=stores/wisdm_watch wesad-wrist-stress-encoder=stores/wesad_wrist_stress

Logistic regression on a released encoder's kept features stands in the adapter's place. Label sets
for the test people come from the scores of (a) validation people, by the head itself, or (b)
everybody else, each by a head that learned without them (cross-conformal prediction, Vovk 2015).
The kept features are of one encoder, which those people taught: their scores may be too good.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.machine import record, write
from sensor2llm.adapter.calibration import Calibration, calibrate, with_temperature
from sensor2llm.encoders.files import find_encoder, read_manifest
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.probe import encoder_features
from sensor2llm.evaluation.trust import LEVELS, set_metrics
from sensor2llm.pretraining.run import labelled
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.splits.splits import PARTS, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.metrics import Predictions, calibration_error

OUT = Path(__file__).resolve().parents[1] / "results" / "calibration"
FOLDS, INVERSE_PENALTY = 5, 0.1
HEAD = ("encoder", "calibrated on", "people", "asked", "held the truth", "worst and best person",
        "labels a set", "calibration error")  # fmt: skip


def head() -> Pipeline:
    """Make the classifier that stands in the adapter's place."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=300))


def kept_features(name: str, store: WindowStore) -> dict[str, tuple[np.ndarray, ...]]:
    """Give features, labels and people of each part of the encoder's own split."""
    manifest = read_manifest(find_encoder(name))
    encoder = SignalEncoder.from_pretrained(name)
    normaliser = Normaliser.from_dict(manifest["normaliser"])
    split = make_split(store, SplitConfig(**manifest["recipe"]["split"]))
    parts = {}
    for part in PARTS:
        rows = labelled(store, split[part])
        features = encoder_features(encoder, WindowDataset(store, rows, normaliser))
        parts[part] = features.features, features.labels, store.subjects[rows]
    return parts


def calibrations(parts: Mapping[str, tuple[np.ndarray, ...]]) -> dict[str, Calibration]:
    """Calibrate in both ways."""
    x, y, people = (
        np.concatenate(both) for both in zip(parts["train"], parts["validation"], strict=True)
    )
    probabilities = np.zeros((len(y), len(np.unique(y))))
    for taught, others in GroupKFold(FOLDS).split(x, y, people):
        model = head().fit(x[taught], y[taught])
        probabilities[np.ix_(others, model.classes_)] = model.predict_proba(x[others])
    final = head().fit(*parts["train"][:2])
    own = parts["validation"]
    return {
        "validation people": calibrate(final.predict_proba(own[0]), own[1], _numbers(own[2])),
        "all but test people, by folds": calibrate(probabilities, y, _numbers(people)),
    }


def judge(name: str, store: WindowStore) -> list[dict[str, Any]]:
    """Give the test people's label sets by who calibrated, at each level."""
    parts = kept_features(name, store)
    x, y, people = parts["test"]
    probabilities = head().fit(*parts["train"][:2]).predict_proba(x)
    rows = []
    for way, calibration in calibrations(parts).items():
        scaled = with_temperature(probabilities, calibration.temperature)
        predictions = Predictions(
            labels=store.label_names,
            true=y,
            predicted=scaled.argmax(1),
            subjects=people,
            probabilities=scaled,
        )
        error = calibration_error(predictions)
        rows += [
            {
                "encoder": name,
                "calibrated_on": way,
                "people": len(np.unique(calibration.people)),
                "temperature": calibration.temperature,
                "calibration_error": error,
                **set_metrics(calibration, predictions, level),
            }
            for level in LEVELS
        ]
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Write the figures as Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    for one in rows:
        cells = (
            one["encoder"], one["calibrated_on"], str(one["people"]), f"{one['asked']:.0%}",
            f"{one['covered']:.1%}", f"{one['worst_person']:.1%}, {one['best_person']:.1%}",
            f"{one['labels']:.2f}", f"{one['calibration_error']:.3f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _numbers(people: np.ndarray) -> np.ndarray:
    return np.unique(people, return_inverse=True)[1]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoders", nargs="+", metavar="ENCODER=STORE")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started, rows = os.getloadavg(), []
    for pair in options.encoders:
        name, _, path = pair.partition("=")
        rows += judge(name, WindowStore.open(path))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.md").write_text(table(rows), encoding="utf-8")
    write(record("quality.calibration", {"rows": rows}, started), options.out / "results.json")
    print(table(rows))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
