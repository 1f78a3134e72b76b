"""--map: which of a device's sensors, columns and axes stand for an adapter's."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from sensor2llm.errors import ConfigError, DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.data_map import SAME, axis_name, parse_map
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.named_columns import propose_map
from sensor2llm.signals.window import Window


def spec_of(name: str, prefix: str = "") -> SignalSpec:
    channels = tuple(Channel(name=f"{prefix}{axis}", unit="g") for axis in "xyz")
    return SignalSpec(modalities=(Modality(name=name, channels=channels, steps=8, rate_hz=4.0),))


SPEC = spec_of("total_acc", "total_acc_")
UCI_HAR = ("body_acc", "body_gyro", "total_acc")
VALUES = np.arange(24, dtype=np.float32).reshape(3, 8) / 24


def table(path, names):
    columns = {"time_s": np.arange(8) / 4.0, **dict(zip(names, VALUES, strict=True))}
    pyarrow.csv.write_csv(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    "names",
    [
        ("w.x", "w.y", "w.z"),
        ("w_x", "w_y", "w_z"),
        ("wx", "wy", "wz"),
        ("w.w_x", "w.w_y", "w.w_z"),
        ("w.total_acc_x", "w.total_acc_y", "w.total_acc_z"),
    ],
)
@pytest.mark.parametrize("prefix", ["total_acc_", "a", ""])
def test_a_sensor_of_another_name_is_read_from_its_columns(tmp_path, names, prefix):
    spec = spec_of("total_acc", prefix)
    names = [name.replace("total_acc_", prefix) for name in names]
    file = table(tmp_path / "walk.csv", names)
    (window,) = parse_map(["total_acc=w", "total_acc.x=y", "total_acc.y=x"], spec).read(file, spec)
    np.testing.assert_allclose(window.signals["total_acc"], VALUES[[1, 0, 2]])


def test_channels_that_are_no_axes_keep_their_names():
    channels = tuple(Channel(name=name, unit="1") for name in ("steps", "speed", "s"))
    own = Modality(name="s", channels=channels, steps=8, rate_hz=4.0)
    assert [axis_name(own, name) for name in own.channel_names] == ["steps", "speed", "s"]


def test_axes_are_turned_and_columns_named_one_by_one(tmp_path):
    file = table(tmp_path / "walk.csv", ("right", "up", "on"))
    words = ["total_acc.x=-up", "total_acc.y=right", "total_acc.z=on"]
    (window,) = parse_map(words, SPEC).read(file, SPEC)
    np.testing.assert_allclose(window.signals["total_acc"], VALUES[[1, 0, 2]] * [[-1], [1], [1]])


@pytest.mark.parametrize(
    "words", [["total_acc.x=-y", "total_acc.y=x"], ["total_acc.total_acc_x=-y", "total_acc.y=x"]]
)
def test_axes_of_the_same_sensor_are_turned(words):
    data_map = parse_map(words, SPEC)
    turned = data_map.turn(Window({"total_acc": VALUES}))
    np.testing.assert_allclose(turned.signals["total_acc"], VALUES[[1, 0, 2]] * [[-1], [1], [1]])
    assert data_map.words(SPEC, {}) == ["total_acc.x=-y", "total_acc.y=x", "total_acc.z=z"]
    assert data_map.words(SPEC, {"total_acc.total_acc_y": "up"})[0] == "total_acc.x=-up"


def test_a_stores_sensor_is_mapped_and_its_unit_converted(tmp_path):
    theirs = spec_of("wrist")
    windows = [Window({"wrist": VALUES + i}, "s1", None, float(i)) for i in range(3)]
    store = WindowStore.write(tmp_path / "store", theirs, windows)
    rows, windows = parse_map(["total_acc=wrist"], SPEC).read_rows(
        store.path, SPEC, Ledger(), [1, 2]
    )
    read = list(windows)
    assert rows == [1, 2]
    np.testing.assert_allclose(read[0].signals["total_acc"], VALUES + 1)
    assert len(read) == 2


def test_nothing_is_changed_without_words():
    window = Window({"total_acc": VALUES})
    assert SAME.turn(window) is window
    assert parse_map([], SPEC) == SAME


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["total_acc"], ConfigError, "cannot read --map 'total_acc'; write SENSOR=SENSOR"),
        (["=y"], ConfigError, "cannot read --map '=y'"),
        (["gyro=y"], SpecError, "unknown modality 'gyro'; the spec has total_acc"),
        (["total_acc.q=y"], SpecError, "'total_acc' has no axis 'q'; it has x, y, z"),
        (["total_acc.x=-y"], ConfigError, "two axes of 'total_acc' would be one and the same"),
    ],
)
def test_what_cannot_be_is_one_line(words, error, message):
    with pytest.raises(error, match=message):
        parse_map(words, SPEC)


def test_a_sensor_that_the_file_lacks_is_named(tmp_path):
    file = table(tmp_path / "walk.csv", ("a", "b", "c"))
    with pytest.raises(DataError, match=r"no column 'x' of 'w', such as 'w.x'; there are time_s"):
        list(parse_map(["total_acc=w"], SPEC).read(file, SPEC))


def test_what_names_its_sensors_itself_is_not_renamed(tmp_path):
    np.savez(tmp_path / "w.npz", total_acc=VALUES[None])
    with pytest.raises(ConfigError, match=r"w.npz names its sensors itself"):
        parse_map(["total_acc=w"], SPEC).read(tmp_path / "w.npz", SPEC)


@pytest.mark.parametrize(
    ("theirs", "proposal"),
    [
        (("gravity", "rotationRate", "userAcceleration"),
         "body_acc=userAcceleration body_gyro=rotationRate"),
        (("accelerometer", "gyroscope"), "total_acc=accelerometer body_gyro=gyroscope"),
        (("linear_acc", "accel"), "body_acc=linear_acc total_acc=accel"),
        (("a", "b"), "S=a, S of body_acc, body_gyro, total_acc"),
        ((), ""),
    ],
)  # fmt: skip
def test_the_proposed_map_pairs_sensors_of_one_kind(theirs, proposal):
    sensors = [spec_of(name, f"{name}_").modalities[0] for name in UCI_HAR]
    columns = ["", *(f"{name}.{axis}" for name in theirs for axis in "xyz"), "x", "y", "z"]
    assert propose_map(columns, SignalSpec(modalities=tuple(sensors))) == proposal


def test_where_names_do_not_match_the_error_proposes_the_map(tmp_path):
    file = table(tmp_path / "walk.csv", ("wrist_accel.x", "wrist_accel.y", "wrist_accel.z"))
    with pytest.raises(DataError, match="say --map total_acc=wrist_accel"):
        list(SAME.read(file, SPEC))
    both = SignalSpec(modalities=(*SPEC.modalities, *spec_of("gyro", "gyro_").modalities))
    with pytest.raises(DataError, match=r"say --map total_acc=wrist_accel$"):
        list(SAME.read(file, both))
    store = WindowStore.write(
        tmp_path / "store", spec_of("wrist"), [Window({"wrist": VALUES}, "s")]
    )
    with pytest.raises(SpecError, match="or map it: classify --map total_acc=wrist"):
        list(SAME.read(store.path, SPEC))


def test_a_sensor_that_is_not_read_beside_one_that_is_has_its_map_proposed(tmp_path, caplog):
    both = SignalSpec(modalities=(*SPEC.modalities, *spec_of("gyro", "gyro_").modalities))
    columns = {"time_s": np.arange(8) / 4.0}
    for sensor in ("total_acc.total_acc_", "rotation.", "pressure."):
        columns |= {f"{sensor}{axis}": VALUES[0] for axis in "xyz"}
    pyarrow.csv.write_csv(pa.table(columns), tmp_path / "walk.csv")
    with caplog.at_level("INFO"):
        list(SAME.read(tmp_path / "walk.csv", both))
    assert (
        "pressure.z are not read; if they are its sensors, say --map gyro=rotation" in caplog.text
    )
    caplog.clear()
    with caplog.at_level("INFO"):
        list(SAME.read(tmp_path / "walk.csv", SPEC))
    assert "pressure.z are not read" in caplog.text
    assert "--map" not in caplog.text
