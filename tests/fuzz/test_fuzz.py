"""Two thousand mutated files: each is data or one short line, and nothing is lost silently."""

import json
import random
from collections import Counter

import pytest

from tests.fuzz.__main__ import main, markdown, write_table
from tests.fuzz.attempt import FAILURES, FuzzResult, attempt
from tests.fuzz.campaign import Campaign, read_files, replay, write_files
from tests.fuzz.mutations import mutate
from tests.fuzz.readers import READERS

INPUTS = 2_000


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Campaign(tmp_path_factory.mktemp("fuzz"), inputs=INPUTS, seed=0, jobs=2).run()


def test_no_reader_fails_on_two_thousand_mutated_files(results):
    failures = [r for r in results if r["kind"] in FAILURES]
    assert not failures, "\n".join(f"{r['reader']} {r['number']}: {r['kind']} {r['detail']}"
                                   for r in failures)  # fmt: skip


def test_every_reader_has_its_share_and_reads_some(results):
    inputs = Counter(r["reader"] for r in results)
    assert len(results) == INPUTS
    assert inputs.keys() == READERS.keys()
    assert max(inputs.values()) - min(inputs.values()) <= 1
    kinds = Counter(r["kind"] for r in results)
    assert kinds["data"] > INPUTS / 10
    assert kinds["line"] > INPUTS / 10


def raises(error):
    def reader(folder):
        raise error

    return reader


def hangs(folder):
    while True:
        pass


@pytest.mark.parametrize(
    ("reader", "kind"),
    [
        (lambda folder: "", "data"),
        (lambda folder: "3 rows are gone", "silent loss"),
        (raises(OSError("a" * 900)), "line"),
        (raises(KeyError("a")), "traceback"),
        (raises(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why")), "traceback"),
        (raises(RecursionError()), "traceback"),
        (raises(SystemExit(0)), "traceback"),
        (raises(MemoryError()), "memory"),
        (lambda folder: str(len(bytearray(3 << 30)))[:0], "memory"),
        (hangs, "hang"),
    ],
)
def test_what_comes_of_an_input_is_told_apart(tmp_path, monkeypatch, reader, kind):
    monkeypatch.setattr("tests.fuzz.attempt.LONGEST_S", 0.2)
    assert attempt(reader, tmp_path).kind == kind


def test_inputs_are_the_same_for_a_seed(tmp_path):
    write_files(
        tmp_path / "a", {"x/walk.csv": b"t,x\n1,2\n3,4\n" * 9, "p.yaml": b"a: [1, {b: c}]\n"}
    )
    files = read_files(tmp_path / "a")

    changed = [mutate(files, random.Random(f"0/{i}")) for i in range(300)]
    assert changed == [mutate(files, random.Random(f"0/{i}")) for i in range(300)]
    different = {tuple(sorted(one.items())) for one in changed}
    assert len(different) > 250
    assert files == read_files(tmp_path / "a")


def test_a_campaign_goes_on_where_it_stopped(tmp_path):
    options = {"seed": 3, "jobs": 1, "readers": ["prompt", "rr_intervals"]}
    first = Campaign(tmp_path, inputs=40, seconds=0.0, **options).run()
    assert len(first) < 40
    whole = Campaign(tmp_path, inputs=40, **options).run()
    assert sorted(r["number"] for r in whole) == list(range(40))
    assert (tmp_path / "results.jsonl").read_text().count("\n") == 40


def test_a_failing_input_is_kept_and_read_again(tmp_path, monkeypatch, capsys):
    campaign = Campaign(tmp_path, inputs=1, readers=["rr_intervals"])
    failing = {"healthy/p1.txt": b"0.8\n" * 125}
    record = campaign._record(7, "rr_intervals", FuzzResult("traceback", "KeyError"), failing)
    assert record == {"number": 7, "reader": "rr_intervals", "kind": "traceback",
                      "detail": "KeyError"}  # fmt: skip
    folder = tmp_path / "failures" / "rr_intervals-traceback-7"
    assert read_files(folder) == failing
    assert replay(folder).kind == "data"
    assert main(["--replay", str(folder)]) == 0
    assert capsys.readouterr().out == "data\n"


def test_the_table_has_a_row_a_reader(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.fuzz.__main__.RESULTS", tmp_path)
    results = [{"number": 0, "reader": "prompt", "kind": "data", "detail": ""},
               {"number": 1, "reader": "store", "kind": "hang", "detail": "here"},
               {"number": 2, "reader": "prompt", "kind": "line", "detail": ""}]  # fmt: skip
    assert markdown(results).splitlines()[2:] == [
        "| prompt | 2 | 1 | 1 | 0 | 0 | 0 | 0 | 0 |",
        "| store | 1 | 0 | 0 | 0 | 1 | 0 | 0 | 0 |",
        "| all | 3 | 1 | 1 | 0 | 1 | 0 | 0 | 0 |",
    ]
    write_table(results, ["python", "-m", "tests.fuzz"], 61.4)
    plain = json.loads((tmp_path / "fuzz.json").read_text())
    assert (plain["inputs"], plain["seconds"]) == (3, 61)
    assert plain["failures"] == [results[1]]
    assert "    python -m tests.fuzz\n" in (tmp_path / "README.md").read_text()
