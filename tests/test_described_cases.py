"""What people have in their hands is read rightly once its description says what it is.

`test_cases` says in which line each of these files is refused as it was described at first; here
the description has the key that it lacked.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sensor2llm.prepare import main
from sensor2llm.signals.store.store import WindowStore
from tests.test_cases import PREPARED, Read, case

__all__ = ["case"]

AXES = {"x": "m/s^2", "y": "m/s^2", "z": "m/s^2"}
G_COUNTS = [{"column": axis, "unit": "g", "scale": 1 / 64} for axis in "xyz"]
MS2_COUNTS = [{"column": axis, "unit": "m/s^2", "scale": 9.80665 / 2048} for axis in "xyz"]

# Case -> the keys that its description lacked, those of its modality, and what the store holds.
DESCRIBED: dict[str, tuple[dict[str, Any], dict[str, Any], Read]] = {
    "A01_actigraph_header": (
        {"skip_rows": 10, "time": {"column": "Timestamp", "unit": "dmy"}}, {},
        Read(mean=(0.0, 0.05, 1.0)),
    ),
    "A02_semicolon_comma": ({"decimal": ","}, {}, Read()),
    "A09_comment_lines": ({"comment": "#"}, {}, Read()),
    "A10_units_row": ({"units_row": True}, {}, Read()),
    "A11_e4_acc": (
        {"skip_rows": 2, "names": ["x", "y", "z"],
         "time": {"rate_hz": 32, "start": {"head": r"^(\d+\.\d+)"}, "unit": "s"}},
        {"columns": G_COUNTS},
        Read(labels={None: 20}, mean=(0.0, 0.05, 1.0)),
    ),
    "A14_headerless": (
        {"names": ["time", "x", "y", "z"]}, {},
        Read(labels={None: 2}, mean=(0.82, -0.34, -0.55)),
    ),
    "A18_duplicate_names": (
        {"names": ["time", "person", "activity", "x", "y", "z", "gx", "gy", "gz"], "skip_rows": 1},
        {}, Read(),
    ),
    "A27_minus999": (
        {"missing": [-999]}, {}, Read(labels={"walking": 4, "resting": 5}, mean=(0.0, 0.55, 9.81)),
    ),
    "A29_absolute_pattern": ({"files": "{folder}/*.csv"}, {}, Read()),
    "B06_excel_serial": ({"time": {"column": "time", "unit": "days"}}, {}, Read()),
    "C04_labels_onehot": ({"labels": ["walking", "resting"]}, {}, Read()),
    "C08_X_y": ({"label": "y"}, {"array": "X"}, Read()),
    "C09_int16": ({}, {"columns": MS2_COUNTS}, Read()),
    "C12_npz_g_said_ms2": ({}, {"columns": dict.fromkeys("xyz", "g")}, Read(mean=(0.0, 0.05, 1.0))),
}  # fmt: skip
# What no key can mend: the file has lost it, or has none of it.
LOST = {
    "B20j_parquet_unit_float32": "its times are float32: a stamp every 128 s",
    "C09d_bool_object": "windows of different lengths, pickled",
    "C25_xlsx": "four bytes of a workbook",
    "E06_edf_plus_d": "no table of one's own",
}


def test_every_refused_case_is_described_or_lost():
    refused = {name for name, expected in PREPARED.items() if isinstance(expected, str)}
    assert refused == {*DESCRIBED, *LOST}


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_refused_file_is_read_with_the_key_that_it_lacked(case, name):
    folder, (changes, own, expected) = case("reports", name), DESCRIBED[name]
    path = folder / "t.yaml"
    plain = yaml.safe_load(path.read_text(encoding="utf-8")) | changes
    plain["files"] = plain["files"].format(folder=Path.cwd())
    plain["modalities"] = {"wrist": plain["modalities"]["wrist"] | own}
    path.chmod(0o644)
    path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    assert main(["t.yaml", "--out", "store", "--picture", "none"]) == 0
    store = WindowStore.open(folder / "store")
    windows = list(store)
    assert Counter(window.label for window in windows) == expected.labels
    assert {window.subject for window in windows} == {"p1"}
    values = np.concatenate([window.signals["wrist"] for window in windows], axis=1)
    np.testing.assert_allclose(values.mean(axis=1), expected.mean, atol=0.06)
    assert store.ledger.unbalanced() == {}


def test_the_first_stamp_of_a_header_is_the_time_of_the_first_row(case):
    test_a_refused_file_is_read_with_the_key_that_it_lacked(case, "A11_e4_acc")
    assert WindowStore.open(Path("store"))[1].start_s == 1544027337 + 5
