"""What a sensor part may say of a recording: the same window, however it is written."""

import base64

import numpy as np
import pytest

from tests.serving import served
from tests.serving.served import ask, sensor

QUESTION = "What is the person doing?"


@pytest.fixture(scope="module")
def server():
    with served.client() as client:
        yield client


def heard(server, **fields):
    response = ask(server, QUESTION, sensor(**fields))
    assert response.status_code == 200, response.text
    return response.json()["sensor2llm"]["windows"][0]["probabilities"]


def refused(server, **fields) -> str:
    response = ask(server, QUESTION, sensor(**fields))
    assert response.status_code == 400, response.text
    return response.json()["error"]["message"]


@pytest.fixture(scope="module")
def expected():
    window = {name: np.array(values) for name, values in served.one_window().items()}
    return served.pipeline().ask(window, QUESTION, rate_hz=50).probabilities


def rows() -> list[list[float]]:
    return np.array(list(served.one_window().values())).T.tolist()


@pytest.mark.parametrize("way", ["columns", "rows", "named rows", "base64", "file"])
def test_every_way_to_write_a_window_is_heard_alike(server, expected, way):
    names = list(served.one_window())
    if way == "file":
        lines = [",".join(names), *(",".join(map(str, row)) for row in rows())]
        file = {"file": ("walk.csv", "\n".join(lines))}
        file_id = server.post("/v1/files", files=file, data={"purpose": "user_data"}).json()["id"]
    fields = {
        "columns": lambda: {"values": served.one_window(), "rate_hz": 50},
        "rows": lambda: {"values": rows(), "rate_hz": 50},
        "named rows": lambda: {"values": [row[::-1] for row in rows()], "channels": names[::-1],
                               "rate_hz": 50},
        "base64": lambda: {"data": served.base64_rows(served.one_window()), "channels": names,
                           "rate_hz": 50},
        "file": lambda: {"file_id": file_id},
    }[way]()  # fmt: skip
    assert heard(server, **fields) == pytest.approx(dict(expected), abs=1e-4)


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("g", 1.0),
        ({"total_acc": "m/s^2"}, 9.80665),
        ({"total_acc_x": "m/s^2", "total_acc_y": "m/s2", "total_acc.total_acc_z": "m/s^2"},
         9.80665),
        ({"total_acc": "mg"}, 1000.0),
    ],
)  # fmt: skip
def test_units_are_converted(server, units, factor):
    plain = {k: v for k, v in served.one_window().items() if k.startswith("total_acc")}
    scaled = {name: [value * factor for value in values] for name, values in plain.items()}
    reference = heard(server, values=plain, rate_hz=50)
    assert heard(server, values=scaled, rate_hz=50, units=units) == pytest.approx(
        reference, abs=1e-3
    )


def test_a_rate_is_brought_to_the_adapters(server):
    twice = {name: np.repeat(values, 2).tolist() for name, values in served.one_window().items()}
    shares = heard(server, values=twice, rate_hz=100)
    assert max(shares, key=shares.__getitem__) == "walking"


def test_columns_of_other_names_are_said(server, expected):
    short = {f"c{i}": values for i, values in enumerate(served.one_window().values())}
    columns = {name: f"c{i}" for i, name in enumerate(served.one_window())}
    shares = heard(server, values=short, columns=columns, rate_hz=50)
    assert shares == pytest.approx(dict(expected), abs=1e-4)


def test_null_is_what_was_not_measured(server):
    window = served.one_window()
    gone = {name: [None] * 128 for name in window if name.startswith("body_gyro")}
    reference = {name: values for name, values in window.items() if name not in gone}
    shares = heard(server, values={**window, **gone}, rate_hz=50)
    assert shares == pytest.approx(heard(server, values=reference, rate_hz=50), abs=1e-4)


def test_what_the_readers_note_is_passed_on(server):
    window = served.one_window() | {"battery": [1.0] * 128}
    body = ask(server, QUESTION, sensor(values=window, rate_hz=50)).json()
    assert body["sensor2llm"]["notes"] == ["the table: the columns battery are not read"]


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w,
        lambda w: {
            f"{name.partition('.')[0]}.{name.rpartition('.')[2]}": v for name, v in w.items()
        },
        lambda w: {name.rpartition(".")[2]: v for name, v in reversed(w.items())},
        lambda w: {name: v for name, v in w.items() if "gyro" not in name},
    ],
)
def test_a_ready_window_is_the_one_that_is_cut(change):
    from sensor2llm.serving.http.sensor_part import _ready_window
    from sensor2llm.signals.tables.data import data_windows

    spec = served.pipeline().spec
    table = {name: np.array(v) for name, v in change(served.one_window()).items()}
    ready = _ready_window(table, spec, 50.0)
    (cut,) = data_windows(table, spec, rate_hz=50).windows
    assert ready.signals.keys() == cut.signals.keys()
    for name, values in cut.signals.items():
        np.testing.assert_allclose(ready.signals[name], values, rtol=1e-6)
    assert ready.start_s == cut.start_s


