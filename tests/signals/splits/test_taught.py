"""Who taught an encoder is known again in other words, under other names, in a grown store."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import ArtefactError, DataError
from sensor2llm.signals.splits.taught import SKETCH, Taught
from sensor2llm.signals.store.store import WindowStore
from tests.signals.stores import SPEC, make_windows

WHAT = "the encoder 'mine'"
SOURCE = "table.yaml: 6 files"


def write(folder, source=SOURCE, renamed=None, seed=0, people=6, each=20, **facts) -> WindowStore:
    windows = make_windows(people=people, each=each, seed=seed)
    named = (replace(w, subject=(renamed or {}).get(w.subject, w.subject)) for w in windows)
    return WindowStore.write(folder, SPEC, named, source=source, **facts)


def rows(store, *people) -> np.ndarray:
    return np.flatnonzero(np.isin(store.subjects, people))


@pytest.fixture
def taught(tmp_path) -> Taught:
    store = write(tmp_path / "taught")
    return Taught.of(store, rows(store, "s1", "s2", "s3"))


def test_it_names_the_people_and_some_of_their_windows(taught, tmp_path):
    store = write(tmp_path / "store")
    assert taught.people == ("s1", "s2", "s3")
    for person, digests in taught.windows.items():
        assert len(digests) == SKETCH
        assert set(digests) < set(np.asarray(store.digests)[rows(store, person)].tolist())
    assert Taught.from_dict(json.loads(json.dumps(taught.to_dict()))) == taught


@pytest.mark.parametrize(
    ("source", "renamed", "seed"),
    [
        (SOURCE, {}, 0),
        ("table.yaml: 7 files", {}, 1),
        (SOURCE, {"s3": "S3 "}, 1),
        ("cohort.yaml: 6 files", {}, 0),
        ("cohort.yaml: 6 files", {"s3": "anna"}, 0),
    ],
    ids=["as it was", "a file more", "spelling", "another file name", "another name"],
)
def test_people_who_taught_are_not_tested(taught, tmp_path, source, renamed, seed):
    store = write(tmp_path / "store", source, renamed, seed)
    tested = renamed.get("s3", "s3")
    with pytest.raises(DataError, match=rf"leak: {WHAT} was made with .* here \({tested}\); use"):
        taught.check(store, rows(store, "s5", tested), WHAT)


def test_others_are_tested_without_a_word(taught, tmp_path, caplog):
    store = write(tmp_path / "store", "table.yaml: 7 files")
    taught.check(store, rows(store, "s4", "s5"), WHAT)
    assert not caplog.messages


def test_the_same_names_from_another_source_are_said(taught, tmp_path, caplog):
    store = write(tmp_path / "store", "another study", seed=1)
    taught.check(store, rows(store, "s3", "s4"), WHAT)
    assert caplog.messages == [
        f"{WHAT} was made with people of the same names (s3) from another source "
        "('table.yaml: 6 files', here 'another study'); they are taken for others"
    ]


def test_the_same_name_in_two_data_sets_that_taught_is_two_people(tmp_path, caplog):
    parts = {"home": "a study at home", "ward": "a study on a ward"}
    windows = [
        replace(w, subject=f"{part}/{w.subject}")
        for part, seed in (("home", 0), ("ward", 1))
        for w in make_windows(people=3, seed=seed)
    ]
    path = tmp_path / "store"
    store = WindowStore.write(path, SPEC, windows, source="two studies", parts=parts)
    taught = Taught.of(store, rows(store, "home/s1", "ward/s2"))
    taught.check(store, rows(store, "ward/s1", "home/s2"), WHAT)
    assert not caplog.messages


def test_windows_that_stand_still_are_not_kept(tmp_path):
    flat = {"accel": np.zeros((3, 16)), "person": np.array([[40.0], [70.0]])}
    windows = [replace(w, signals=flat) for w in make_windows(people=3)]
    store = WindowStore.write(tmp_path / "store", SPEC, windows)
    assert Taught.of(store, rows(store, "s1")).windows == {"s1": ()}


@pytest.mark.parametrize("manifest", [{}, {"recipe": {}}, {"recipe": {"people": {"train": []}}}])
def test_who_names_nobody_is_said(manifest, tmp_path, caplog):
    store = write(tmp_path / "store")
    Taught.from_manifest(manifest).check(store, rows(store, "s1"), WHAT)
    assert caplog.messages == [
        f"{WHAT} does not say who taught it: whether people who are tested here did cannot be "
        "checked"
    ]


def test_an_encoder_of_the_first_format_names_people_and_source(tmp_path):
    people = {"train": ["s1"], "validation": ["s2"], "test": ["s3"]}
    taught = Taught.from_manifest({"source": SOURCE, "recipe": {"people": people}})
    store = write(tmp_path / "store", "table.yaml: 9 files", seed=1)
    taught.check(store, rows(store, "s3"), WHAT)
    for person in ("s1", "s2"):
        with pytest.raises(DataError, match="leak: "):
            taught.check(store, rows(store, person), WHAT)


@pytest.mark.parametrize(
    "manifest", [{"taught": {}}, {"taught": {"people": 3}}, {"recipe": {"people": ["s1"]}}]
)
def test_what_cannot_be_read_is_said(manifest):
    with pytest.raises(ArtefactError, match="does not say who taught it as expected"):
        Taught.from_manifest(manifest)
