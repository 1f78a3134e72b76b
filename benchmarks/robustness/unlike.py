"""How many recordings of other devices and people an adapter tells from its own, and what it says.

    python -m benchmarks.robustness.unlike --adapter ADAPTER --data stores/uci_har
        --gravity stores/motionsense_gravity --motionsense stores/motionsense --wisdm stores/wisdm

ADAPTER was calibrated (`evaluate --calibrate`). `--gravity` are MotionSense's files that bear
gravity, `--motionsense` those of everybody, without; `--wisdm` is WISDM's phone in windows of
2.56 s. Own people are the test people, whose recordings are what each did in one go, and whole.
"""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.machine import record, write
from sensor2llm.archive.labelling import LabelRows
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.evaluation import recipe_split
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.likeness.profile import FEWEST_WINDOWS, TrainingProfile
from sensor2llm.signals.mapping.data_map import SAME, DataMap
from sensor2llm.signals.mapping.fitting import fit_axes
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import classify
from sensor2llm.tasks.likeness import UNKNOWN, RecordingJudge
from sensor2llm.tasks.loading import load_model

OUT = Path(__file__).resolve().parents[1] / "results" / "unlike"
WISDM = {"phone_accel": "total_acc", "phone_gyro": "body_gyro"}
HEAD = ("windows of", "recordings of 20 windows or more", "unlike", "windows", "unlike alone")


def own_windows(store: Windows, rows: np.ndarray) -> Iterator[Window]:
    """Give a part's windows; each run of one activity of one person is a recording."""
    run, before = 0, None
    for window in store.windows(rows.tolist()):
        key = (window.subject, window.label)
        run += key != before
        before = key
        yield replace(window, recording=f"run {run}")


def motionsense_windows(store: Windows) -> Iterator[Window]:
    """Give MotionSense's windows under UCI HAR's names; the total bears gravity where there is."""
    for window in store:
        there = window.signals
        signals = {"body_acc": there["user_acc"], "body_gyro": there["gyro"]}
        if "gravity" in there:
            signals["total_acc"] = there["user_acc"] + there["gravity"]
        yield replace(window, signals=signals)


def wisdm_windows(store: Windows, spec: SignalSpec) -> Iterator[Window]:
    """Give WISDM's phone windows in an adapter's names, units and rate."""
    yield from ConvertedView(store, WISDM, spec.subset(WISDM.values()))


def judged(profile: TrainingProfile, windows: Iterable[Window]) -> dict[str, Any]:
    """Count recordings and windows that are unlike training."""
    judge = RecordingJudge(profile)
    for _ in judge.watch(windows):
        pass
    verdict, scores = judge.verdict(), judge.scores()
    whole = [one for one in verdict.recordings if one.whole]
    return {
        "recordings": len(whole),
        "recordings_unlike": sum(one.unlike > 0 for one in whole),
        "shorter": len(verdict.recordings) - len(whole),
        "windows": len(scores),
        "windows_unlike": float(np.mean(scores > 0)),
        "first_checks": [one.checks[0].text for one in whole if one.checks][:10],
    }


def labelled(
    model: SensorLanguageModel, windows: list[Window], data_map: DataMap = SAME
) -> dict[str, Any]:
    """Label windows whose labels the adapter knows, and let it abstain as `--abstain` does."""
    labelled_windows = [w for w in windows if w.label in model.adapter.label_names]
    labels = LabelRows(model, 0.05)
    predictions = classify(model, list(labels.judge.watch(data_map.turned(labelled_windows))))
    rows = list(labels.rows(predictions, labels.judge.verdict()))
    true, said = [w.label for w in labelled_windows], [p.label for p in predictions]
    f1 = f1_score(true, said, labels=sorted(set(map(str, true))), average="macro", zero_division=0)
    confidence = [p.probabilities[p.label] for p in predictions]
    answered = [row["label"] != UNKNOWN for row in rows]
    right = [a == b for a, b in zip(true, said, strict=True)]
    return {
        "windows": len(labelled_windows),
        "macro_f1": float(f1),
        "mean_confidence": float(np.mean(confidence)),
        "accuracy": float(np.mean(right)),
        "answered": float(np.mean(answered)),
        "wrong_and_answered": float(
            np.mean([a and not r for a, r in zip(answered, right, strict=True)])
        ),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Judge own people's and others' recordings, and label the pocket phone's."""
    model, store = load_model(options.adapter), WindowStore.open(options.data)
    profile = model.adapter.trust.profile
    assert profile is not None, "calibrate the adapter first"
    test = recipe_split(model.adapter.recipe, store).test
    pocket = list(motionsense_windows(WindowStore.open(options.gravity)))
    without = motionsense_windows(WindowStore.open(options.motionsense))
    wisdm = wisdm_windows(WindowStore.open(options.wisdm), profile.spec)
    groups: Mapping[str, Iterable[Window]] = {
        "own test people, whole": (replace(w, recording="") for w in store.windows(test.tolist())),
        "own test people, by activity": own_windows(store, test),
        "MotionSense, with gravity": pocket,
        "MotionSense, without gravity": without,
        "WISDM phone, with gravity": wisdm,
    }
    figures = {name: judged(profile, windows) for name, windows in groups.items()}
    fit = fit_axes(profile, pocket)
    turned = list(fit.data_map.turned(pocket))
    figures["MotionSense, with gravity, turned"] = judged(profile, turned)
    return {
        "groups": figures,
        "fit_axes": fit.data_map.words(profile.spec, {}),
        "labels": {
            "own test people": labelled(model, list(store.windows(test[::4].tolist()))),
            "MotionSense, as recorded": labelled(model, pocket),
            "MotionSense, turned by fit-axes": labelled(model, pocket, fit.data_map),
        },
    }


def table(figures: Mapping[str, Any], command: str) -> str:
    """Write the figures as Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    for name, one in figures["groups"].items():
        share = f"{one['recordings_unlike'] / max(one['recordings'], 1):.1%}"
        cells = (
            name,
            one["recordings"],
            share,
            f"{one['windows']:,}",
            f"{one['windows_unlike']:.1%}",
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    head = (
        "labels of", "macro-F1", "mean confidence", "right", "answered with --abstain",
        "wrong answers",
    )  # fmt: skip
    lines += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, one in figures["labels"].items():
        shares = [f"{one[key]:.1%}" for key in ("accuracy", "answered", "wrong_and_answered")]
        cells = (name, f"{one['macro_f1']:.3f}", f"{one['mean_confidence']:.2f}", *shares)
        lines.append("| " + " | ".join(cells) + " |")
    about = (
        f"A recording of {FEWEST_WINDOWS} windows or more is judged as one. Thresholds: people who "
        f"taught, each by the others. `fit-axes` proposes: {', '.join(figures['fit_axes'])}."
    )
    return "\n".join([*lines, "", about, "", f"    {command}", ""])


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", required=True)
    for name in ("data", "gravity", "motionsense", "wisdm"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    started = os.getloadavg()
    result = record("robustness.unlike", measure(options), started)
    options.out.mkdir(parents=True, exist_ok=True)
    text = table(result, result["command"])
    (options.out / "table.md").write_text(text, encoding="utf-8")
    write(result, options.out / "results.json")
    print(text)


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
