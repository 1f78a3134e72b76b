"""Read intervals between beats as two rhythms: normal rhythm and atrial fibrillation.

    python -m sensor2llm.prepare af_rhythm --from rr/afdb --out stores/af_rhythm

Layout: MIT-BIH AF, as published or as text (see `afdb`), or one beat a line with the rhythm behind
it (`04015.txt`, see `rr_intervals`).

    modality   unit   axis                         what
    rr         ms     event: 60 beats a window     time from the beat before

Windows of other rhythms (flutter, junctional rhythm) are dropped and counted. Recorders differ in
their clocks (250 Hz, 128 Hz), so beats are moved to the nearest tick of one of 128 Hz: no grid
tells data sets apart.

Half of the normal windows come a second time with premature beats (`premature_beats`), as windows
of `RECORD~simulated`: they teach wherever the record teaches, and nobody is judged on them.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from sensor2llm.datasets.heart import afdb, rr_intervals
from sensor2llm.datasets.heart.beat_intervals import SPEC
from sensor2llm.datasets.heart.premature_beats import PATTERNS, with_premature_beats
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.splits.people import simulated_of
from sensor2llm.signals.window import Window

SOURCE = (
    "MIT-BIH Atrial Fibrillation as two rhythms (Moody & Mark 1983), ODC-By 1.0, "
    "https://physionet.org/content/afdb/1.0.0/"
)
NORMAL, FIBRILLATION = afdb.LABELS["(N"], afdb.LABELS["(AFIB"]
LABELS = (NORMAL, FIBRILLATION)
NAMES = {"N": NORMAL, NORMAL: NORMAL, "AFIB": FIBRILLATION, FIBRILLATION: FIBRILLATION}
"""The readers' labels that are used, and what they are called here."""
GRID_HZ = 128.0
SIMULATED_EVERY = 2
SEED = 17


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the records, and make windows with premature beats of some normal ones.

    Raises:
        ConfigError: For an option that this data set does not have.
        DataError: For files that are not as described.
    """
    options.allow("af_rhythm", "overlap")
    reading = read_beats(folder, options)
    ledger = reading.ledger
    return replace(
        reading,
        spec=SPEC,
        windows=with_simulated(two_rhythms(reading.windows, ledger), ledger),
        label_names=LABELS,
        source=SOURCE,
    )


def read_beats(folder: Path, options: SourceOptions) -> Reading:
    """Read a folder of WFDB annotations or their dumps (`afdb`), else of text (`rr_intervals`)."""
    annotated = any(folder.glob("*.atr")) or any(folder.glob("atr*.txt"))
    if annotated:
        return afdb.read(folder, options)
    plain = SourceOptions(overlap=options.overlap)
    reading = rr_intervals.read(folder, plain)
    return replace(reading, source=f"{reading.source}, ODC-By 1.0")


def two_rhythms(windows: Iterator[Window], ledger: Ledger) -> Iterator[Window]:
    """Give the windows of the two rhythms on one grid; count the others by their label."""
    for window in windows:
        label = NAMES.get(window.label or "")
        if label is None:
            ledger.discard("windows", 1, f"of {window.label or 'no rhythm noted'}")
        else:
            yield on_grid(window, label)


def with_simulated(windows: Iterator[Window], ledger: Ledger) -> Iterator[Window]:
    """Give the windows, and some normal ones of theirs again with premature beats."""
    patterns, generator = itertools.cycle(PATTERNS), np.random.default_rng(SEED)
    normal = 0
    for window in windows:
        yield window
        if window.label != NORMAL:
            continue
        normal += 1
        if normal % SIMULATED_EVERY == 0:
            ledger.read("windows")
            ledger.keep("windows")
            ledger.change("windows", 1, "made of others, with simulated premature beats")
            yield simulated(window, next(patterns), generator)


def simulated(window: Window, pattern: str, generator: np.random.Generator) -> Window:
    """Give a normal window with premature beats, on the grid, as a simulated person's."""
    intervals = with_premature_beats(window.signals["rr"][0], pattern, generator)
    made = replace(
        window, signals={"rr": intervals[None]}, subject=simulated_of(window.subject or "")
    )
    return on_grid(made, NORMAL)


def on_grid(window: Window, label: str | None, rate_hz: float = GRID_HZ) -> Window:
    """Give a window with its beats at the nearest tick of a clock, and this label."""
    return replace(window, signals={"rr": ticked(window.signals["rr"], rate_hz)}, label=label)


def ticked(
    intervals_ms: Float[np.ndarray, "*batch beat"], rate_hz: float
) -> Float[np.ndarray, "*batch beat"]:
    """Move beats to the nearest tick of a clock; give the intervals between them, in ms.

    The first interval starts on a tick. Intervals that were counted at `rate_hz` stay as they are.
    """
    times_s = np.cumsum(np.asarray(intervals_ms, np.float64), axis=-1) / 1000
    ticks = np.rint(times_s * rate_hz)
    return np.diff(ticks, axis=-1, prepend=0.0) * (1000 / rate_hz)
