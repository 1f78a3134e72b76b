"""How an adapter says no: label sets and risk on people it has not seen, and who is unlike them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sensor2llm.adapter.calibration import Calibration
from sensor2llm.adapter.trust import Trust
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.likeness import RecordingJudge
from sensor2llm.tasks.metrics import Predictions

LEVELS = (0.9, 0.99)
ANSWERED = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


def trust_metrics(
    trust: Trust, windows: AdapterWindows, predictions: Predictions
) -> dict[str, Any]:
    """Measure what an adapter knows of its limits on the windows that it labelled.

    Returns:
        `trust`, with `temperature`, `sets`, `risk_coverage` and `likeness`, as far as the adapter
        has what they need; nothing where it has none of it.
    """
    metrics: dict[str, Any] = {}
    if trust.calibration is not None and predictions.probabilities is not None:
        metrics |= calibration_metrics(trust.calibration, predictions)
    if trust.profile is not None and predictions.index is not None:
        judge = RecordingJudge(trust.profile)
        for _ in judge.watch(windows.store.windows(predictions.index.tolist())):
            pass
        metrics["likeness"] = _likeness(judge, windows.store.names_recordings)
    return {"trust": metrics} if metrics else {}


def calibration_metrics(calibration: Calibration, predictions: Predictions) -> dict[str, Any]:
    """Measure label sets and the risk-coverage curve on other people than calibrated it.

    Returns:
        `sets`: of each level the share of windows whose set holds the truth, of the worst and the
        best person, and the mean size; `risk_coverage`: the share of wrong labels where so many
        windows, the surest, are answered.
    """
    probabilities, true = predictions.probabilities, predictions.true
    assert probabilities is not None
    order = np.argsort(-probabilities.max(1), kind="stable")
    wrong = probabilities.argmax(1)[order] != true[order]
    counts = {share: max(1, round(share * len(true))) for share in ANSWERED}
    return {
        "temperature": calibration.temperature,
        "calibrated_on": {
            "windows": len(calibration.true),
            "people": len(np.unique(calibration.people)),
        },
        "sets": [set_metrics(calibration, predictions, level) for level in LEVELS],
        "risk_coverage": [
            {"answered": share, "wrong": float(wrong[:count].mean())}
            for share, count in counts.items()
        ],
    }


def set_metrics(
    calibration: Calibration, predictions: Predictions, level: float
) -> dict[str, float]:
    """Give how often sets asked so sure held the truth, over all and by person, and their size."""
    probabilities, people = predictions.probabilities, predictions.subjects
    assert probabilities is not None
    members = calibration.label_sets(probabilities, level)
    holds = members[np.arange(len(members)), predictions.true]
    each = [float(holds[people == person].mean()) for person in np.unique(people)]
    return {
        "asked": level,
        "covered": float(holds.mean()),
        "worst_person": min(each),
        "best_person": max(each),
        "labels": float(members.sum(1).mean()),
    }


def _likeness(judge: RecordingJudge, recordings_named: bool) -> dict[str, Any]:
    verdict = judge.verdict()
    whole = [one for one in verdict.recordings if one.whole]
    scores = judge.scores()
    return {
        "windows": len(scores),
        "windows_unlike": float(np.mean(scores > 0)) if len(scores) else 0.0,
        "recordings": len(whole),
        "recordings_unlike": sum(one.unlike > 0 for one in whole),
        "recordings_named": recordings_named,
        "said": verdict.lines("this part"),
    }


def trust_lines(trust: Mapping[str, Any]) -> list[str]:
    """Write for people what `trust_metrics` measured."""
    lines = []
    for one in trust.get("sets", ()):
        lines.append(
            f"label sets         {one['covered']:.1%} hold the truth where {one['asked']:.0%} is "
            f"asked (by person {one['worst_person']:.0%} to {one['best_person']:.0%}), "
            f"{one['labels']:.2f} labels each"
        )
    if curve := trust.get("risk_coverage"):
        few = next(one for one in curve if one["answered"] == 0.9)
        lines.append(
            f"risk               {curve[-1]['wrong']:.1%} wrong of all, {few['wrong']:.1%} of the "
            "surest 90 %"
        )
    if like := trust.get("likeness"):
        unit = "recordings" if like["recordings_named"] else "people, each one recording"
        lines.append(
            f"unlike training    {like['recordings_unlike']} of {like['recordings']} {unit}, "
            f"{like['windows_unlike']:.1%} of windows by themselves"
        )
        lines += like["said"]
    return lines
