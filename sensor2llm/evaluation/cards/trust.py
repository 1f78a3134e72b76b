"""How an adapter says no, for its card: what was measured of its limits on unseen people."""

from collections.abc import Mapping, Sequence
from typing import Any

SET_HEAD = ("asked", "held the truth", "worst and best person", "labels a set")
ALIKE = "devices that are worn (see Data) and turned as in training"
ANY_TURN = "devices that are worn as in training (see Data), any way round"
CANNOT = (
    "It does not say no: it keeps nothing of what training windows look like, and answers whatever "
    "it gets (`evaluate ADAPTER --data STORE --calibrate` mends it where labels are scored)"
)
RISK_HEAD = ("answered, the surest", "wrong of these")


def is_turn_free(manifest: Mapping[str, Any]) -> bool:
    """Say whether an adapter's encoder hears what no turn of the device changes."""
    return (manifest.get("encoder") or {}).get("orientation") == "turn_free"


def trust_section(
    metrics: Mapping[str, Any], *, turn_free: bool = False, gravity: Sequence[str] = ()
) -> dict[str, Any]:
    """Give the lines and tables of the section; where nothing was measured, that it cannot.

    Args:
        metrics: what `evaluate` wrote.
        turn_free: whether the encoder hears what no turn of the device changes.
        gravity: which way gravity lay in training, a line an accelerometer.
    """
    trust, where = metrics.get("trust"), ANY_TURN if turn_free else ALIKE
    if not trust:
        return {"command": "", "lines": [f"It may be used on {where}", CANNOT], "sets": []}
    sets = [
        [f"{one['asked']:.0%}", f"{one['covered']:.1%}",
         f"{one['worst_person']:.1%}, {one['best_person']:.1%}", f"{one['labels']:.2f}"]
        for one in trust.get("sets", ())
    ]  # fmt: skip
    risk = [
        [f"{one['answered']:.0%}", f"{one['wrong']:.1%}"] for one in trust.get("risk_coverage", ())
    ]
    return {
        "command": metrics.get("calibration_command", ""),
        "lines": [
            *_calibration_lines(metrics, trust),
            *_likeness_lines(trust, where, turn_free),
            *gravity,
        ],
        "sets": sets,
        "set_head": SET_HEAD,
        "risk": risk,
        "risk_head": RISK_HEAD,
    }


def _calibration_lines(metrics: Mapping[str, Any], trust: Mapping[str, Any]) -> list[str]:
    if "temperature" not in trust:
        return []
    made = trust["calibrated_on"]
    return [
        f"Scores are divided by {trust['temperature']:.2f}, chosen on {made['windows']:,} windows "
        f"of {made['people']} validation people; expected calibration error on unseen people "
        f"{metrics['calibration_error']:.3f}",
        "`classify --abstain RISK` says unknown where more of the labels would be wrong than that",
    ]


def _likeness_lines(trust: Mapping[str, Any], where: str, turn_free: bool) -> list[str]:
    like = trust.get("likeness")
    if not like:
        return []
    unit = "recordings" if like["recordings_named"] else "people, whose windows count as one each"
    lines = [
        f"It may be used on {where}: what those windows look like is kept, and a recording of 20 "
        "windows or more that is unlike them is said to be, with the reason (`unlike`); "
        "`--abstain` then says unknown throughout",
        f"Unseen people wrongly called unlike: {like['recordings_unlike']} of "
        f"{like['recordings']} {unit}; {like['windows_unlike']:.1%} of single windows",
    ]
    if not turn_free:
        lines.append("`fit-axes ADAPTER FILE` proposes how a device's axes are to be turned")
    return lines
