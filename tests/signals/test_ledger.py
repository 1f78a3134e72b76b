import json

import pytest

from sensor2llm.signals.ledger.ledger import Ledger


def filled() -> Ledger:
    ledger = Ledger()
    ledger.read("rows", 3000)
    ledger.keep("rows", 2960)
    ledger.drop("rows", 10, "after the last whole window")
    ledger.drop("rows", 30, "at a border between labels")
    ledger.read("windows", 60)
    ledger.keep("windows", 59)
    ledger.drop("windows", 1, "at a border between labels")
    ledger.change("windows", 4, "with values filled in")
    return ledger


def test_a_person_reads_what_became_of_every_unit():
    assert filled().lines() == [
        "rows: 3000 read, 2960 in windows, 40 dropped: 30 at a border between labels, "
        "10 after the last whole window",
        "windows: 60, 59 kept, 1 dropped: 1 at a border between labels; "
        "changed: 4 with values filled in",
    ]


def test_a_unit_that_does_not_add_up_is_named():
    ledger = filled()
    assert ledger.unbalanced() == {}
    ledger.read("rows", 7)
    ledger.keep("beats", 2)
    assert ledger.unbalanced() == {"rows": 7, "beats": -2}


def test_what_is_changed_stays_in_the_balance():
    ledger = Ledger()
    ledger.read("rows", 2)
    ledger.keep("rows", 2)
    ledger.change("rows", 2, "spread over their interval")
    assert ledger.unbalanced() == {}
    assert ledger["rows"].changed["spread over their interval"] == 2


def test_two_ledgers_add_up():
    ledger, other = filled(), filled()
    other.read("beats", 3)
    other.drop("beats", 3, "too short for a window")
    ledger.merge(other)
    assert ledger["rows"].read == 6000
    assert ledger["windows"].dropped == {"at a border between labels": 2}
    assert ledger["windows"].changed == {"with values filled in": 8}
    assert ledger["beats"].dropped.total() == 3
    assert ledger.unbalanced() == {}
    assert other["rows"].read == 3000


def test_plain_json_and_back():
    plain = json.loads(json.dumps(filled().to_dict()))
    assert plain["rows"] == {
        "read": 3000,
        "kept": 2960,
        "dropped": {"after the last whole window": 10, "at a border between labels": 30},
        "changed": {},
    }
    assert Ledger.from_dict(plain) == filled()
    with pytest.raises(KeyError):
        Ledger.from_dict({"rows": {"read": 3}})


def test_nothing_counted_is_nothing_to_say():
    ledger = Ledger()
    ledger.drop("rows", 0, "too short for a window")
    assert ledger.to_dict() == {}
    assert ledger.lines() == []
    ledger.read("rows", 0)
    assert ledger.lines() == ["rows: 0 read, 0 in windows"]
