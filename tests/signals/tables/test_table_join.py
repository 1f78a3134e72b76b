"""Several files a person: sensors joined on time, and labels that stand in a file of their own."""

import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.tables.windows import read_windows
from tests.signals.tables.tables import describe, read, windows

ACCEL, GYRO = 50.0, 20.0
# Both sensors measure the time itself, so that a window shows whether they were put together right.
DEVICES = {
    "files": None,
    "time": {"column": "t", "unit": "s"},
    "subject": {"file": r"(p\d)"},
    "label": None,
    "modalities": {
        "accel": {"files": "*_acc.csv", "rate_hz": ACCEL, "columns": {"x": "1"}},
        "gyro": {"files": "*_gyr.csv", "rate_hz": GYRO, "columns": {"x": "1"}},
    },
}
NOTES = {"file": "labels.csv", "start": "start", "stop": "stop", "label": "what"}


def series(path: Path, rate: float, start_s: float = 0.0, stop_s: float = 8.0, clock=0.0) -> None:
    """Write a sensor that measures the true time; its clock is `clock` seconds ahead."""
    times = np.arange(start_s, stop_s, 1 / rate)
    rows = [f"{time + clock:.3f},{time:.3f}" for time in times]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["t,x", *rows]) + "\n")


def devices(folder: Path, people=("p1",), clock: float = 0.0) -> None:
    for person in people:
        series(folder / f"{person}_acc.csv", ACCEL)
        series(folder / f"{person}_gyr.csv", GYRO, clock=clock)


def check_together(found: list) -> None:
    for window in found:
        for values, rate in ((window.signals["accel"], ACCEL), (window.signals["gyro"], GYRO)):
            times = window.start_s + np.arange(values.shape[1]) / rate
            np.testing.assert_allclose(values[0], times, atol=1.5 / rate)


def test_a_file_a_device_is_joined_on_time_person_by_person(tmp_path: Path):
    devices(tmp_path, ("p1", "p2"))
    reading, found = read(tmp_path, **DEVICES)
    assert [(w.subject, w.start_s) for w in found] == [
        (person, start) for person in ("p1", "p2") for start in (0, 2, 4, 6)
    ]
    check_together(found)
    assert reading.ledger.unbalanced() == {}
    assert reading.source == "table.yaml: 4 files"


def test_a_clock_that_is_ahead_is_set_back_by_its_offset(tmp_path: Path):
    devices(tmp_path, clock=3600.0)
    gyro = DEVICES["modalities"]["gyro"]
    for own in ({"offset_s": -3600}, {"time": DEVICES["time"] | {"offset_s": -3600}}):
        modalities = DEVICES["modalities"] | {"gyro": gyro | own}
        found = windows(tmp_path, **DEVICES | {"modalities": modalities})
        assert len(found) == 4
        check_together(found)


def test_sensors_that_are_never_on_together_are_told(tmp_path: Path, caplog):
    devices(tmp_path, clock=3600.0)
    with caplog.at_level(logging.WARNING):
        found = windows(tmp_path, **DEVICES)
    assert [sorted(w.signals) for w in found] == [["accel"]] * 4 + [["gyro"]] * 4
    assert "accel of p1 is from 0 to 7.98 s, and no other sensor is on then" in caplog.text


def test_a_person_without_a_file_of_a_sensor_is_told(tmp_path: Path, caplog):
    devices(tmp_path, ("p1", "p2"))
    (tmp_path / "p2_gyr.csv").unlink()
    with caplog.at_level(logging.WARNING):
        found = windows(tmp_path, **DEVICES)
    assert [sorted(w.signals) for w in found] == [["accel", "gyro"]] * 4 + [["accel"]] * 4
    assert "p2 has no file of gyro (*_gyr.csv): no window of this person has it" in caplog.text


def test_files_of_one_device_follow_each_other_and_a_pause_of_one_is_a_missing_sensor(
    tmp_path: Path,
):
    series(tmp_path / "p1_a_acc.csv", ACCEL, 4.0, 8.0)
    series(tmp_path / "p1_b_acc.csv", ACCEL, 0.0, 4.0)
    series(tmp_path / "p1_gyr.csv", GYRO, 0.0, 4.0)
    reading, found = read(tmp_path, **DEVICES)
    assert [w.start_s for w in found] == [0, 2, 4, 6]
    assert ["gyro" in w.signals for w in found] == [True, True, False, False]
    assert reading.ledger["windows"].changed == {"without gyro, more than 5% missing": 2}


def test_files_of_one_device_at_the_same_time_are_refused(tmp_path: Path):
    devices(tmp_path)
    series(tmp_path / "p1_left_acc.csv", ACCEL)
    with pytest.raises(
        DataError, match=r"p1_acc\.csv and p1_left_acc\.csv of p1 hold the same sen"
    ):
        windows(tmp_path, **DEVICES)