@pytest.mark.parametrize(
    ("change", "rate_hz"),
    [
        (lambda w: w, None),
        (lambda w: w, 25.0),
        (lambda w: {name: v[:127] for name, v in w.items()}, 50.0),
        (lambda w: w | {"battery": np.ones(128)}, 50.0),
        (lambda w: w | {next(iter(w)): np.full(128, np.nan)}, 50.0),
        (lambda w: w | {next(iter(w)): np.full(128, -999.0)}, 50.0),
        (lambda w: {name: 9.80665 * v if "total" in name else v for name, v in w.items()}, 50.0),
        (lambda w: dict(list(w.items())[:-1]), 50.0),
        (lambda w: {}, 50.0),
    ],
)
def test_what_is_no_ready_window_is_left_to_the_readers(change, rate_hz):
    from sensor2llm.serving.http.sensor_part import _ready_window

    table = {name: np.array(v) for name, v in served.one_window(640).items()}
    assert _ready_window(table, served.pipeline().spec, rate_hz) is not None or rate_hz != 50.0
    assert _ready_window(change(table), served.pipeline().spec, rate_hz) is None


SHORT = {"total_acc_x": [0.1] * 8, "total_acc_y": [0.1] * 8, "total_acc_z": [0.9] * 8}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "needs one of values, data and file_id, and only one"),
        ({"values": SHORT, "file_id": "x"}, "and only one"),
        ({"values": SHORT}, "no time column"),
        ({"values": SHORT, "rate_hz": 50}, "holds no whole window of 2.56 s without gaps"),
        ({"values": SHORT, "rate_hz": -1}, "rate_hz must be samples a second, above 0"),
        ({"values": SHORT, "rate_hz": 50, "channels": ["a"]}, "leave channels out"),
        ({"values": SHORT, "rate_hz": 50, "units": {"legs": "g"}}, "units name 'legs'"),
        ({"values": SHORT, "rate_hz": 50, "units": "V"}, "anything like 'V'; units are g, rad/s"),
        ({"values": SHORT, "rate_hz": 50, "units": {"total_acc": "V"}}, "in V, the spec expects g"),
        ({"values": SHORT, "rate_hz": 50, "columns": {"legs.x": "a"}}, "unknown channel 'legs.x'"),
        ({"values": {"a": [1.0]}, "rate_hz": 50}, "the table has the columns a; expected"),
        ({"values": {"a": [1.0], "b": []}, "rate_hz": 50}, "different lengths: a 1, b 0"),
        ({"values": {}, "rate_hz": 50}, "the table"),
        ({"values": [], "rate_hz": 50}, "rows of values need as many numbers each"),
        ({"values": [[1.0], [1.0, 2.0]], "rate_hz": 50}, "need as many numbers each, got 1, 2"),
        ({"values": [[1.0, 2.0]], "rate_hz": 50}, "with 9 channels"),
        ({"values": [[1.0, 2.0]], "channels": ["a"], "rate_hz": 50}, "2 numbers and channels 1"),
        ({"values": [[1.0, 2.0]], "channels": ["a", "a"], "rate_hz": 50}, "have one name"),
        ({"data": "AAAA", "rate_hz": 50}, "data needs channels"),
        ({"data": "!", "channels": ["a"], "rate_hz": 50}, "data is no base64"),
        ({"data": "", "channels": ["a"], "rate_hz": 50}, "holds 0 bytes"),
        ({"data": "AAAA", "channels": ["a"], "rate_hz": 50}, "holds 3 bytes; float32 rows of 1"),
        ({"data": base64.b64encode(np.array([np.inf], "<f4").tobytes()).decode(),
          "channels": ["a"], "rate_hz": 50}, "infinite"),
        ({"values": served.recording, "number": 99}, "the table has 9 windows; there is no number"),
        ({"values": SHORT, "number": 5000}, "number must be at most 4096, got 5000"),
        ({"values": SHORT, "number": 0}, "number"),
        ({"values": SHORT, "rate": 50}, "rate: Extra inputs are not permitted"),
        ({"values": {"a": ["one"]}}, "Input should be a valid number"),
        ({"values": {"a": ["1.0"]}}, "Input should be a valid number"),
        ({"values": {"a": [True]}}, "Input should be a valid number"),
        ({"values": SHORT, "rate_hz": True}, "rate_hz: Input should be a valid number"),
        ({"values": {"": [1.0]}, "rate_hz": 50}, "the table has the columns ''; expected"),
    ],
)  # fmt: skip
def test_what_cannot_be_heard_is_refused(server, fields, words):
    if callable(fields.get("values")):
        fields = fields | {"values": fields["values"]()}
    assert words in refused(server, **fields)


def test_a_file_that_is_not_there_is_not_found(server):
    response = ask(server, QUESTION, sensor(file_id="file-0"))
    assert response.status_code == 404
    assert "there is no file 'file-0'" in response.json()["error"]["message"]
    (file,) = [server.post("/v1/files", files={"file": ("a.csv", served.csv_bytes())}).json()]
    assert "leave channels out, or say columns" in refused(
        server, file_id=file["id"], channels=["a"]
    )
