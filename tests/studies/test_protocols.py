"""Published protocols, from files in the published formats to the published table."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.protocols import PROTOCOLS, STUDIES, main
from sensor2llm.command import parse, to_config
from sensor2llm.datasets.motion import pamap2
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.studies.config import StudyConfig
from sensor2llm.studies.data import divide, open_data
from sensor2llm.studies.grid import cells, check_cells, encoder_config, objective_config
from sensor2llm.study import make_parser
from tests.datasets.test_pamap2 import rows
from tests.datasets.test_pamap2 import write as write_pamap2
from tests.datasets.test_sleep_edf import write_hypnogram, write_recording
from tests.datasets.test_wesad import content, write_pickle

METHODS = {
    "pamap2": "{supervised: {}, crossl spatial: {objective: crossl}}",
    "sleep_edf": "{supervised: {}, cocoa: {objective: cocoa, use: [fixed]}}",
    "wesad": "{deepconvlstm: {encoder: {kind: deepconvlstm_crossl}}, "
    "crossl random: {objective: crossl, options: {mask: random}, use: [fixed]}}",
}
SMALL = (
    *("--encoder.width=8", "--encoder.aggregator_hidden=8", "--encoder.aggregator_width=8"),
    *("--encoder.kernels=[5,3,3]", "--encoder.strides=[4,4,2]", "--encoder.lstm_stride=64"),
    *(f"--{loop}.epochs=1" for loop in ("pretrain_loop", "finetune_loop", "probe_loop")),
    *("--workers=1", "--baseline=supervised"),
)
STAGES = ("W", "1", "2", "3", "R", "W")
# Mean F1, as the paper gives it: supervised, DeepConvLSTM, COCOA, CroSSL random and spatial.
PAPER = {
    "pamap2": (".879 (.12)", ".718 (.18)", ".839", ".882", ".802", ".871", ".822", ".892"),
    "sleep_edf": (".717 (.03)", ".601 (.02)", ".628", ".678", ".628", ".726", ".722", ".741"),
    "wesad": (".884 (.02)", ".791 (.04)", ".669", ".913", ".642", ".894", ".667", ".939"),
}  # fmt: skip
ORDER = (
    ("supervised", "finetuned"), ("deepconvlstm", "finetuned"),
    *((m, use) for m in ("cocoa", "crossl random", "crossl spatial")
      for use in ("fixed", "finetuned")),
)  # fmt: skip


def read(name: str, *words: str) -> StudyConfig:
    parser = make_parser()
    path = STUDIES / f"protocol_{name}.yaml"
    return to_config(parser, parse(parser, [f"--config={path}", *words]), StudyConfig)


def write_people(folder: Path) -> Path:
    """Write PAMAP2's nine people: each lies and walks, the ninth skips rope."""
    for number in range(101, 110):
        codes = (24, 24) if number == 109 else (1, 4)
        # Everybody moves in their own way: equal windows would be one person's.
        own = [rows(code, 8.0 * i, 5.2) for i, code in enumerate(codes)]
        for part in own:
            part[:, 3:] += (number - 100) / 10
        write_pamap2(folder, number, *own)
    return folder


def write_nights(folder: Path) -> Path:
    """Write nineteen nights of ten people, the last of whom has one."""
    folder.mkdir(parents=True)
    for i in range(19):
        night = f"SC40{i // 2}{i % 2 + 1}"
        write_recording(folder / f"{night}E0-PSG.edf", epochs=len(STAGES))
        notes = tuple((f"Sleep stage {stage}", 1) for stage in STAGES)
        write_hypnogram(folder / f"{night}EC-Hypnogram.edf", notes)
    return folder


def write_chests(folder: Path) -> Path:
    for number in range(2, 7):
        person = content() | {"subject": f"S{number}"}
        person["signal"]["chest"]["ECG"] *= number  # equal windows would be one person's
        write_pickle(folder, f"S{number}", person)
    return folder


WRITE = {"pamap2": write_people, "sleep_edf": write_nights, "wesad": write_chests}


def table_cells(text: str, *starts: str) -> list[str]:
    rows_ = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()]
    found = [row for row in rows_ if row[: len(starts)] == list(starts)]
    assert len(found) == 1, starts
    return found[0]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_the_papers(name):
    study = read(name)
    check_cells(study)
    for loop in (study.pretrain_loop, study.finetune_loop, study.probe_loop):
        assert (loop.optimizer, loop.learning_rate, loop.batch_size) == ("adam", 1e-4, 8)
        assert (loop.epochs, loop.patience, loop.schedule) == (50, 5, "constant")
        assert (loop.warmup_share, loop.ema_decay, loop.max_grad_norm) == (0, 0, 0)
    head = study.finetune.head
    assert (head.width, head.dropout, study.finetune.label_smoothing) == (128, 0.1, 0)
    assert not any(vars(study.finetune.augment).values())
    assert study.features == "concatenated"
    named = {cell.method: cell for cell in cells(study)}
    assert list(named) == [method for method, use in ORDER if use == "finetuned"]
    plain = encoder_config(study, named["supervised"])
    assert (plain.width, plain.kernels, plain.strides) == (96, (24, 16, 8), (1, 1, 1))
    assert (plain.aggregator_hidden, plain.aggregator_width, plain.dropout) == (64, 32, 0.1)
    recurrent = encoder_config(study, named["deepconvlstm"])
    assert (recurrent.kind, recurrent.lstm_stride) == ("deepconvlstm_crossl", 1)
    for mask in ("random", "spatial"):
        said = objective_config(study, named[f"crossl {mask}"])
        assert (said.mask, said.masking_ratio, said.distinct_views) == (mask, 0.1, False)
        assert (said.similarity, said.std, said.covariance) == (10, 10, 100)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_published_cells_are_the_papers(name):
    pairs = zip(ORDER, PAPER[name], strict=True)
    published = {f"{method} {use}": {name: cell} for (method, use), cell in pairs}
    assert read(name).published == published