def test_people_may_stand_in_a_column_and_in_any_order(tmp_path: Path):
    devices(tmp_path, ("p1", "p2"))
    for sensor in ("acc", "gyr"):
        rows = []
        for person in ("p1", "p2"):
            path = tmp_path / f"{person}_{sensor}.csv"
            rows += [f"{row},{person}" for row in path.read_text().splitlines()[1:]]
            path.unlink()
        # Interleaved: the rows of both people at one time beside each other.
        half = len(rows) // 2
        mixed = [row for pair in zip(rows[:half], rows[half:], strict=True) for row in pair]
        (tmp_path / f"all_{sensor}.csv").write_text("\n".join(["t,x,who", *mixed]) + "\n")
    found = windows(tmp_path, **DEVICES | {"subject": {"column": "who"}})
    assert [w.subject for w in found] == ["p1"] * 4 + ["p2"] * 4
    check_together(found)


def test_one_file_may_hold_two_clocks_beside_each_other(tmp_path: Path):
    times = np.arange(0, 8, 1 / ACCEL)
    slow = np.arange(0, 8, 1 / GYRO)
    rows = [f"{t:.3f},{t:.3f}," + (f"{slow[i]:.3f},{slow[i]:.3f}" if i < len(slow) else ",")
            for i, t in enumerate(times)]  # fmt: skip
    (tmp_path / "p1.csv").write_text("\n".join(["t,x,tg,xg", *rows]) + "\n")
    modalities = {
        "accel": {"rate_hz": ACCEL, "columns": {"x": "1"}},
        "gyro": {"rate_hz": GYRO, "columns": {"xg": "1"}, "time": {"column": "tg", "unit": "s"}},
    }
    found = windows(tmp_path, **DEVICES | {"files": "p1.csv", "modalities": modalities})
    assert len(found) == 4
    check_together(found)


def test_a_layout_may_be_a_sensors_own_and_files_may_lie_in_an_archive(tmp_path: Path):
    devices(tmp_path)
    text = (tmp_path / "p1_gyr.csv").read_text().replace(",", ";").replace(".", ",")
    (tmp_path / "p1_gyr.csv").write_text("exported\n" + text)
    own = {"delimiter": ";", "decimal": ",", "skip_rows": 1}
    modalities = DEVICES["modalities"] | {"gyro": DEVICES["modalities"]["gyro"] | own}
    check_together(windows(tmp_path, **DEVICES | {"modalities": modalities}))
    with zipfile.ZipFile(tmp_path / "walks.zip", "w") as stored:
        for sensor in ("acc", "gyr"):
            stored.write(tmp_path / f"p1_{sensor}.csv", f"day1/p1/{sensor}.csv")
            (tmp_path / f"p1_{sensor}.csv").unlink()
    for name, file in (("accel", "acc"), ("gyro", "gyr")):
        modalities[name] = modalities[name] | {"files": f"walks.zip/**/{file}.csv"}
    found = windows(tmp_path, **DEVICES | {"modalities": modalities})
    assert [w.subject for w in found] == ["p1"] * 4
    check_together(found)


def notes(folder: Path, *rows: str, head: str = "start,stop,what") -> None:
    (folder / "labels.csv").write_text("\n".join([head, *rows]) + "\n")


@pytest.mark.parametrize(
    ("rows", "head", "keys"),
    [
        (("0,4,walking", "4,8,sitting"), "start,stop,what", {}),
        (("4,8,sitting", "0,4,walking"), "start,stop,what", {}),
        (("0,4,walking", "4,4,sitting"), "start,long,what", {"stop": None, "duration": "long"}),
        (("0,4000,walking", "4,4000,sitting"), "start,long,what",
         {"stop": None, "duration": "long", "duration_unit": "ms"}),
        (("0,walking", "4,sitting"), "start,what", {"stop": None}),
        (("0,walking", "4,sitting", "8,"), "start,what", {"stop": None}),
        (("0,walking", "4,sitting"), "start,what", {"stop": None, "lasts_s": 4}),
        (("0,4000,walking", "4000,8000,sitting"), "start,stop,what", {"unit": "ms"}),
        (("10,14,walking", "14,18,sitting"), "start,stop,what", {"offset_s": -10}),
        (("00:00:00,00:00:04,walking", "00:00:04,00:00:08,sitting"), "start,stop,what",
         {"format": "%H:%M:%S"}),
        (("0;4;walking", "4;8;sitting"), "start;stop;what", {"delimiter": ";"}),
    ],
)  # fmt: skip
def test_labels_come_from_intervals_or_events(tmp_path: Path, rows, head, keys):
    devices(tmp_path)
    notes(tmp_path, *rows, head=head)
    given = {key: value for key, value in (NOTES | keys).items() if value is not None}
    reading, found = read(
        tmp_path, **DEVICES | {"annotations": given | {"subject": {"value": "p1"}}}
    )
    assert [w.label for w in found] == ["walking", "walking", "sitting", "sitting"]
    assert reading.ledger["labels"].kept == 2
    assert reading.ledger.unbalanced() == {}


