"""Lines on standard input become samples; what is none is counted, or refused at once."""

import io
import json
import os

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.live.sources.lines import LineSource
from sensor2llm.live.sources.source import LiveSamples


def read_all(text):
    source, chunks = LineSource(io.BytesIO(text.encode())), []
    while (samples := source.read(0.1)) is not None:
        chunks += [samples] if len(samples) else []
    return source, chunks


def only(text):
    source, chunks = read_all(text)
    values = {name: np.concatenate([c.values[name] for c in chunks]) for name in source.columns}
    timed = chunks[0].times_s is not None
    return source, LiveSamples(
        values, np.concatenate([c.times_s for c in chunks]) if timed else None
    )


def test_json_lines():
    source, samples = only('{"time_s": 1, "accel.x": 2.5, "n": 3}\n{"time_s": 1.5, "accel.x": 4}\n')
    assert source.columns == ("accel.x", "n")
    assert samples.times_s.tolist() == [1.0, 1.5]
    assert samples.values["accel.x"].tolist() == [2.5, 4.0]
    np.testing.assert_equal(samples.values["n"], [3.0, np.nan])


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv_lines(mark):
    text = "time_s,x,y\n0,1,2\n0.5,,3\r\n1,nan,4".replace(",", mark)
    source, samples = only("\ufeff" + text)
    assert source.columns == ("x", "y")
    assert samples.times_s.tolist() == [0.0, 0.5, 1.0]
    np.testing.assert_equal(samples.values["x"], [1.0, np.nan, np.nan])
    assert samples.values["y"].tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("name", "cell", "seconds"),
    [
        ("time_s", "1.5", 1.5),
        ("time_ms", "1500", 1.5),
        ("time_us", "1500000", 1.5),
        ("time_ns", "1500000000", 1.5),
        ("time", "1.5", 1.5),
        ("timestamp", "1970-01-01T00:00:01.500", 1.5),
        ("time", "1970-01-01 01:00:01.5+01:00", 1.5),
        ("time", "1970-01-01T00:00:01.500Z", 1.5),
    ],
)
def test_the_clocks_that_classify_knows(name, cell, seconds):
    _, samples = only(f"{name},x\n{cell},1\n")
    assert samples.times_s.tolist() == [seconds]
    _, samples = only(json.dumps({name: cell if "T" in cell or " " in cell else float(cell),
                                  "x": 1}))  # fmt: skip
    assert samples.times_s.tolist() == [seconds]


def test_without_a_clock_there_are_no_times():
    assert only("x\n1\n2\n")[1].times_s is None
    assert only('{"x": 1}')[1].times_s is None


def test_a_key_that_comes_later_is_a_column():
    source, samples = only('{"time_s": 0, "x": 1}\n{"time_s": 1, "y": 2}\n')
    assert source.columns == ("x", "y")
    np.testing.assert_equal(samples.values["y"], [np.nan, 2.0])


BAD = {
    "{": '{"time_s": 0, "x": 1}\n{"time_s": 1, "x"\n[1]\nhello\n{"x": 2}\n{"time_s": 2, "x": "a"}\n'
    '{"time_s": true, "x": 1}\n{"time_s": 3, "x": 4}\n',
    "csv": "time_s,x\n0,1\n1\n1,2,3\none,2\n,2\n1,two\n1e300,1\n3,4\n",
}


@pytest.mark.parametrize("kind", BAD)
def test_lines_that_are_no_sample_are_counted(kind):
    source, samples = only(BAD[kind])
    assert samples.times_s.tolist() == [0.0, 3.0]
    assert samples.values["x"].tolist() == [1.0, 4.0]
    assert source.losses == {"lines that were no sample": 6}


def test_a_header_that_comes_again_is_no_loss():
    source, samples = only("time_s,x\n0,1\ntime_s,x\n1,2\n\n")
    assert samples.times_s.tolist() == [0.0, 1.0]
    assert not source.losses


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "standard input ended before a line; send JSON objects, or CSV with a header"),
        ("\n\n", "standard input ended before a line"),
        ('{"x": 1', "line 1 is no JSON object"),
        ('{"x": "a"}', "line 1 is no JSON object ('x' is no number)"),
        ('{"time_s": 1}', "line 1 has no number of a sensor"),
        ("1,2,3\n", "line 1 is no header of different names: '1,2,3'; write the columns' names"),
        ("x,x\n1,2\n", "line 1 is no header of different names"),
        ("time_s,x\n0,one\n", "line 2: 'one' of 'x' is no number: '0,one'; send JSON objects"),
        ("time_s,x\n0\n", "line 2: 1 cells, 2 columns: '0'"),
        ("time_s,x\n,1\n", "standard input: line 2: "),
        ("time_s,x\n" + "1" * 1_200_000, "a line is longer than a megabyte"),
    ],
)
def test_a_start_that_cannot_be(text, message):
    with pytest.raises(DataError) as error:
        read_all(text)
    assert message in str(error.value)


def test_lines_are_read_as_they_come():
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb", buffering=0) as end:
        end.write(b"time_s,x\n0,1\n1,")
        source = LineSource(stream)
        assert source.read(0.01).values["x"].tolist() == [1.0]
        assert not len(source.read(0.01))
        end.write(b"2\n")
        assert source.read(1.0).values["x"].tolist() == [2.0]
        assert not len(source.read(0.01))
