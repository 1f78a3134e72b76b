"""Sleep-EDF's hypnograms: what they say of every moment, and whose clock they follow."""

from sensor2llm.datasets.formats.edf_files import EdfFile
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.window import Annotation

DAY_S = 86_400.0
STAGES = {
    "Sleep stage W": "wake",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage R": "REM",
}
UNSCORED = ("Sleep stage ?", "Movement time")


def read_stages(file: EdfFile) -> list[Annotation]:
    """Read what a hypnogram says of every moment, in its own words and in order."""
    name, stages, until_s = file.header.path.name, [], -DAY_S
    for onset, duration, text in file.annotations():
        if text not in STAGES and text not in UNSCORED:
            stages_of = ", ".join([*STAGES, *UNSCORED])
            raise DataError(
                f"{name}: unknown stage {text[:40]!r} at {onset:g} s, expected {stages_of}"
            )
        if onset < until_s - 1e-6 or not duration >= 0:
            raise DataError(
                f"{name}: {text!r} at {onset:g} s begins before {until_s:g} s, where the stage "
                "before it ends; download it again"
            )
        until_s = onset + duration
        stages.append(Annotation(onset, until_s, text))
    if until_s > 2 * DAY_S:
        raise DataError(f"{name}: stages up to {until_s:g} s, expected a night; download it again")
    return stages


def clock_shift_s(recording: EdfFile, hypnogram: EdfFile, ledger: Ledger) -> float:
    """Give how many seconds after the recording the hypnogram's clock starts."""
    starts = [file.header.started for file in (recording, hypnogram)]
    names = [file.header.path.name for file in (recording, hypnogram)]
    for start, name in zip(starts, names, strict=True):
        if start is None:
            raise DataError(
                f"{name} names no date and time at which it starts, so that nothing says which "
                "stage is when; download it again"
            )
    shift_s = (starts[1] - starts[0]).total_seconds() if starts[0] and starts[1] else 0.0
    if abs(shift_s) >= DAY_S:
        raise DataError(
            f"{names[1]} starts at {starts[1]} and {names[0]} at {starts[0]}: they are not of one "
            "night; download both again"
        )
    ledger.change("recordings", shift_s != 0, f"with stages moved by {shift_s:g} s, as the "
                  "hypnogram's clock says")  # fmt: skip
    return shift_s