@pytest.fixture(scope="module", params=PROTOCOLS)
def ran(request, tmp_path_factory):
    """Run a protocol on small files, with short loops and two of its methods."""
    name, base = request.param, tmp_path_factory.mktemp(request.param)
    source, out = WRITE[name](base / "data"), base / "out"
    folds = "[0]" if name == "sleep_edf" else "[0,1]"
    words = [f"--methods={METHODS[name]}", f"--folds={folds}", *SMALL]
    assert main([name, "--from", str(source), f"--out={out}", *words]) == 0
    return name, out, words, json.loads((out / "results.json").read_text())


def test_the_report_has_our_cells_and_the_papers(ran):
    name, out, _, found = ran
    text = (out / "README.md").read_text()
    ours = {(row["method"], row["use"]): row for row in found["rows"]}
    assert ours
    for (method, use), published in zip(ORDER, PAPER[name], strict=True):
        cell = table_cells(text, method, use)
        assert cell[-1] == published
        if (method, use) in ours:
            assert cell[2].startswith(f"{ours[method, use]['macro_f1']:.3f}")
        else:
            assert cell[2:-1] == ["–"] * 6
    assert f"python -m benchmarks.quality.protocols {name} --from" in found["command"]
    assert found["cells"] == found["cells_wanted"] == 2 * (1 if name == "sleep_edf" else 2)


def test_a_prepared_store_and_finished_cells_are_not_made_again(ran, capsys):
    name, out, words, _ = ran
    before = {p: p.stat().st_mtime_ns for p in (*out.glob("cells/*"), *out.glob("store/*"))}
    assert main([name, f"--out={out}", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == len(list(out.glob("cells/*.json")))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def opened(ran):
    name, out, words, _ = ran
    study = read(name, *words)
    config = study.stores[name]
    plain = WindowStore.open(out / "store")
    config = replace(config, path=out / "store")
    return name, config, open_data(config), plain


def test_the_data_are_the_protocols(ran):
    name, config, store, plain = opened(ran)
    shapes = {m.name: m.shape for m in store.spec.modalities}
    if name == "pamap2":
        assert len(shapes) == 6
        assert set(shapes.values()) == {(3, 512)}
        assert "heart_rate" in plain.spec.names
        assert store.subject_names == tuple(map(str, range(101, 109)))
        assert "109" in plain.subject_names
        assert len(store.label_names) == len(pamap2.LABELS) == 12
        for fold, (test, before) in enumerate([("101", "108"), ("102", "101"), ("103", "102")]):
            people = divide(config, store, fold).subjects(store)
            assert (people["test"], people["validation"]) == ((test,), (before,))
            assert len(people["train"]) == 6
    elif name == "sleep_edf":
        eeg = {name: (1, 3000) for name in ("eeg_fpz_cz", "eeg_pz_oz", "eog")}
        assert shapes == {**eeg, "emg": (1, 30)}
        assert store.label_names == ("wake", "N1", "N2", "N3", "REM")
        people = divide(config, store, 0).subjects(store)
        # Nineteen files: the last eight are of people 5 (second night) to 9, the seven before them
        # of people 2 to 5; a person on a border is held out.
        assert people["test"] == ("SC405", "SC406", "SC407", "SC408", "SC409")
        assert people["validation"] == ("SC402", "SC403", "SC404")
        assert people["train"] == ("SC400", "SC401")
    else:
        assert shapes == {"chest_ecg": (1, 1000), "chest_emg": (1, 1000), "chest_eda": (1, 40)}
        assert store.label_names == ("baseline", "stress", "amusement", "meditation")
        tested = [divide(config, store, fold).subjects(store)["test"] for fold in range(5)]
        assert sorted(tested) == [("S2",), ("S3",), ("S4",), ("S5",), ("S6",)]
    assert np.asarray(store.present).all()


def test_what_cannot_be_is_one_line(tmp_path, capsys):
    assert main(["pamap2", f"--out={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert said == "error: pamap2 is not prepared yet; give its folder: --from FOLDER\n"
    assert main(["wesad", f"--out={tmp_path}", "--from", str(tmp_path)]) == 2
    assert "no 'WESAD/S[0-9]*'" in capsys.readouterr().err
    assert main(["wesad", f"--out={tmp_path}", "--fold=[0]"]) == 2
    assert "unknown option '--fold'; did you mean folds?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["har"])
    assert stop.value.code == 2
    assert "invalid choice: 'har'" in capsys.readouterr().err
