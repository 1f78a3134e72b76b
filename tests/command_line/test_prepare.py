import json
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.prepare import main
from sensor2llm.signals.store.store import WindowStore

TABLE = """
files: "*.csv"
time: {column: t, unit: s}
subject: {value: me}
window_s: 1
modalities:
  accel: {rate_hz: 20, columns: {x: m/s^2}}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "walk.csv").write_text("t,x\n" + "".join(f"{i / 20},{i % 7}\n" for i in range(100)))
    (tmp_path / "own.yaml").write_text(TABLE)
    return tmp_path


def test_ones_own_table_becomes_a_store_and_a_summary(own: Path, capsys):
    assert main([str(own / "own.yaml"), "--out", str(own / "store"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["windows"], summary["subjects"], summary["unlabelled"]) == (5, 1, 5)
    assert summary["missing_share"] == {"accel": 0.0}
    store = WindowStore.open(own / "store")
    np.testing.assert_allclose(store[0].signals["accel"][0], np.arange(20) % 7, atol=1e-6)


def test_the_summary_for_people_names_classes_and_missing_sensors(tmp_path: Path, capsys):
    small = ["--simulation.subjects", "2", "--simulation.sessions", "1"]
    assert main(["simulated", "--out", str(tmp_path / "store"), *small]) == 0
    text = capsys.readouterr().out
    assert "2 people" in text
    assert "windows a class:" in text
    assert "walking" in text
    assert "missing share a modality:" in text


def test_the_published_sample_of_uci_har_is_prepared_with_its_split(shared, tmp_path, capsys):
    mini = shared / "data" / "uci_har" / "mini"
    assert main(["uci_har", "--from", str(mini), "--out", str(tmp_path / "s"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["windows"] == 90
    assert list(summary["classes"])[-1] == "lying"
    store = WindowStore.open(tmp_path / "s")
    assert not set(store.published["train"]) & set(store.published["test"])


def test_a_picture_of_the_classes_lies_in_the_store_and_goes_with_it(own: Path, capsys):
    words = [str(own / "own.yaml"), "--out", str(own / "store")]
    picture = own / "store" / "classes.png"
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["picture"] == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(WindowStore.open(own / "store")) == 5
    assert main([*words, "--picture", str(own / "new" / "mine.svg")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"picture: {own / 'new' / 'mine.svg'}"
    assert (own / "new" / "mine.svg").is_file()
    assert not picture.exists()
    assert main([*words, "--picture", "none", "--json"]) == 0
    assert "picture" not in json.loads(capsys.readouterr().out)
    assert not picture.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["uci"], "unknown data set 'uci'; choose from uci_har, wisdm"),
        (["."], ". has to be described first: sensor2llm init . --out mine.yaml writes it"),
        (["uci_har"], "no --from was given; download it from https://archive.ics.uci.edu"),
        (["wisdm", "--from", "nowhere"], "nowhere is no folder; download it from"),
        (["simulated", "--from", "x"], "simulated makes its own data"),
        (["simulated", "--overlap", "0.5"], "simulated has no option --overlap"),
        (["uci_har", "--from", ".", "--window-s", "5"], "uci_har has no option --window-s; its"),
        (["wisdm", "--overlap", "1"], "overlap must be from 0 to below 1, got 1"),
        (["wisdm", "--window_s", "0"], "window_s must be positive, got 0"),
        (["wisdm", "--window_s", "1e9"], "window_s must be at most 86400, got 1e+09"),
        (["wisdm", "--simulation.seed", "1"], "wisdm has no option --simulation"),
        (["none.yaml"], "none.yaml does not exist"),
        (["simulated", "--picture", "a.csv"], "cannot write a picture as a.csv; end its name in"),
    ],
)
def test_a_wrong_word_is_one_line_on_stderr_and_exit_code_2(tmp_path, capsys, words, message):
    assert main([*words, "--out", str(tmp_path / "store")]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.strip().count("\n") == 0
    assert not printed.out
    assert not list(tmp_path.iterdir())


def test_a_fault_in_the_last_file_leaves_the_old_store_whole(own: Path, capsys):
    words = [str(own / "own.yaml"), "--out", str(own / "store")]
    assert main(words) == 0
    (own / "zz.csv").write_text("t,x\n0,1\n0.05,much\n")
    assert main(words) == 2
    assert "zz.csv: row 2, column 'x': 'much' is not a number" in capsys.readouterr().err
    assert len(WindowStore.open(own / "store")) == 5
    assert sorted(p.name for p in own.iterdir()) == ["own.yaml", "store", "walk.csv", "zz.csv"]
