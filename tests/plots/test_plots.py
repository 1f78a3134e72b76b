"""Pictures are written, whatever is missing."""

import numpy as np
import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.plots.figures import plot_confusion, plot_reliability, plot_window
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Window
from sensor2llm.tasks.metrics import Predictions

XYZ = tuple(Channel(name=axis, unit="m/s^2") for axis in "xyz")
SPEC = SignalSpec(
    modalities=(
        Modality(name="wrist", channels=XYZ, steps=128, rate_hz=50.0),
        Modality(name="beats", channels=(Channel(name="ibi", unit="s"),), steps=30, axis="event"),
        Modality(name="day", channels=(Channel(name="steps", unit="1"),), steps=1, axis="none"),
    )
)


def signals():
    rng = np.random.default_rng(0)
    time = np.arange(128) / 50
    wrist = np.stack([np.sin(2 * np.pi * f * time) * f + 0.1 * f for f in (1.0, 2.0, 3.0)])
    return {"wrist": wrist, "beats": 0.8 + 0.05 * rng.standard_normal((1, 30)), "day": [[9000.0]]}


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def test_window_with_its_answer(tmp_path):
    answer = {"walking": 0.93, "sitting": 0.05, "lying": 0.02}
    path = plot_window(
        Window(signals=signals()), SPEC, tmp_path / "new" / "window.png",
        answer="walking (0.93)", probabilities=answer,
    )  # fmt: skip
    assert is_png(path)


def test_window_that_lacks_a_modality(tmp_path):
    window = Window(signals={"wrist": signals()["wrist"]})
    assert is_png(plot_window(window, SPEC, tmp_path / "window.png"))


def test_confusion(tmp_path):
    counts = [[50, 3, 0, 0], [2, 40, 10, 1], [0, 0, 33, 0]]
    path = plot_confusion(counts, ["SITTING", "WALKING", "WALKING_UPSTAIRS"], tmp_path / "c.png")
    assert is_png(path)


def test_reliability(tmp_path):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4) * 0.4, size=400)
    true = np.array([rng.choice(4, p=row) for row in probabilities])
    predictions = Predictions(
        labels=tuple("abcd"),
        true=true,
        predicted=probabilities.argmax(1),
        subjects=np.array(["s"] * 400),
        probabilities=probabilities,
    )
    assert is_png(plot_reliability(predictions, tmp_path / "reliability.png"))


def test_a_file_name_that_is_no_picture(tmp_path):
    with pytest.raises(ConfigError, match=r"end its name in \.png"):
        plot_confusion([[1, 0]], ["only"], tmp_path / "picture.csv")
