"""Read the PhysioNet/CinC Challenge 2018 [Ghassemi et al. 2018]: nights of 994 people with stages.

Layout, as published: `training/tr03-0005/tr03-0005.hea`, `.mat` (WFDB, 13 signals at 200 Hz) and
`.arousal` (WFDB annotations). The 989 records of `test/` were published without stages and are not
read.

    modality   unit   rate     what
    eeg        uV     100 Hz   F3-M2, F4-M1, C3-M2, C4-M1, O1-M2, O2-M1
    eog        uV     100 Hz   E1-M2
    emg        uV     100 Hz   Chin1-Chin2
    ecg        mV     100 Hz   ECG
    resp       uV     10 Hz    ABD, CHEST, AIRFLOW

30 s. SaO2 is not read. Signals are filtered and brought from 200 Hz to these rates, so the EMG
above 50 Hz is lost. Samples that were not measured are NaN; a modality that lacks one of its
signals is absent, and that is counted. A record of 8 h takes about 100 MB in a store (112 kB a
window), and 1 GB of memory while it is read.

Stages are the `.arousal` annotations `W` wake, `N1`, `N2`, `N3` and `R` REM; each holds until the
next of them, the last until the record's end, and what lies before the first has no stage. The
marks of arousals and breath (`(arousal_rera`, `resp_hypopnea)` and others) are not read.

One record is one person: subject `tr03-0005`. The published test records have no labels, so there
is no published split: split by subject.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from sensor2llm.datasets.formats.wfdb_notes import Notes, read_notes
from sensor2llm.datasets.formats.wfdb_records import Signals, read_signals
from sensor2llm.datasets.published import find_root, possible_values, sampled_spec
from sensor2llm.datasets.sleep.sleep_stages import (
    EPOCH_S,
    LABELS,
    cut_from,
    epoch_times,
    stage_windows,
)
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger, RowCoverage
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.transforms import resample
from sensor2llm.signals.window import Annotation, Track, Window

SPEC = sampled_spec(
    {
        "eeg": (("F3-M2", "F4-M1", "C3-M2", "C4-M1", "O1-M2", "O2-M1"), "uV", 100.0),
        "eog": (("E1-M2",), "uV", 100.0),
        "emg": (("Chin1-Chin2",), "uV", 100.0),
        "ecg": (("ECG",), "mV", 100.0),
        "resp": (("ABD", "CHEST", "AIRFLOW"), "uV", 10.0),
    },
    EPOCH_S,
)
RECORD_HZ = 200.0
UNITS = {channel.name: channel.unit for m in SPEC.modalities for channel in m.channels}
STAGES = {"W": "wake", "N1": "N1", "N2": "N2", "N3": "N3", "R": "REM"}
DOWNLOAD = "https://physionet.org/content/challenge-2018/1.0.0/"


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the training records from the folder that holds (or is) `training`.

    Records are read one after another when their windows are taken.
    """
    options.allow("physionet2018")
    root = find_root(folder, ("training",), "tr*/tr*.hea", DOWNLOAD)
    records, ledger = sorted(p.with_suffix("") for p in root.glob("tr*/tr*.hea")), Ledger()
    return Reading(
        spec=SPEC,
        windows=(window for record in records for window in _windows(record, ledger)),
        source=f"PhysioNet/CinC Challenge 2018 (Ghassemi et al. 2018), ODC-By 1.0, {DOWNLOAD}",
        label_names=LABELS,
        ledger=ledger,
    )


def find_stages(record: str, notes: Notes, rate_hz: float, stop_s: float) -> tuple[Annotation, ...]:
    """Give the sleep stages among a record's annotations, by the rule of this module."""
    onsets = [
        (sample / rate_hz, STAGES[text])
        for sample, text in zip(notes.samples.tolist(), notes.texts, strict=True)
        if text in STAGES
    ]
    if notes.rate_hz not in (None, rate_hz):
        raise DataError(
            f"{record}.arousal counts {notes.rate_hz:g} samples a second and {record}.hea "
            f"{rate_hz:g}; download both again"
        )
    if not onsets:
        raise DataError(
            f"{record}.arousal has no sleep stage, expected {', '.join(STAGES)}; only the "
            "training records have stages"
        )
    times_s = [time_s for time_s, _ in onsets]
    spans = list(pairwise([*times_s, stop_s]))
    late = next((a for a, b in spans if a < 0 or b < a), None)
    if late is not None:
        raise DataError(
            f"{record}.arousal has a stage at {late:g} s, outside the record's 0 to {stop_s:g} s "
            "or not in order; download it again"
        )
    return tuple(
        Annotation(a, b, label) for (a, b), (_, label) in zip(spans, onsets, strict=True) if b > a
    )


def _windows(record: Path, ledger: Ledger) -> Iterator[Window]:
    marks = read_notes(record, "arousal")
    signals = read_signals(record, UNITS)
    if signals.rate_hz != RECORD_HZ:
        raise DataError(f"{record.name} is at {signals.rate_hz:g} Hz, expected {RECORD_HZ:g} Hz")
    stop_s = signals.values.shape[1] / signals.rate_hz
    stages = find_stages(record.name, marks, signals.rate_hz, stop_s)
    first_s = stages[0].start_s if stages else stop_s
    scored = [(0.0, first_s), *((stage.start_s, stage.stop_s) for stage in stages)]
    epochs = RowCoverage(np.sort(epoch_times(scored)))
    epochs.drop(-np.inf, first_s - 1e-6, "before the record's first stage")
    load = cut_from(_tracks(record.name, signals, ledger))
    return stage_windows(record.name, stages, load, SPEC, ledger, epochs)


def _tracks(record: str, signals: Signals, ledger: Ledger) -> dict[str, Track]:
    """Bring every modality to its rate; the whole record, so that no stage has an edge."""
    tracks = {}
    ledger.read("recordings")
    ledger.keep("recordings")
    for modality in SPEC.modalities:
        values = signals.rows(modality.channel_names)
        ledger.change("recordings", values is None, f"without all of {modality.name}")
        if values is not None:
            values = possible_values(record, values, modality, ledger)
            values = resample(values, signals.rate_hz, float(modality.rate_hz or 1.0))
            tracks[modality.name] = Track(modality=modality, values=values)
    return tracks
