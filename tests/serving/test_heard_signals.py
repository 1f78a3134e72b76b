"""What the page draws: a recording's outline, and one window in full with its facts."""

import numpy as np
import pytest

from sensor2llm.serving.heard_signals import describe_window, outline_windows
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Window
from tests.serving import served
from tests.serving.served import sensor

ACCEL = Modality(name="accel", channels=(Channel(name="x", unit="g"),), steps=4, rate_hz=2.0)
BEATS = Modality(name="rr", channels=(Channel(name="rr", unit="ms"),), steps=2, axis="event")
SPEC = SignalSpec(modalities=(ACCEL,))


def windows(*starts, spec_name="accel", steps=4):
    """Give windows whose values count on from 0."""
    rows = np.arange(len(starts) * steps, dtype=np.float32).reshape(len(starts), 1, steps)
    return [
        Window({spec_name: row}, start_s=start) for start, row in zip(starts, rows, strict=True)
    ]


def test_few_samples_are_drawn_as_they_are():
    outline = outline_windows(windows(0.0, 2.0), SPEC, 100)
    assert (outline["axis"], outline["length"], outline["starts"]) == ("s", 2.0, [0.0, 2.0])
    (drawn,) = outline["signals"]
    assert drawn["at"] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    assert drawn["values"] == [[0, 1, 2, 3, 4, 5, 6, 7]]
    assert (drawn["name"], drawn["channels"]) == ("accel", [{"name": "x", "unit": "g"}])


def test_of_many_samples_the_least_and_the_greatest_are_drawn():
    many = windows(*range(0, 200, 2))
    many[10].signals["accel"][0, 2] = 999.0
    (drawn,) = outline_windows(many, SPEC, 20)["signals"]
    assert len(drawn["at"]) == 20
    assert drawn["values"][0][:4] == [0, 39, 40, 999]
    assert drawn["at"] == sorted(drawn["at"])


def test_where_nothing_was_recorded_no_line_is_drawn():
    (drawn,) = outline_windows(windows(0.0, 2.0, 60.0), SPEC, 100)["signals"]
    assert drawn["values"][0] == [*range(8), None, *range(8, 12)]
    assert drawn["at"][8] == pytest.approx(60.0)


def test_no_stretch_of_samples_reaches_across_a_gap():
    (drawn,) = outline_windows(windows(*range(0, 98, 2), *range(200, 302, 2)), SPEC, 10)["signals"]
    gap = drawn["values"][0].index(None)
    assert drawn["values"][0][gap - 1 : gap + 2] == [195, None, 196]
    assert drawn["at"][gap + 1] == 200.0


@pytest.mark.parametrize("starts", [(0.0, 1.0), (4.0, 0.0)])
def test_windows_that_are_not_one_after_the_other_are_numbered(starts):
    outline = outline_windows(windows(*starts), SPEC, 100)
    assert (outline["axis"], outline["length"], outline["starts"]) == ("window", 1.0, [1.0, 2.0])


def test_windows_of_beats_are_numbered():
    beats = SignalSpec(modalities=(BEATS,))
    outline = outline_windows(windows(0.0, 0.0, spec_name="rr", steps=2), beats, 100)
    assert (outline["axis"], outline["starts"]) == ("window", [1.0, 2.0])
    assert outline["signals"][0]["at"] == [1.0, 1.5, 2.0, 2.5]


def test_a_window_is_shown_with_what_is_missing_and_measured():
    two = SignalSpec(modalities=(ACCEL, BEATS))
    window = Window({"accel": np.array([[1.0, np.nan, 1.0, 1.0]], np.float32)}, start_s=4.0)
    shown = describe_window(window, two)
    assert shown["signals"][0]["values"] == [[1.0, None, 1.0, 1.0]]
    assert (shown["missing"], shown["start_s"]) == (["rr"], 4.0)
    assert {"name": "mean", "sensor": "accel", "text": "accel: mean 1 g"} in shown["facts"]


@pytest.fixture(scope="module")
def server():
    with served.client() as client:
        yield client


def test_the_windows_numbers_are_those_of_the_recording(server):
    body = {"sensor": sensor(values=served.recording(), number=2)}
    shown = server.post("/window", json=body).json()
    assert (shown["object"], shown["start_s"]) == ("window", 2.56)
    values = {signal["name"]: signal["values"] for signal in shown["signals"]}
    expected = served.one_window(128)["total_acc.total_acc_y"]
    np.testing.assert_allclose(values["total_acc"][1], expected, rtol=1e-5)
    assert any("steps a second" in fact["text"] for fact in shown["facts"])


def test_labels_come_with_an_outline_where_one_is_wanted(server):
    body = {"values": served.recording(), "signals": 100}
    outline = server.post("/classify", json=body).json()["signals"]
    assert [signal["name"] for signal in outline["signals"]] == list(served.pipeline().spec.names)
    assert all(len(signal["at"]) <= 100 for signal in outline["signals"])
    assert "signals" not in server.post("/classify", json=body | {"signals": 0}).json()


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/classify", {"values": {}, "signals": -1}, "signals: Input should be greater than"),
        ("/classify", {"values": {}, "signals": 9, "overlap": 0.5}, "windows do not overlap"),
        ("/window", {}, "sensor: Field required"),
        ("/window", {"sensor": {"type": "sensor"}}, "needs one of values, data and file_id"),
        ("/window", {"sensor": {"type": "sensor", "values": {}}, "model": "gpt"}, "no model 'gpt'"),
    ],
)
def test_what_cannot_be_shown_is_refused(server, path, body, words):
    response = server.post(path, json=body)
    assert response.status_code in (400, 404)
    assert words in response.json()["error"]["message"]