def test_labels_of_each_person_and_those_of_nobody_are_counted(tmp_path: Path):
    devices(tmp_path, ("p1", "p2"))
    notes(tmp_path, "0,8,walking,p1", "0,8,sitting,p2", "0,8,lying,p3", "20,30,walking,p1",
          head="start,stop,what,who")  # fmt: skip
    reading, found = read(tmp_path, **DEVICES | {"annotations": NOTES | {"subject": "who"}})
    assert [(w.subject, w.label) for w in found] == [("p1", "walking")] * 4 + [
        ("p2", "sitting")
    ] * 4
    assert reading.ledger["labels"].read == 4
    assert reading.ledger["labels"].dropped == {"outside the recordings of their person": 2}


def test_labels_of_a_file_a_person_count_from_the_first_row(tmp_path: Path):
    for person, start in (("p1", 100.0), ("p2", 500.0)):
        series(tmp_path / f"{person}_acc.csv", ACCEL, start, start + 8)
        series(tmp_path / f"{person}_gyr.csv", GYRO, start, start + 8)
        (tmp_path / f"{person}_labels.csv").write_text(f"start,stop,what\n0,4,{person} walks\n")
    keys = NOTES | {"file": "*_labels.csv", "relative": True}
    found = windows(tmp_path, **DEVICES | {"annotations": keys})
    assert [w.label for w in found] == ["p1 walks"] * 2 + [None] * 2 + ["p2 walks"] * 2 + [None] * 2


def test_intervals_label_the_rows_of_a_single_table_too(tmp_path: Path):
    devices(tmp_path)
    notes(tmp_path, "0,4,1", "4,8,2")
    one = DEVICES | {"files": "p1_acc.csv", "annotations": NOTES, "labels": {1: "walk", 2: "sit"},
                     "subject": {"value": "me"}}  # fmt: skip
    one["modalities"] = {"accel": {"rate_hz": ACCEL, "columns": {"x": "1"}}}
    reading, found = read(tmp_path, **one)
    assert [w.label for w in found] == ["walk", "walk", "sit", "sit"]
    assert reading.label_names == ("walk", "sit")


def test_labels_that_do_not_say_whose_they_are_serve_one_person_only(tmp_path: Path):
    path = tmp_path / "all.csv"
    rows = [f"{i / ACCEL:.3f},1,{who}" for who in ("anna", "bo") for i in range(400)]
    path.write_text("\n".join(["t,x,who", *rows]) + "\n")
    notes(tmp_path, "0,8,walking")
    one = {"files": "all.csv", "time": DEVICES["time"], "subject": "who", "label": None,
           "annotations": NOTES,
           "modalities": {"accel": {"rate_hz": ACCEL, "columns": {"x": "1"}}}}  # fmt: skip
    with pytest.raises(
        DataError, match=r"labels\.csv does not say whose labels it holds, and there"
    ):
        windows(tmp_path, **one)
    path.write_text("\n".join(["t,x,who", *rows[:400]]) + "\n")
    assert {w.label for w in windows(tmp_path, **one)} == {"walking"}


def test_a_class_is_left_out_and_counted(tmp_path: Path):
    devices(tmp_path)
    notes(tmp_path, "0,4,walking", "4,8,transition")
    keys = {"annotations": NOTES | {"subject": {"value": "p1"}}, "exclude": ["transition"]}
    reading, found = read(tmp_path, **DEVICES | keys)
    assert [w.label for w in found] == ["walking"] * 2
    assert reading.ledger["windows"].dropped == {"of 'transition', which is left out": 2}
    assert reading.ledger["rows"].dropped["of 'transition', which is left out"] > 0
    # A class that is left out needs no text.
    reading, found = read(tmp_path, **DEVICES | keys | {"labels": {"walking": "walks"}})
    assert [w.label for w in found] == ["walks"] * 2
    assert reading.label_names == ("walks",)


