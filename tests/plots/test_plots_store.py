"""The picture of a store: one typical window a class, in one scale, nothing left unsaid."""

import re

import numpy as np
import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.plots.store import MAX_CLASSES, plot_classes, typical_rows
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window

XY = tuple(Channel(name=f"wrist_{axis}", unit="g") for axis in "xy")
AGE = (Channel(name="age", unit="years"),)
SPEC = SignalSpec(
    modalities=(
        Modality(name="wrist", channels=XY, steps=32, rate_hz=16.0),
        Modality(name="pulse", channels=(Channel(name="pulse", unit="1"),), steps=8, rate_hz=4.0),
        Modality(name="beats", channels=(Channel(name="ibi", unit="s"),), steps=5, axis="event"),
        Modality(name="person", channels=AGE, steps=1, axis="none"),
    ),
    window_s=2.0,
)  # fmt: skip


def make_windows(labels=("rest", "walk"), each=9, drop=(), seed=0):
    rng = np.random.default_rng(seed)
    for i in range(each):
        for number, label in enumerate(labels):
            signals = {m.name: rng.normal(3, 1 + number, m.shape) for m in SPEC.modalities}
            kept = {k: v for k, v in signals.items() if (label, k) not in drop}
            yield Window(kept, subject=f"p{i % 3}", label=label)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "lab"
    drop = [("walk", "beats"), ("walk", "person")]
    return WindowStore.write(folder, SPEC, make_windows(drop=drop))


def words(path):
    """Give all that is written in an SVG picture: the backend repeats it in comments."""
    return re.findall(r"<!-- (.+?) -->", path.read_text(encoding="utf-8"), re.DOTALL)


def test_a_typical_window_has_the_middle_spread_of_its_class(store):
    for label, row in typical_rows(store).items():
        own = [i for i in range(len(store)) if store[i].label == label]
        names = [n for n in store[own[0]].signals if n != "person"]
        spread = np.array([[store[i].signals[n].std(axis=1).mean() for n in names] for i in own])
        off = np.abs(spread / np.median(spread, axis=0) - 1).sum(axis=1)
        assert row == own[int(off.argmin())]


def test_windows_that_lack_the_least_are_looked_at(tmp_path):
    windows = [*make_windows(("rest",)), *make_windows(("rest",), drop=[("rest", "wrist")])]
    store = WindowStore.write(tmp_path / "store", SPEC, windows[9:] + windows[:1])
    assert typical_rows(store) == {"rest": 9}


def test_a_modality_without_steps_has_its_first_window(tmp_path):
    drop = [("rest", name) for name in ("wrist", "pulse", "beats")]
    store = WindowStore.write(tmp_path / "store", SPEC, make_windows(("rest",), drop=drop))
    assert typical_rows(store) == {"rest": 0}


def test_large_classes_are_drawn_from_by_the_seed(tmp_path):
    spec = SPEC.subset(["pulse"])
    windows = [
        Window({"pulse": w.signals["pulse"]}, w.subject, w.label)
        for w in make_windows(("rest",), each=400)
    ]
    store = WindowStore.write(tmp_path / "store", spec, windows)
    rows = {seed: typical_rows(store, seed)["rest"] for seed in range(4)}
    assert rows == {seed: typical_rows(store, seed)["rest"] for seed in range(4)}
    assert len(set(rows.values())) > 1


def test_class_person_unit_and_what_is_missing_are_written(store, tmp_path):
    said = words(plot_classes(store, tmp_path / "new" / "classes.svg"))
    row = typical_rows(store)
    assert said.count("lab: one typical window of 2 s a class") == 1
    for label in ("rest", "walk"):
        assert label in said
        assert f"person {store[row[label]].subject}" in said
    for label in ("wrist\ng", "pulse\n(no unit)", "beats\ns", "person"):
        assert all(line in said for line in label.split("\n")), label
    assert said.count("missing") == 2
    assert f"age  {store[row['rest']].signals['person'][0, 0]:.4g} years" in said
    # Channels lose the modality's name; one that has no other name needs no legend.
    assert {"x", "y", "ibi"} <= set(said)
    assert "wrist_x" not in said
    assert said.count("pulse") == 1


def test_the_same_store_gives_the_same_picture(store, tmp_path):
    one, two = (plot_classes(store, tmp_path / name) for name in ("a.png", "b.png"))
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(b"\x89PNG")


def test_panels_of_a_modality_share_their_scale(store, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr("sensor2llm.plots.store.save_picture", lambda f, p: figures.append(f))
    plot_classes(store, tmp_path / "classes.png")
    rows = typical_rows(store).values()
    panels = np.array(figures[0].axes).reshape(len(SPEC.names), 2)
    for name, axes in zip(SPEC.names[:2], panels, strict=False):
        values = np.stack([store[row].signals[name] for row in rows])
        (low, high), other = (axis.get_ylim() for axis in axes)
        assert (low, high) == other
        assert low < values.min() < values.max() < high
        assert axes[0].get_xlim() == (0.0, 2.0)
        for row, axis in zip(rows, axes, strict=True):
            drawn = [line.get_ydata() for line in axis.lines]
            np.testing.assert_array_equal(drawn, store[row].signals[name])


def test_a_store_without_labels_shows_one_window(tmp_path):
    windows = [Window(w.signals, w.subject) for w in make_windows()]
    store = WindowStore.write(tmp_path / "store", SPEC, windows)
    said = words(plot_classes(store, tmp_path / "classes.svg"))
    assert "(no label)" in said
    assert "store: one typical window of 2 s" in said


def test_of_many_classes_the_most_frequent_are_drawn(tmp_path):
    names = [f"class {i}" for i in range(MAX_CLASSES + 2)]
    windows = [*make_windows(names, each=1), *make_windows(names[2:], each=1)]
    store = WindowStore.write(tmp_path / "store", SPEC.subset(["pulse"]), [
        Window({"pulse": w.signals["pulse"]}, w.subject, w.label) for w in windows
    ])  # fmt: skip
    said = words(plot_classes(store, tmp_path / "classes.svg"))
    assert [w for w in said if w.startswith("class ")] == names[2:]
    assert "store: one typical window of 2 s a class (18 most frequent of 20)" in said


def test_a_file_name_that_is_no_picture(store, tmp_path):
    with pytest.raises(ConfigError, match=r"cannot write a picture as a\.txt; end its name in"):
        plot_classes(store, tmp_path / "a.txt")
