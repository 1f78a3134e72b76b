"""A window is found again by the number that its row in a table has."""

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.numbered import find_window, numbered_windows
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from tests.signals.stores import ACCEL
from tests.verbs import save_recording

SPEC = SignalSpec(modalities=(ACCEL,), window_s=2.0)
SKIN = Modality(name="skin", channels=(Channel(name="t", unit="C"),), steps=8, rate_hz=4.0)
UNHEARD = {1, 4}


@pytest.fixture
def store(tmp_path):
    """Give a store of six windows; of two only the skin was measured, which nobody hears."""
    both = SignalSpec(modalities=(ACCEL, SKIN), window_s=2.0)
    windows = [
        Window({"skin": np.ones(SKIN.shape)} if row in UNHEARD else
               {"accel": np.full(ACCEL.shape, row)}, "s1", None, 2.0 * row)
        for row in range(6)
    ]  # fmt: skip
    return WindowStore.write(tmp_path / "store", both, windows).path


def test_a_store_s_windows_have_the_numbers_of_their_rows(store):
    ledger = Ledger()
    numbers, windows = numbered_windows(store, SPEC, ledger=ledger)
    assert list(numbers) == [1, 3, 4, 6]
    assert [window.signals["accel"][0, 0] for window in windows] == [0, 2, 3, 5]
    assert ledger["windows"].dropped == {"without a sensor that the adapter hears": 2}


def test_the_number_finds_the_window(store, tmp_path):
    assert [find_window(store, SPEC, n).signals["accel"][0, 0] for n in (1, 3, 6)] == [0, 2, 5]
    file = save_recording(tmp_path / "walk.csv")
    numbers, windows = numbered_windows(file, SPEC)
    for number, window in zip(numbers, windows, strict=False):
        found = find_window(file, SPEC, number)
        np.testing.assert_array_equal(found.signals["accel"], window.signals["accel"])
        assert found.start_s == window.start_s == 2.0 * (number - 1)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (0, "windows are numbered from 1; there is no number 0"),
        (7, "store has 6 windows of 2 s; there is no number 7"),
        (2, "window 2 of store has no sensor that the adapter hears"),
    ],
)
def test_what_is_no_window_is_one_line(store, number, message):
    with pytest.raises(DataError, match=message):
        find_window(store, SPEC, number)


def test_what_is_no_window_of_a_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"walk\.csv has 3 windows of 2 s; there is no number 9"):
        find_window(save_recording(tmp_path / "walk.csv"), SPEC, 9)