@pytest.mark.parametrize(
    ("rows", "keys", "error", "message"),
    [
        (("4,0,walking",), {}, DataError, "row 1, column 'stop': the label stops before it starts"),
        (("a,1,walking",), {}, DataError, "row 1, column 'start': 'a' is not a number"),
        (("0,,walking",), {}, DataError, "row 1, column 'stop': the time is missing"),
        (("0,1,walking",), {"label": "who"}, DataError, "no column 'who'; it has start, stop"),
        (("0,1,walking",), {"file": "no.csv"}, DataError, "no file fits 'no.csv'"),
        (("0,1,walking",), {"lasts_s": 3}, SpecError, "annotations have stop and lasts_s; one"),
        (("0,1,walking",), {"ends": "x"}, SpecError, "annotations: unknown key 'ends'; choose"),
        (("0,1,walking",), {"start": None}, SpecError, "annotations: the key 'start' is missing"),
        (("0,1,walking",), {"duration_unit": "h"}, SpecError, "unknown duration_unit 'h'; choose"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be(tmp_path: Path, rows, keys, error, message):
    devices(tmp_path)
    notes(tmp_path, *rows)
    given = NOTES | {"subject": {"value": "p1"}} | keys
    with pytest.raises(error, match=message):
        windows(tmp_path, **DEVICES | {"annotations": given})


def test_a_label_may_stand_in_the_path(tmp_path: Path):
    for label in ("walk", "sit"):
        series(tmp_path / label / "p1.csv", ACCEL, 0, 2)
    accel = {"accel": {"rate_hz": ACCEL, "columns": {"x": "1"}}}
    one = DEVICES | {"files": "**/*.csv", "modalities": accel}
    found = windows(tmp_path, **one | {"label": {"file": "(walk|sit)"}})
    assert [w.label for w in found] == ["sit", "walk"]
    assert {w.label for w in windows(tmp_path, **one | {"label": {"value": "rest"}})} == {"rest"}
    with pytest.raises(DataError, match=r"label \{file: \(run\)\} does not fit the file's name"):
        windows(tmp_path, **one | {"label": {"file": "(run)"}})
    with pytest.raises(SpecError, match=r"label must be one of \{column: NAME\}"):
        windows(tmp_path, **one | {"label": {"path": "x"}})


def test_sensors_in_files_that_are_not_joined_are_told(tmp_path: Path, caplog):
    series(tmp_path / "p1_acc.csv", ACCEL)
    text = (tmp_path / "p1_acc.csv").read_text().replace("t,x", "t,turn")
    (tmp_path / "p1_gyr.csv").write_text(text)
    modalities = {
        name: {"rate_hz": ACCEL, "columns": {column: "1"}, "optional": True}
        for name, column in (("accel", "x"), ("gyro", "turn"))
    }
    one = DEVICES | {"files": "*.csv", "modalities": modalities}
    with caplog.at_level(logging.WARNING):
        found = windows(tmp_path, **one)
    assert [sorted(w.signals) for w in found] == [["accel"]] * 4 + [["gyro"]] * 4
    assert "p1_acc.csv has accel and p1_gyr.csv has gyro of p1 at the same time" in caplog.text


def test_joined_files_are_cut_for_an_adapter_too(tmp_path: Path):
    devices(tmp_path)
    spec = read(tmp_path, **DEVICES)[0].spec
    notes(tmp_path, "0,8,walking")
    path = describe(tmp_path, **DEVICES | {"annotations": NOTES | {"subject": {"value": "p1"}}})
    found = list(read_windows(path, spec.subset(["gyro", "accel"])).windows)
    assert [(w.subject, w.label, w.start_s) for w in found] == [
        ("p1", None, start) for start in (0, 2, 4, 6)
    ]
    check_together(found)


def test_labels_may_stand_in_the_rows_of_one_device(tmp_path: Path):
    devices(tmp_path)
    lines = (tmp_path / "p1_gyr.csv").read_text().splitlines()
    labelled = [lines[0] + ",what", *(line + ",sitting" for line in lines[1:])]
    (tmp_path / "p1_gyr.csv").write_text("\n".join(labelled) + "\n")
    found = windows(tmp_path, **DEVICES | {"label": "what"})
    assert [w.label for w in found] == ["sitting"] * 4
    check_together(found)
    with pytest.raises(
        DataError, match="no file of any sensor has the column 'which' of the label"
    ):
        windows(tmp_path, **DEVICES | {"label": "which"})


def test_annotations_are_for_rows(tmp_path: Path):
    notes(tmp_path, "0,8,walking")
    np.savez(tmp_path / "d.npz", accel=np.zeros((2, 1, 100)))
    one = DEVICES | {"files": "d.npz", "time": None, "annotations": NOTES | {"unit": "s"},
                     "modalities": {"accel": {"rate_hz": ACCEL, "columns": {"x": "1"}}},
                     "subject": {"value": "me"}}  # fmt: skip
    with pytest.raises(
        DataError, match=r"d\.npz holds ready windows, and annotations are for rows"
    ):
        windows(tmp_path, **one)
    with pytest.raises(
        SpecError, match="with rows: windows each row has its label and all sensors"
    ):
        windows(tmp_path, **one | {"rows": "windows"})
    with pytest.raises(SpecError, match="annotations need the unit of their start"):
        windows(tmp_path, **one | {"annotations": NOTES})
