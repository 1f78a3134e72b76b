"""One person in two parts: under one name, in another spelling, or under another name."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits import leaks
from sensor2llm.signals.splits.splits import PARTS, Split, check_leak, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.joined import JoinedStores
from tests.signals.stores import SPEC, make_windows

EACH = 8
each_pair = pytest.mark.parametrize("pair", list(combinations(range(3), 2)), ids=str)


def write(folder, renamed=None, changed=None, spec=SPEC, **facts) -> WindowStore:
    """Write six people's windows; some are called otherwise, some rows hold other signals."""
    windows = list(make_windows(people=6, each=EACH))
    for row, window in (changed or {}).items():
        windows[row] = replace(windows[row], signals=window)
    named = (replace(w, subject=(renamed or {}).get(w.subject, w.subject)) for w in windows)
    return WindowStore.write(folder, spec, named, **facts)


def split_of(store, *parts: tuple[str, ...]) -> Split:
    rows = [np.flatnonzero(np.isin(store.subjects, people)) for people in parts]
    return Split(**dict(zip(PARTS, rows, strict=True)))


def two_in(pair: tuple[int, int], one: str, other: str) -> list[tuple[str, ...]]:
    """Give three parts of people, in two of which are these two."""
    parts = [("s3",), ("s4",), ("s5",)]
    for place, person in zip(pair, (one, other), strict=True):
        parts[place] = (*parts[place], person)
    return parts


@each_pair
def test_a_person_in_two_parts_is_refused_whichever_they_are(tmp_path, pair):
    store = write(tmp_path / "store")
    rows = {part: split_of(store, *two_in(pair, "s1", "s2"))[part] for part in PARTS}
    first, second = (PARTS[place] for place in pair)
    mine = np.flatnonzero(store.subjects == "s1")
    rows[first] = np.setdiff1d(rows[first], mine[4:])
    rows[second] = np.concatenate([rows[second], mine[4:]])
    message = f"leak: subject s1 has windows in both {first} and {second}; every person"
    with pytest.raises(DataError, match=message):
        check_leak(store, Split(**rows))


@each_pair
@pytest.mark.parametrize("spelling", ["S1", "s1 ", "s01"])
def test_a_person_in_two_spellings_is_one_person(tmp_path, pair, spelling):
    store = write(tmp_path / "store", {"s2": spelling})
    first, second = (PARTS[place] for place in pair)
    message = f"leak: subject 's1' = '{spelling}' has windows in both {first} and {second}"
    with pytest.raises(DataError, match=message):
        check_leak(store, split_of(store, *two_in(pair, "s1", spelling)))
    check_leak(store, split_of(store, ("s1", spelling), ("s3",), ("s4",)))


@each_pair
def test_equal_windows_under_two_names_are_one_person(tmp_path, pair):
    windows = list(make_windows(people=6, each=EACH))
    copied = {EACH + i: windows[i].signals for i in range(EACH // 2)}
    store = write(tmp_path / "store", changed=copied)
    first, second = (PARTS[place] for place in pair)
    said = r"leak: 4 windows of '..' \(.*\) are those of '..' \(.*\): one person under two names"
    with pytest.raises(DataError, match=said) as error:
        check_leak(store, split_of(store, *two_in(pair, "s1", "s2")))
    assert f"'s1' ({first})" in str(error.value)
    assert f"'s2' ({second})" in str(error.value)
    check_leak(store, split_of(store, ("s1", "s2"), ("s3",), ("s4",)))


def test_a_few_equal_windows_are_said_once(tmp_path, caplog):
    windows = list(make_windows(people=6, each=EACH))
    store = write(tmp_path / "few", changed={EACH + i: windows[i].signals for i in range(3)})
    split = split_of(store, ("s1", "s3"), ("s4",), ("s2",))
    leaks._say_once.cache_clear()
    for _ in range(2):
        check_leak(store, split)
    told = [line for line in caplog.messages if "are those of" in line]
    assert told == [
        "3 windows of 's2' (test) are those of 's1' (train); if these are one person, write one "
        "name"
    ]


def flat() -> dict[str, np.ndarray]:
    """Give a device that lay still, and the row of a person of many."""
    return {
        "accel": np.tile([[0.0], [1.0], [0.0]], 16),
        "rr": np.full((1, 5), 800.0),
        "person": np.array([[40.0], [70.0]]),
    }


def test_windows_that_stand_still_tell_nobody_apart(tmp_path, caplog):
    store = write(tmp_path / "store", changed=dict.fromkeys(range(2 * EACH), flat()))
    check_leak(store, split_of(store, ("s1",), ("s3",), ("s2",)))
    assert not caplog.messages


def test_nothing_is_read_where_no_window_is_shared(tmp_path, monkeypatch):
    store = write(tmp_path / "store")
    monkeypatch.setattr(WindowStore, "read", None)
    check_leak(store, split_of(store, ("s1",), ("s3",), ("s2",)))


@pytest.mark.parametrize(("source", "one"), [("WISDM: 3 files", True), ("another", False)])
def test_two_stores_of_one_data_set_have_the_same_people(tmp_path, source, one):
    stores = [
        WindowStore.write(tmp_path / name, SPEC, make_windows(seed=seed), source=words)
        for name, seed, words in (("watch", 0, "WISDM: 2 files"), ("phone", 1, source))
    ]
    joined = JoinedStores(stores)
    split = split_of(joined, ("watch/s1",), ("phone/s2",), ("phone/s1",))
    if not one:
        check_leak(joined, split)
        return
    with pytest.raises(DataError, match="'watch/s1' = 'phone/s1' has windows in both train and te"):
        check_leak(joined, split)


def test_every_way_to_split_looks_at_names_and_windows(tmp_path):
    windows = list(make_windows(people=6, each=EACH))
    copied = write(
        tmp_path / "copied", changed={EACH + i: w.signals for i, w in enumerate(windows[:EACH])}
    )
    respelt = write(tmp_path / "respelt", {"s2": "S1"})
    for store in (copied, respelt):
        with pytest.raises(DataError, match="leak: "):
            make_split(store, SplitConfig(kind="loso", fold=0))


def test_many_people_are_listed_shortly(tmp_path):
    store = write(tmp_path / "store")
    rows = np.arange(len(store))
    with pytest.raises(DataError, match=r"s1, s2, s3, s4, s5 and 1 more has") as error:
        check_leak(store, Split(train=rows[::2], validation=rows[1::4], test=rows[3::4]))
    assert len(str(error.value)) < 300


def test_four_values_that_differ_tell_people_apart_and_three_do_not(tmp_path):
    def window(values):
        return {"accel": np.tile(np.resize(values, 16), (3, 1)), "rr": np.full((1, 5), 800.0)}

    changed = {
        0: window([1, 2, 3, 4]),
        1: window([1, 2, 3]),
        2: {"person": np.arange(2.0)[:, None]},
    }
    store = write(tmp_path / "store", changed=changed)
    assert list(leaks.distinct_rows(store, [0, 1, 2, 3])) == [0, 3]


def test_names_for_a_message_are_five_and_how_many_more():
    assert leaks.listed(list("abcde")) == "a, b, c, d, e"
    assert leaks.listed(list("abcdefg")) == "a, b, c, d, e and 2 more"
