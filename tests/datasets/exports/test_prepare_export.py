import json
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.cli.listing import main as list_main
from sensor2llm.datasets.exports.catalogue import EXPORTS
from sensor2llm.prepare import main
from sensor2llm.signals.store.store import WindowStore

START = 1_577_135_046


@pytest.fixture
def export(tmp_path: Path) -> Path:
    rows = [f"{START + i / 50:.4f},{i % 7 / 10},-1,0.25" for i in range(3000)]
    (tmp_path / "exports").mkdir()
    for person in ("anna", "ben"):
        (tmp_path / "exports" / f"{person}.csv").write_text("\n".join(rows))
    return tmp_path


def test_an_export_and_its_labels_become_a_store_and_a_summary(export: Path, capsys):
    labels = export / "intervals.csv"
    labels.write_text(f"start,end,label,person\n{START},{START + 30},walk,anna\n")
    words = ["axivity", "--from", str(export / "exports"), "--out", str(export / "store")]
    assert main([*words, "--labels", str(labels), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["windows"], summary["subjects"], summary["classes"]) == (12, 2, {"walk": 3})
    assert summary["unlabelled"] == 9
    assert summary["notes"]["windows outside the labels of intervals.csv, without a label"] == 9
    store = WindowStore.open(export / "store")
    assert (store[0].subject, store[0].label, store[0].start_s) == ("anna", "walk", START)
    expected = (2500 + np.arange(500)) % 7 / 10
    np.testing.assert_allclose(store[11].signals["accel"][0], expected, atol=1e-5)


def test_without_labels_windows_have_none_and_the_picture_is_drawn(export: Path, capsys):
    words = ["axivity", "--from", str(export / "exports" / "ben.csv"), "--out"]
    assert main([*words, str(export / "store")]) == 0
    assert "(no label)" in capsys.readouterr().out
    store = WindowStore.open(export / "store")
    assert (len(store), store.label_names, set(store.subjects.tolist())) == (6, (), {"ben"})
    assert (export / "store" / "classes.png").is_file()


def test_bad_input_is_one_line_and_leaves_no_store(export: Path, capsys):
    (export / "intervals.csv").write_text("start,end,label\n1,2,walk\n")
    words = ["axivity", "--from", str(export / "exports"), "--out", str(export / "store")]
    assert main([*words, "--labels", str(export / "intervals.csv")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no window lies in an interval of intervals.csv: anna was")
    assert line.endswith("are zone and date right, and windows shorter?")
    assert not (export / "store").exists()
    assert main(["uci_har", "--labels", "x.csv", "--from", str(export), "--out", "s"]) == 2
    assert "uci_har has no option --labels; its options: " in capsys.readouterr().err


def test_exports_are_listed_with_the_data_sets(capsys):
    assert list_main(["datasets", "--json"]) == 0
    assert set(EXPORTS) <= set(json.loads(capsys.readouterr().out)["datasets"])
