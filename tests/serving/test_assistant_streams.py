"""The last seconds of a live stream, as an assistant asks about them."""

import asyncio
import threading

import mcp
import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.serving.tools import streams as module
from sensor2llm.serving.tools.assistant import make_server
from sensor2llm.serving.tools.streams import StreamShelf, StreamTail
from sensor2llm.serving.tools.toolbox import SensorToolbox
from tests.live.sources import Device, ListFeed
from tests.models import windows
from tests.serving import served

LENGTH_S = 2.0


def at(*starts_s):
    """Give windows of two seconds that begin then, each due when it ends."""
    return [(module.Window(windows()[0].signals, start_s=s), s + LENGTH_S) for s in starts_s]


def tail_of(*looks):
    return StreamTail(ListFeed(*looks), LENGTH_S)


def starts(end):
    return [window.start_s for window in end.windows]


@pytest.fixture(scope="module")
def toolbox():
    box = SensorToolbox([served.ADAPTER])
    box._loaded.update(served.models())
    return box


def test_the_last_seconds_are_those_of_the_device(toolbox):
    tail = tail_of(at(0, 2, 4), at(6, 8), [])
    assert starts(tail.last(4.0)) == [6, 8]
    assert starts(tail.last(5.9)) == [6, 8]
    assert starts(tail.last(LENGTH_S)) == [8]
    assert starts(tail.last(600)) == [0, 2, 4, 6, 8]


def test_what_came_before_the_clock_was_set_back_is_left_out():
    assert starts(tail_of(at(100, 102), at(0, 2)).last(60)) == [0, 2]


class Endless(ListFeed):
    """Give a window a look until it is closed."""

    def __init__(self):
        super().__init__()
        self.looked, self.closed = 0, threading.Event()

    def poll(self, wait_s):
        self.looked += 1
        self.looks = [at(2.0 * self.looked)]
        threading.Event().wait(0.001)
        return super().poll(wait_s)

    def close(self):
        self.closed.set()


def test_a_first_question_waits_for_its_seconds_and_who_is_not_asked_is_let_go(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    feed = Endless()
    tail = StreamTail(feed, LENGTH_S)
    clock[0] = 10.0  # it was listened to for so long
    assert len(tail.last(10.0).windows) <= 5
    assert not feed.closed.is_set()
    clock[0] += module.IDLE_S
    assert feed.closed.wait(5)


@pytest.mark.parametrize("seconds", [1.9, 601, float("nan")])
def test_seconds_that_cannot_be(seconds):
    with pytest.raises(ConfigError, match=r"seconds must be from 2 \(a window\) to 600, got"):
        tail_of(at(0)).last(seconds)


def test_what_the_source_met_is_told_and_the_next_question_opens_it_anew(monkeypatch):
    class Broken(ListFeed):
        def poll(self, wait_s):
            raise DataError("the clock stands still")

    feeds = [Broken(), ListFeed(at(0))]
    monkeypatch.setattr(module, "open_feed", lambda *words, **options: feeds.pop(0))
    shelf, spec = StreamShelf(), served.models()[served.ADAPTER].spec
    with pytest.raises(DataError, match="stands still"):
        shelf.open("lsl://Watch", "a", spec).last(3)
    assert starts(shelf.open("lsl://Watch", "a", spec).last(3)) == [0]


def test_so_many_streams_and_no_more(monkeypatch):
    feeds = []
    monkeypatch.setattr(module, "open_feed", lambda *_, **__: feeds.append(Endless()) or feeds[-1])
    monkeypatch.setattr(module, "MOST_STREAMS", 2)
    shelf, spec = StreamShelf(), served.models()[served.ADAPTER].spec
    first = shelf.open("lsl://A", "a", spec)
    assert shelf.open("lsl://A", "a", spec) is first
    shelf.open("lsl://A", "b", spec)
    with pytest.raises(ConfigError, match="2 streams are listened to already: lsl://A"):
        shelf.open("lsl://B", "a", spec)
    monkeypatch.setattr(module, "IDLE_S", 0.0)
    assert all(feed.closed.wait(5) for feed in feeds)


def ask(toolbox, **arguments):
    async def run():
        async with mcp.Client(make_server(toolbox)) as client:
            return await client.call_tool("classify_stream", arguments)

    result = asyncio.run(run())
    return result.content[0].text if result.is_error else result.structured_content


def test_an_assistant_hears_the_end_of_a_stream_of_the_network(toolbox):
    columns = {name: np.asarray(values) for name, values in served.recording().items()}
    device = Device(columns, 50.0)
    try:
        wanted = {"source": f"lsl://{device.name}", "adapter": served.ADAPTER}
        # All came at once: it was listened to for less than its own seconds.
        tail = toolbox._streams.open(*wanted.values(), served.models()[served.ADAPTER].spec)
        tail._began_s -= 30
        with tail._changed:
            assert tail._changed.wait_for(lambda: len(tail._windows) >= 8, 20)
        result = ask(toolbox, **wanted, seconds=8)
        tail._asked_s -= module.IDLE_S
    finally:
        device.close()
    assert (result["windows"], result["counts"]) == (3, {"lying": 3})
    assert result["source"] == wanted["source"]
    assert 0 <= result["age_s"] < 30
    assert result["limits"].startswith("not a medical device")
    assert all(0 < one["probability"] <= 1 for one in result["labels"])


def test_a_played_file_has_the_labels_of_the_file(toolbox, tmp_path):
    path = tmp_path / "walk.csv"
    path.write_bytes(served.csv_bytes())
    whole = toolbox.classify_file(str(path), served.ADAPTER)
    source = f"playback://{path}?speed=inf"
    result = ask(toolbox, source=source, adapter=served.ADAPTER, seconds=600)
    assert result["counts"] == whole.counts
    assert [one["start_s"] for one in result["labels"]] == [one.start_s for one in whole.labels]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "-"}, "standard input is the assistant's own; name a stream: lsl://NAME"),
        ({"source": "walk.csv"}, "cannot read the source 'walk.csv'; write lsl://NAME"),
        ({"source": "playback://nowhere.csv"}, "nowhere.csv"),
        ({"adapter": "gpt"}, "there is no adapter 'gpt'"),
    ],
)
def test_what_cannot_be_listened_to_is_the_tools_error(toolbox, changes, words):
    wanted = {"source": "lsl://Watch", "adapter": served.ADAPTER} | changes
    text = ask(toolbox, **wanted)
    assert words in text
    assert len(text) < 400
