"""The verb `listen`: streams, lines and files as they come, answers as lines, views and stores."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from rich.live import Live

from sensor2llm.classify import main as classify
from sensor2llm.listen import main
from sensor2llm.live import run as run_module
from sensor2llm.live.listener import Listener
from sensor2llm.live.sources import opening
from sensor2llm.live.view import TerminalView
from sensor2llm.signals.store.store import WindowStore
from tests.live.sources import Device, ListFeed, ListSource
from tests.live.test_cutter import columns_of, grid
from tests.live.test_listener import some
from tests.live.test_source_feed import ONE, chunks_of
from tests.models import LABELS, small_model
from tests.verbs import llm_folder, save_adapter, save_recording, save_store


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    base = tmp_path_factory.mktemp("listen")
    return save_adapter(base / "adapter"), save_recording(base / "walk.csv")


def run(given, source, *words):
    return main([str(w) for w in (given[0], source, "--llm", llm_folder(), *words)])


def rows_of(text):
    """Give the answers and the totals of --json."""
    *rows, totals = map(json.loads, text.splitlines())
    return rows, totals


def pipe(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))


def expected_rows(given, capsys, *words):
    assert classify([str(w) for w in (given[0], given[1], "--llm", llm_folder(), "--json",
                                      *words)]) == 0  # fmt: skip
    return json.loads(capsys.readouterr().out)["windows"]


def same(rows, expected):
    assert [row["start_s"] for row in rows] == [row["start_s"] for row in expected]
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        for name in LABELS:
            assert row[f"p_{name}"] == pytest.approx(other[f"p_{name}"], abs=1e-5)


@pytest.mark.parametrize("step_s", [None, 0.5])
@pytest.mark.parametrize("source", ["playback", "csv", "jsonl"])
def test_answers_are_those_of_classify(given, source, step_s, monkeypatch, capsys):
    text = given[1].read_text()
    if source == "jsonl":
        names, *cells = [line.replace('"', "").split(",") for line in text.splitlines()]
        text = "\n".join(json.dumps(dict(zip(names, map(float, row), strict=True)))
                         for row in cells)  # fmt: skip
    pipe(monkeypatch, text)
    typed = f"playback://{given[1]}?speed=inf" if source == "playback" else "-"
    steps = [] if step_s is None else ["--step-s", step_s]
    assert run(given, typed, "--json", *steps) == 0
    rows, totals = rows_of(capsys.readouterr().out)
    overlap = [] if step_s is None else ["--overlap", 1 - step_s / 2]
    same(rows, expected_rows(given, capsys, *overlap))
    assert all(row["missing"] == ["rr", "person"] for row in rows)
    assert (totals["answers"], totals["skipped"], totals["gaps"]) == (len(rows), 0, 0)
    seconds = sum(row["minutes"] for row in totals["summary"]) * 60
    assert seconds == pytest.approx(6.0 if step_s is None else 7.0)


def test_a_file_is_played_at_its_speed(given, capsys):
    begun = time.monotonic()
    assert run(given, f"playback://{given[1]}?speed=10", "--json") == 0
    assert time.monotonic() - begun >= 0.6
    rows, totals = rows_of(capsys.readouterr().out)
    assert len(rows) + totals["skipped"] == 3


def test_a_store_is_played(given, tmp_path, capsys):
    store = save_store(tmp_path / "store")
    assert run(given, f"playback://{store}?speed=inf", "--json") == 0
    rows, totals = rows_of(capsys.readouterr().out)
    assert len(rows) == 48
    assert {row["subject"] for row in totals["summary"]} == {f"s{i}" for i in range(1, 7)}


def test_lines_and_totals_for_people(given, monkeypatch, capsys):
    pipe(monkeypatch, given[1].read_text())
    assert run(given, "-") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["0.00", "2.00", "4.00"]
    assert all(line.endswith("without rr, person") for line in lines[:3])
    assert lines[-1].startswith("3 answers, ")
    assert lines[-1].endswith(" skipped; 0 gaps")
    assert sum(float(line.split()[0]) for line in lines[3:-1]) == pytest.approx(0.1, abs=0.02)


def test_what_is_recorded_is_what_was_heard(given, tmp_path, monkeypatch, capsys):
    expected = expected_rows(given, capsys)
    pipe(monkeypatch, given[1].read_text())
    store = tmp_path / "mine"
    assert run(given, "-", "--record", store, "--subject", "anna", "--json") == 0
    capsys.readouterr()
    assert classify([str(w) for w in (given[0], store, "--llm", llm_folder(), "--json")]) == 0
    rows = json.loads(capsys.readouterr().out)["windows"]
    same(rows, expected)
    opened = WindowStore.open(store)
    assert opened.subject_names == ("anna",)
    assert opened.source == "listened to standard input"
    assert (opened.labels == -1).all()
    assert opened.ledger["windows"].kept == 3


def test_what_was_heard_before_an_error_is_recorded(given, tmp_path, monkeypatch, capsys):
    pipe(monkeypatch, given[1].read_text() + "\n" + "9" * 1_200_000)
    assert run(given, "-", "--record", tmp_path / "mine", "--json") == 2
    printed = capsys.readouterr()
    assert "a line is longer than a megabyte" in printed.err.splitlines()[-1]
    assert len(WindowStore.open(tmp_path / "mine")) == len(printed.out.splitlines()) >= 2


def test_a_folder_that_is_no_store_is_not_recorded_over(given, tmp_path, monkeypatch, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    pipe(monkeypatch, given[1].read_text())
    assert run(given, "-", "--record", tmp_path / "mine") == 2
    assert "exists and is no window store" in capsys.readouterr().err.splitlines()[-1]
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_losses_are_counted(given, monkeypatch, capsys):
    pipe(monkeypatch, given[1].read_text() + "\noops\n7.5,1\n")
    assert run(given, "-", "--json") == 0
    _, totals = rows_of(capsys.readouterr().out)
    assert totals["losses"] == {"lines that were no sample": 2}


def test_a_stream_is_listened_to_for_a_while(given, capsys):
    device = Device(columns_of(grid(10), ONE), 8.0)
    assert run(given, f"lsl://{device.name}", "--stop-after", "3", "--json") == 0
    device.close()
    rows, totals = rows_of(capsys.readouterr().out)
    assert len(rows) + totals["skipped"] >= 4
    assert all(row["start_s"] > 1e9 for row in rows)


def test_a_source_of_another_package(given, monkeypatch, capsys):
    class Entry:
        name = "device"

        def load(self):
            return lambda place: ListSource(*chunks_of(columns_of(grid(8), ONE)))

    entries = type("Entries", (list,), {"names": property(lambda self: [e.name for e in self])})
    monkeypatch.setattr(opening, "entry_points", lambda group: entries([Entry()]))
    assert run(given, "device://COM3", "--json") == 0
    assert len(rows_of(capsys.readouterr().out)[0]) == 4
    assert run(given, "devise://COM3") == 2
    assert "write lsl://NAME, playback://FILE, device://…, or -" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "words", "message"),
    [
        ("mqtt://x", [], "unknown source 'mqtt://'; write lsl://NAME, playback://FILE, or - for"),
        ("WALK", [], "cannot read the source 'WALK'; write lsl://NAME, playback://FILE, or - for "
                     "standard input; to play a file: playback://WALK"),
        ("lsl://", [], "cannot read the source 'lsl://'"),
        ("playback://nowhere.csv", [], "nowhere.csv does not exist"),
        ("playback://WALK?pace=2", [], "cannot read 'pace=2' behind the file; write ?speed=1"),
        ("playback://WALK?speed=0", [], "a number above 0, or inf"),
        ("playback://WALK?speed=fast", [], "a number above 0, or inf"),
        ("playback://STORE", ["--step-s", "1"], "says itself where its windows are; leave"),
        ("playback://WALK", ["--step-s", "0"], "step-s must be above 0 and at most a window's 2 s"),
        ("playback://WALK", ["--step-s", "3"], "at most a window's 2 s, got 3"),
        ("-", ["--step-s", "-1"], "step-s must be above 0 and at most a window's 2 s, got -1"),
        ("playback://WALK", ["--stop-after", "0"], "stop-after must be above 0 s, got 0"),
        ("playback://WALK", ["--abstain", "2"], "abstain is a share of wrong labels"),
        ("playback://WALK", ["--abstain", "0.1"], "this adapter is not calibrated and cannot"),
        ("playback://WALK", ["--map", "gyro=x"], "unknown modality 'gyro'"),
        ("playback://SHORT", [], "short.csv holds no whole window of 2 s without gaps"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(given, source, words, message, tmp_path, capsys):
    places = {"WALK": given[1], "STORE": tmp_path / "store", "SHORT": tmp_path / "short.csv"}
    if "STORE" in source:
        save_store(places["STORE"])
    if "SHORT" in source:
        save_recording(places["SHORT"], seconds=1.5)
    for name, place in places.items():
        source, message = source.replace(name, str(place)), message.replace(name, str(place))
    assert run(given, source, *words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = [one for one in printed.err.splitlines() if one.startswith("error: ")]
    assert message in line
    assert len(line) <= 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "standard input ended before a line"),
        ("a,b\n1,2\n", "standard input has the columns a, b; expected the spec's channels"),
        ("watch_x,watch_y,watch_z\n1,2,3\n", "rename them, or say --map accel=watch"),
        ('{"accel.x": 1}\n', "no column 'accel.y' of modality 'accel'"),
        ("time_s,x,y,z\n0,1,2,3\n", "standard input holds no whole window of 2 s"),
    ],
)
def test_lines_that_cannot_be_are_one_line(given, text, message, monkeypatch, capsys):
    pipe(monkeypatch, text)
    assert run(given, "-") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_ctrl_c_ends_it_in_order(given, tmp_path):
    words = [given[0], "-", "--llm", llm_folder(), "--record", tmp_path / "mine", "--json"]
    verb = [sys.executable, "-m", "sensor2llm.listen", *map(str, words)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(verb, text=True, **pipes) as process:
        process.stdin.write(given[1].read_text())
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rows, totals = rows_of(process.stdout.read())
        assert process.wait(60) == 0
    assert first["start_s"] == 0.0
    assert totals["answers"] == 1 + len(rows) == len(WindowStore.open(tmp_path / "mine"))
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == ["mine"]


def test_ctrl_c_before_a_window_is_no_error(given, monkeypatch, capsys):
    class Silent(ListFeed):
        def poll(self, wait_s):
            os.kill(os.getpid(), signal.SIGINT)
            return []

    monkeypatch.setattr(run_module, "open_feed", lambda *words, **options: Silent())
    before = signal.getsignal(signal.SIGINT)
    assert run(given, "-", "--record", "nowhere") == 0
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().out == "0 answers, 0 ms each; 0 skipped; 0 gaps\n"


def test_outside_the_main_thread_it_listens_without_ctrl_c(given, monkeypatch, capsys):
    codes = []
    thread = threading.Thread(
        target=lambda: codes.append(run(given, f"playback://{given[1]}?speed=inf", "--json"))
    )
    thread.start()
    thread.join()
    assert codes == [0]


def view_of(windows, *, gone=()):
    """Draw what a terminal shows after some windows."""
    model = small_model()
    feed = ListFeed(*[[(w, 0.0)] for w in windows])
    last = windows[-1].signals if windows else {}
    feed.recent = lambda: {name: v for name, v in last.items() if name not in gone}
    feed.heard_s = time.monotonic() - 9.0
    console = Console(width=90, height=40, file=io.StringIO(), force_terminal=True)
    listener = Listener(model, feed)
    with Live(console=console, auto_refresh=False) as live:
        view = TerminalView(listener, "mine · device", live)
        empty = render(console, view)
        for _ in listener.windows(view):
            pass
        return empty, render(console, view)


def render(console, view):
    with console.capture() as captured:
        console.print(view.render())
    return captured.get()


def test_a_terminal_shows_curves_labels_and_the_answer():
    own = some(4)
    own[3] = own[0].__class__(own[0].signals, "anna", None, 16.0)
    empty, text = view_of(own)
    assert "listening …" in empty
    for part in ("mine · device", "accel", "rr", "person", "█", "░", "4 answers", "1 gap (10.0 s)",
                 "no signal for "):  # fmt: skip
        assert part in text
    assert any(chr(code) in text for code in range(0x2801, 0x2900))
    assert sum(label in text for label in LABELS) >= 1


def test_a_terminal_shows_what_is_missing():
    own = some(1)
    signals = {name: v for name, v in own[0].signals.items() if name != "rr"}
    _, text = view_of([own[0].__class__(signals, "anna", None, 0.0)])
    assert "missing" in text
    assert "without rr" in text


def test_the_size_of_many_channels_is_one_curve():
    from sensor2llm.live.view import _curves
    from tests.signals.stores import ACCEL

    values = np.array([[3.0] * 16, [4.0] * 16, [0.0] * 16])
    ((name, curve, extent),) = _curves(ACCEL, values, 20, joined=True)
    assert (name, len(curve), extent) == ("size", 20, "5 … 5 g")
    assert [n for n, _, _ in _curves(ACCEL, values, 20, joined=False)] == ["x", "y", "z"]
