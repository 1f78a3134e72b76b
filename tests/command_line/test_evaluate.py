"""The verb `evaluate`."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.artefacts import manifest
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.evaluate import main
from sensor2llm.recipes.results_folder import results_folder
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.config import EvaluationConfig
from tests.models import normaliser, text_adapter, tiny_llm
from tests.signals.stores import SPEC, make_windows
from tests.verbs import llm_folder, save_adapter, save_store


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("verb")
    return save_adapter(base / "adapter"), save_store(base / "store")


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_json_has_the_promised_keys_and_the_folder_gets_files(folders, capsys):
    adapter, store = folders
    assert run(adapter, "--data", store, "--llm", llm_folder(), "--missing", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    promised = {
        *("macro_f1", "balanced_accuracy", "accuracy", "interval", "unparsed_rate"),
        *("windows", "windows_per_s", "tokens_per_window", "llm_fingerprint"),
    }
    assert promised <= set(found)
    assert json.loads((adapter / "metrics.json").read_text()) == found
    names = {path.name for path in adapter.iterdir()}
    assert {"predictions.parquet", "confusion.png", "reliability.png"} <= names
    card = (adapter / "README.md").read_text()
    assert f"python -m sensor2llm.evaluate {adapter} --data {store}" in card


def test_results_come_together_or_not_at_all(folders, capsys, tmp_path, monkeypatch):
    adapter, store = save_adapter(tmp_path / "adapter"), folders[1]
    before = {path.name: path.read_bytes() for path in adapter.iterdir()}

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sensor2llm.evaluation.cards.adapter.write_bytes", full)
        assert run(adapter, "--data", store, "--llm", llm_folder()) == 2
    assert f"No space left on device for '{adapter}': it needs more" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in adapter.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_answers_read_from_text_stand_beside_the_scored(folders, capsys, tmp_path):
    adapter, store = save_adapter(tmp_path / "adapter"), folders[1]
    text = (adapter, "--data", store, "--llm", llm_folder(), "--by", "text")
    assert run(*text) == 0
    assert not (adapter / "metrics.json").exists()
    assert run(adapter, "--data", store, "--llm", llm_folder()) == 0
    scored = (adapter / "metrics.json").read_text()
    assert "--by text" in (adapter / "README.md").read_text()
    assert run(*text) == 0
    assert (adapter / "metrics.json").read_text() == scored
    told = (adapter / "README.md").read_text()
    assert "## Read from the model's free answer" in told
    capsys.readouterr()


def test_people_read_a_table(folders, capsys, tmp_path):
    adapter, store = folders
    arguments = ("--llm", llm_folder(), "--split", "validation", "--out", tmp_path / "out")
    assert run(adapter, "--data", store, *arguments) == 0
    out = capsys.readouterr().out
    assert "8 windows of 1 person (validation)" in out
    assert "rows: truth, columns: answer" in out
    assert "calibration error  0." in out
    assert (tmp_path / "out" / "metrics.json").exists()
    assert not (tmp_path / "out" / "README.md").exists()


def test_people_read_controls_and_missing_sensors_beside_the_probe(folders, capsys, tmp_path):
    adapter, store = folders
    arguments = ("--llm", llm_folder(), "--controls", "--missing", "--out", tmp_path / "out")
    assert run(adapter, "--data", store, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    head = "macro-F1  answers changed  without an LLM  its answers changed"
    assert [line.split(maxsplit=1) for line in lines if head in line] == [
        ["controls", head],
        ["missing", head],
    ]
    for name, one in (
        ("same_class", found["controls"]["same_class"]),
        ("accel+person", found["missing"]["accel+person"]),
    ):
        (line,) = (line for line in lines if line.startswith(name))
        assert line.split()[1:5] == [
            f"{one['macro_f1']:.3f}", f"{one['flip_rate']:.1%}",
            f"{one['probe_macro_f1']:.3f}", f"{one['probe_flip_rate']:.1%}",
        ]  # fmt: skip
    (majority,) = (line for line in lines if line.startswith("majority"))
    assert majority.endswith("most frequent training label")
    loss = found["missing_summary"]["by_number"][1]["mean_loss"]
    assert any(line.startswith(f"2 of 3 taken away: {loss:.1f} points of") for line in lines)


def test_people_read_controls_without_a_probe_where_nothing_is_encoded(folders, capsys, tmp_path):
    adapter = text_adapter(tiny_llm()).save(tmp_path / "adapter")
    assert run(adapter, "--data", folders[1], "--llm", llm_folder(), "--missing") == 0
    out = capsys.readouterr().out
    assert "macro-F1  answers changed\n" in out
    assert "1 of 3 taken away: " in out
    assert "without an LLM" not in out


def test_validation_people_leave_the_adapters_own_results(folders, capsys):
    adapter, store = folders
    (adapter / "metrics.json").write_text("{}")
    assert run(adapter, "--data", store, "--llm", llm_folder(), "--split", "validation") == 0
    assert (adapter / "metrics.json").read_text() == "{}"


def test_an_encoder_gets_probes(folders, capsys, tmp_path):
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(tmp_path / "e", {"normaliser": normaliser(SPEC).to_dict()})
    assert run(tmp_path / "e", "--data", folders[1]) == 0
    out = capsys.readouterr().out
    assert "linear probe" in out
    assert "k-NN probe" in out
    kept = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert {"probes", "knn", "subject_probe", "selectivity"} <= set(kept)
    card = (tmp_path / "e" / "README.md").read_text()
    assert f"python -m sensor2llm.evaluate {tmp_path / 'e'} --data {folders[1]}" in card
    assert f"| MLP | {kept['probes']['mlp']['macro_f1']:.3f} " in card


def test_a_released_encoder_is_measured_by_name_and_stays_as_it_is(
    folders, capsys, caplog, tmp_path, monkeypatch
):
    caplog.set_level("INFO")
    released = tmp_path / "released"
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(released / "mine", {"normaliser": normaliser(SPEC).to_dict()})
    monkeypatch.setattr(manifest, "released_folder", lambda: released)
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in (released / "mine").iterdir())
    assert run("mine", "--data", folders[1], "--out", tmp_path / "out", "--json") == 0
    assert json.loads(capsys.readouterr().out)["encoder"] == encoder.fingerprint()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["metrics.json"]
    for name in ("mine", released / "mine"):
        caplog.clear()
        assert run(name, "--data", folders[1]) == 0
        assert caplog.messages[-1] == (
            "kept in runs/evaluation/mine: metrics.json ('mine' is a released one; --out names "
            "another folder)"
        )
        (tmp_path / "runs" / "evaluation" / "mine" / "metrics.json").unlink()
    assert sorted(path.name for path in (released / "mine").iterdir()) == before


def test_ones_own_folder_beside_the_released_ones_of_a_clone_is_written_to(tmp_path, monkeypatch):
    for name in ("released", "mine"):
        (tmp_path / "adapters" / name).mkdir(parents=True)
        (tmp_path / "adapters" / name / manifest.MANIFEST).write_text("{}")
    monkeypatch.setattr(manifest, "released_folder", lambda: tmp_path / "adapters")
    monkeypatch.chdir(tmp_path)
    for words in (["init", "-q"], ["add", "adapters/released"]):
        subprocess.run(["git", *words], check=True)

    def results(name):
        config = EvaluationConfig(adapter=name, data=tmp_path)
        return results_folder(config, Path(name))

    mine, released = results("adapters/mine"), results("adapters/released")
    assert (mine.path, mine.own) == (Path("adapters/mine"), True)
    assert (released.path, released.own) == (Path("runs/evaluation/released"), False)


@pytest.mark.parametrize("words", [("walking", "standing", "running"), (None,)])
def test_no_results_are_announced_where_the_data_cannot_be_judged(words, caplog, capsys, tmp_path):
    caplog.set_level("INFO")
    adapter, store = save_adapter(tmp_path / "adapter"), tmp_path / "store"
    WindowStore.write(store, SPEC, make_windows(labels=words), source="made up")
    assert run(adapter, "--data", store, "--llm", llm_folder()) == 2
    assert "label" in capsys.readouterr().err
    assert str(adapter) not in caplog.text


def test_a_folder_that_git_tracks_stays_as_it_is(folders, caplog, tmp_path, monkeypatch):
    caplog.set_level("INFO")
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(tmp_path / "e", {"normaliser": normaliser(SPEC).to_dict()})
    monkeypatch.chdir(tmp_path)
    for words in (["init", "-q"], ["add", "e"]):
        subprocess.run(["git", *words], check=True)
    assert run("e", "--data", folders[1]) == 0
    assert "('e' is tracked by git; --out names another folder)" in caplog.text
    assert not (tmp_path / "e" / "metrics.json").exists()
    assert (tmp_path / "runs" / "evaluation" / "e" / "metrics.json").is_file()


def test_results_that_cannot_be_written_are_refused_before_anything_is_measured(
    folders, capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr("sensor2llm.recipes.evaluate.evaluate_adapter", None)
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    assert run(folders[0], "--data", folders[1], "--llm", llm_folder(), "--out", out) == 2
    assert f"cannot write results to '{out}'" in capsys.readouterr().err


PICTURES = {"embeddings_tsne.png", "selectivity.png", "embedding.json"}


def test_pictures_of_an_encoder(folders, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)  # it takes half a minute to compile
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(tmp_path / "e", {"normaliser": normaliser(SPEC).to_dict()})
    pictures = ("--pictures", tmp_path / "pictures", "--split", "validation", "--json")
    assert run(tmp_path / "e", "--data", folders[1], *pictures) == 0
    found = json.loads(capsys.readouterr().out)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == PICTURES
    kept = json.loads((tmp_path / "pictures" / "embedding.json").read_text())
    assert {name: kept[name] for name in found} == found
    assert not (tmp_path / "e" / "metrics.json").exists()


def test_pictures_of_an_adapters_encoder(folders, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    adapter = save_adapter(tmp_path / "adapter")
    pictures = ("--llm", llm_folder(), "--pictures", tmp_path / "pictures", "--json")
    assert run(adapter, "--data", folders[1], *pictures) == 0
    found = json.loads(capsys.readouterr().out)
    assert "knn" not in found
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == PICTURES
    kept = json.loads((tmp_path / "pictures" / "embedding.json").read_text())
    assert set(kept["probes"]) == {"linear"}
    assert kept["windows"] == found["windows"]


def test_pictures_of_a_text_adapter_are_refused_before_anything_is_measured(
    folders, capsys, tmp_path
):
    adapter = text_adapter(tiny_llm()).save(tmp_path / "adapter")
    assert run(adapter, "--data", folders[1], "--pictures", tmp_path / "p") == 2
    assert "reads windows as text; it has no encoder" in capsys.readouterr().err
    assert not (adapter / "metrics.json").exists()


def test_an_encoder_has_no_controls(folders, capsys, tmp_path):
    SignalEncoder(SPEC, EncoderConfig(width=8)).save_pretrained(tmp_path / "e")
    assert run(tmp_path / "e", "--data", folders[1], "--controls") == 2
    assert "is an encoder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("adapter", "store", "message"),
    [
        ("nothing-here", None, "no adapter or encoder 'nothing-here'"),
        (None, "nowhere", "not a window store"),
    ],
)
def test_what_is_not_there_is_one_line(folders, capsys, adapter, store, message):
    arguments = (adapter or folders[0], "--data", store or folders[1], "--llm", llm_folder())
    assert run(*arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_another_llm_is_refused(folders, capsys):
    from tests.llm.tiny import tiny_folder

    assert run(folders[0], "--data", folders[1], "--llm", tiny_folder("gpt2")) == 2
    assert "trained for the LLM" in capsys.readouterr().err


def test_everybody_is_judged_where_nobody_was_trained_on(folders, capsys, caplog, tmp_path):
    everybody = ("--llm", llm_folder(), "--split", "all")
    adapter, store = save_adapter(tmp_path / "adapter"), folders[1]
    assert run(adapter, "--data", store, *everybody, "--json") == 0
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["windows"], metrics["split"]) == (len(WindowStore.open(store)), "all")
    assert "does not say who taught it" in caplog.text
    assert not (adapter / "metrics.json").exists()
    for words in (("--controls",), ("--task", "captioning")):
        assert run(adapter, "--data", store, *everybody, *words) == 2
        assert "leave them out" in capsys.readouterr().err


def test_everybody_is_not_judged_where_somebody_was_trained_on(folders, capsys, tmp_path):
    everybody = ("--data", folders[1], "--llm", llm_folder(), "--split", "all")
    store = WindowStore.open(folders[1])
    adapter = SensorAdapter.load(folders[0])
    adapter.taught = (Taught.of(store, [0]),)
    adapter.save(tmp_path / "taught")
    assert run(tmp_path / "taught", *everybody) == 2
    assert "was made with people who are tested here" in capsys.readouterr().err
    # The first format named nobody, but its results name the data set.
    old = save_adapter(tmp_path / "old")
    (old / "metrics.json").write_text(json.dumps({"data": {"source": store.source}}))
    assert run(old, *everybody) == 2
    assert "does not say with which; take --split test" in capsys.readouterr().err
