"""The verb `chat`."""

import io
import json
import os
import re
import subprocess
import sys

import pytest

from sensor2llm.chat import main
from tests.models import LABELS
from tests.verbs import llm_folder, save_adapter, save_recording


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    base = tmp_path_factory.mktemp("verb")
    return save_adapter(base / "adapter"), save_recording(base / "walk.csv")


class Typed(io.StringIO):
    """What is piped in; a test may call it a terminal."""


@pytest.fixture
def chat(given, monkeypatch):
    def run(typed, *arguments):
        monkeypatch.setattr("sys.stdin", Typed(typed))
        fixed = (given[0], "--llm", llm_folder(), "--max_new_tokens", "5")
        return main([str(a) for a in (*fixed, *arguments)])

    return run


def test_a_window_is_drawn_and_questions_are_answered(chat, given, capsys):
    assert chat("How fast?\n/labels\n/quit\nnever asked\n", "--window", given[1]) == 0
    out = capsys.readouterr().out
    assert "accel (2 s at 8 Hz)" in out
    assert sum(line.startswith("accel: ") for line in out.splitlines()) == 1
    assert "> How fast?\n" in out  # a piped conversation can be read as a transcript
    assert "never asked" not in out
    assert "person (missing)" in out
    assert any(f"{name} 0." in out for name in LABELS)
    assert ", ".join(LABELS) in out


def test_json_is_one_object_a_turn(chat, given, tmp_path, capsys):
    file, out = given[1], tmp_path / "chat.json"
    typed = [f"/window {file} 3", "Why?", f"/save {out}", "/oops", f"/window {file} 9"]
    assert chat("\n".join(typed), "--json") == 0
    turns = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert turns[0]["window"] == "walk.csv, window 3"
    assert turns[0]["start_s"] == 4.0
    assert turns[1]["question"] == "Why?"
    assert turns[2]["saved"].endswith("chat.json")
    assert "unknown command '/oops'" in turns[3]["error"]
    assert "walk.csv has 3 windows of 2 s; there is no number 9" in turns[4]["error"]
    assert len(json.loads(out.read_text())["turns"]) == 2


def test_a_mistake_is_said_and_the_chat_goes_on(chat, capsys):
    assert chat("/window nowhere.csv\n/window\n/save\n/help\n") == 0
    out = capsys.readouterr().out
    assert "nowhere.csv does not exist" in out
    assert "/window needs a file" in out
    assert "/save needs a file" in out
    assert "/quit" in out


def test_a_first_window_that_cannot_be_read_ends_it(chat, capsys):
    assert chat("", "--window", "nowhere.csv") == 2
    assert capsys.readouterr().err == "error: nowhere.csv does not exist\n"


def test_at_a_terminal_it_asks_until_the_end_of_input(chat, monkeypatch, capsys):
    typed = iter(["/labels"])
    asked = []

    def answer(prompt):
        asked.append(prompt)
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(Typed, "isatty", lambda self: True)
    assert chat("") == 0
    assert asked == ["> ", "> "]
    out = capsys.readouterr().out
    assert ", ".join(LABELS) in out
    assert "> /labels" not in out  # the terminal has echoed it


def test_words_without_a_slash_leave_and_help(chat, capsys):
    assert chat("help\nEXIT\n/labels\n") == 0
    out = capsys.readouterr().out
    assert "Everything else is a question" in out
    assert ", ".join(LABELS) not in out
    assert chat("quit\n/labels\n") == 0
    assert ", ".join(LABELS) not in capsys.readouterr().out


def test_a_file_that_breaks_its_reader_does_not_end_the_conversation(chat, monkeypatch, capsys):
    def broken(*_):
        raise RecursionError("too deep")

    monkeypatch.setattr("sensor2llm.serving.terminal.find_window", broken)
    assert chat("/window deep.csv\n/labels\n") == 0
    out = capsys.readouterr().out
    assert "too deep" in out
    assert ", ".join(LABELS) in out


def test_ctrl_c_stops_an_answer_and_the_next_one_leaves(chat, monkeypatch, capsys):
    def interrupted(self, question):
        yield "The"
        raise KeyboardInterrupt

    lines = iter(
        ["What is a joke?", "/labels", KeyboardInterrupt, KeyboardInterrupt, "never asked"]
    )

    def answer(_):
        line = next(lines)
        if line is KeyboardInterrupt:
            raise KeyboardInterrupt
        return line

    monkeypatch.setattr("sensor2llm.tasks.conversation.Conversation.stream", interrupted)
    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(Typed, "isatty", lambda self: True)
    assert chat("") == 0
    out = capsys.readouterr().out
    assert "not from the window: The (stopped; this answer is not part of the conversation)" in out
    assert out.count("Ctrl-C again leaves") == 2
    assert ", ".join(LABELS) in out
    assert list(lines) == ["never asked"]


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (b"How \xff fast?", "the question 'How \ufffd fast.' holds bytes that are no UTF-8"),
        (b"Is <|signal|> a walk?", r"the question holds <\|signal\|>, which stands for learned"),
        (b"Is <|soft|> a walk?", r"the question holds <\|soft\|>"),
        (b"/window \xff.csv", "\ufffd.csv.*(exist|no such)"),
    ],
)
def test_what_cannot_be_asked_is_said_and_the_chat_goes_on(given, tmp_path, typed, why):
    """The bytes go in as they would from a terminal; the next question is answered."""
    words = [sys.executable, "-m", "sensor2llm.chat", str(given[0]), "--llm", str(llm_folder()),
             "--max_new_tokens", "5", "--json"]  # fmt: skip
    done = subprocess.run(words, input=typed + b"\n/labels\n", capture_output=True, timeout=100,
                          env=os.environ | {"PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused, labels = map(json.loads, done.stdout.decode().splitlines())
    assert re.search(why, refused["error"]), refused
    assert labels == {"labels": list(LABELS)}
