import pickle
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.formats.array_pickle import MAX_STEPS, load
from sensor2llm.errors import DataError

MEMO, ENCODE = pickle.PROTO + b"\x02", b"c_codecs\nencode\n"


def text(content: bytes) -> bytes:
    return pickle.BINUNICODE + struct.pack("<I", len(content)) + content


BOMBS = {
    "one text encoded again and again": MEMO
    + ENCODE
    + b"q\x01"
    + text(b"a" * 50_000)
    + b"q\x020"
    + b"]"
    + (b"h\x01h\x02X\x06\x00\x00\x00latin1\x86Ra") * 2000
    + b".",
    "text of more bytes than there are": MEMO + b"X\xff\xff\xff\x7fabc.",
    "bytes of more than any machine has": MEMO + b"\x8e" + b"\xff" * 7 + b"\x7fabc.",
    "a number of a million digits": b"L" + b"9" * 1_000_000 + b"L\n.",
    "more steps than any array needs": b"N0" * MAX_STEPS + b"N.",
    "a key whose hash takes for ever": MEMO + b"})q\x01" + b"h\x01h\x01\x86q\x01" * 40 + b"Ns.",
    "tuples in tuples as a key": MEMO + b"}" + b"(" * 40_000 + b"t" * 40_000 + b"Ns.",
    "a shape that is no shape": pickle.dumps(np.zeros(3), 2).replace(b"K\x03\x85", b"K\xff\x85"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once(tmp_path: Path, name: str):
    (tmp_path / "S2.pkl").write_bytes(BOMBS[name])
    began = time.perf_counter()
    with pytest.raises(DataError, match=r"^S2\.pkl .{10,280}$"):
        load(tmp_path / "S2.pkl")
    assert time.perf_counter() - began < 5


def test_a_memo_entry_of_thousands_of_millions_costs_nothing(tmp_path: Path):
    (tmp_path / "S2.pkl").write_bytes(MEMO + b"}r\xff\xff\xff\x7f.")
    assert load(tmp_path / "S2.pkl") == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"x\.pkl is no whole pickle"),
        (b"(lp0\n", "is no whole pickle"),
        (b"cos\nsystem\n(S'true'\ntR.", r"asks for os\.system; only numpy arrays"),
        (b"(S'true'\nios\nsystem\n.", "takes the step INST"),
        (b"(cos\nsystem\nS'true'\no.", r"asks for os\.system"),
        (b"Pid\n.", "takes the step PERSID"),
        (b"\x80\x02\x82\x01.", "takes the step EXT1"),
        (b"S'print'\n(tR.", "calls what is no function"),
        (b"cnumpy\nndarray\n(tR.", r"calls numpy\.ndarray"),
        (b"}}b.", "gives a state to what is no array"),
        (b"}(I1\nI2\ntNs.", "has a key that is no text"),
        (pickle.dumps({"a": {1, 2}}, 4), "takes the step EMPTY_SET"),
    ],
)
def test_what_is_no_plain_data_is_refused(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "x.pkl")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_comes_out_as_it_went_in(tmp_path: Path, protocol: int):
    plain = {
        "numbers": [0, -1, 300, 70_000, 2**70, 1.5, float("inf")],
        "constants": (None, True, False),
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "texts": ["", "ä", b"raw"] if protocol > 2 else ["", "ä"],
        1: {"a": {}, "b": []},
    }
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(plain, protocol))
    assert load(tmp_path / "x.pkl") == plain
