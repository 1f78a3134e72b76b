"""One small file, or folder of files, in every layout that a reader takes.

Each is made on the spot by what the reader's own tests write it with.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

SECONDS = 6.0
TIMES = np.arange(round(SECONDS * 50)) / 50


def _uci_har(folder: Path) -> None:
    from tests.datasets.test_uci_har import write_small

    values = np.random.default_rng(0).normal(size=(3, 3, 128))
    write_small(folder, "train", values, [1, 1, 3], [5, 5, 2])
    write_small(folder, "test", values[:1], [2], [1])


def _wisdm(folder: Path) -> None:
    from tests.datasets.test_wisdm import ALL, ticks, write

    for name in ALL:
        write(folder, name, 1600, [("A", ticks(500, 11)), ("D", ticks(600, 11))])


def _wisdm_v1(folder: Path) -> None:
    from tests.datasets.test_wisdm_v1 import bout, write

    write(folder, bout(33, "Walking", 100, 12) + bout(7, "Sitting", 9, 12))


def _motionsense(folder: Path) -> None:
    from tests.datasets.test_motionsense import write

    for trial, subject in (("dws_1", 1), ("wlk_7", 2)):
        write(folder, trial, subject, 3)


def _pamap2(folder: Path) -> None:
    from tests.datasets.test_pamap2 import rows, write

    write(folder, 101, rows(4, 8.38, 5.5))


def _mhealth(folder: Path) -> None:
    from tests.datasets.test_mhealth import write

    write(folder, 2, [(0, 1.0), (1, 5.5), (5, 5.5)])


def _hhar(folder: Path) -> None:
    from tests.datasets.test_hhar import rows, ticks, write

    one, two = ticks(0, 3, 200), ticks(50, 3, 100)
    phone, watch = rows(one, device="s3_1"), rows(two, device="gear_2", gt="bike")
    write(folder, phone_accel=phone, phone_gyro=phone, watch_accel=watch, watch_gyro=watch)


def _capture24(folder: Path) -> None:
    from tests.datasets.test_capture24 import SLEEP, WALK, write

    write(folder, "P001", [(SLEEP, 0, 10), (WALK, 10, 10)])


def _wesad_wrist(folder: Path) -> None:
    from tests.datasets.test_wesad import write_person

    write_person(folder, "S2")


def _wesad_pickle(folder: Path) -> None:
    from tests.datasets.test_wesad import content, write_pickle

    write_pickle(folder, "S2", content(55.0))


def _sleep_edf(folder: Path) -> None:
    from tests.datasets.test_sleep_edf import write_hypnogram, write_recording

    night = folder / "sleep-cassette"
    night.mkdir()
    write_recording(night / "SC4001E0-PSG.edf", epochs=4)
    stages = [("Sleep stage W", 1), ("Sleep stage 1", 2), ("Sleep stage R", 1)]
    write_hypnogram(night / "SC4001EC-Hypnogram.edf", stages)


def _dreams(folder: Path) -> None:
    from tests.datasets.test_dreams import write_excerpt

    write_excerpt(folder / "DatabaseSpindles", 2, rate_hz=50, stages=[2] * 8 + [4] * 6)


def _physionet2018(folder: Path) -> None:
    from tests.datasets.test_physionet2018 import write_record

    write_record(folder)


def _cinc2017(folder: Path) -> None:
    from tests.datasets.test_cinc2017 import write_record

    write_record(folder / "training2017", "A00001", 12)
    write_record(folder / "training2017", "A00002", 11)
    (folder / "REFERENCE-v3.csv").write_text("A00001,N\nA00002,A\n")


def _afdb_text(folder: Path) -> None:
    from tests.datasets.test_afdb import as_text, heart

    as_text(folder, "04015", *heart())


def _afdb_wfdb(folder: Path) -> None:
    from tests.datasets.test_afdb import as_wfdb, heart

    as_wfdb(folder, "04015", *heart())


def _rr_intervals(folder: Path) -> None:
    from tests.datasets.test_rr_intervals import one_column, three_columns, write

    write(folder / "healthy" / "p1.txt", one_column([0.8] * 125))
    write(folder / "failing" / "p2.txt", three_columns([0.7] * 70, ["N"] * 70))


def _table(folder: Path, suffix: str) -> None:
    from tests.signals.tables.test_table import DESCRIPTION, columns, write_csv

    cells = columns(SECONDS)
    if suffix == "csv":
        write_csv(folder / "walk.csv", cells)
    if suffix == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        typed = {n: [float(v) for v in c] if n[0] in "ta" else c for n, c in cells.items()}
        pq.write_table(pa.table(typed), folder / "walk.parquet")
    if suffix == "npz":
        values = np.random.default_rng(0).normal(0, 0.5, size=(4, 3, 100))
        labels, people = np.array(["walking", "still"] * 2), np.array(["anna", "ben"] * 2)
        np.savez(folder / "walk.npz", accel=values, labels=labels, subjects=people)
    plain = {**DESCRIPTION, "files": f"*.{suffix}"}
    if suffix == "npz":
        plain["subject"] = {"value": "anna"}
    (folder / "table.yaml").write_text(yaml.safe_dump(plain))


def _store(folder: Path) -> None:
    from sensor2llm.signals.store.store import WindowStore
    from tests.signals.stores import SPEC, make_windows

    WindowStore.write(folder / "store", SPEC, make_windows(people=2), source="made up")


def _recording(folder: Path, suffix: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    columns = {"time_s": TIMES} | {f"accel.{c}": np.sin(TIMES + i) for i, c in enumerate("xyz")}
    if suffix == "csv":
        csv.write_csv(pa.table(columns), folder / "walk.csv")
    elif suffix == "parquet":
        pq.write_table(pa.table(columns), folder / "walk.parquet")
    else:
        values = np.random.default_rng(0).normal(size=(3, 3, 16))
        np.savez(folder / "walk.npz", accel=values)


def _adapter(folder: Path) -> None:
    from tests.models import small_adapter, tiny_llm

    small_adapter(tiny_llm()).save(folder / "adapter")


def _encoder(folder: Path) -> None:
    from tests.models import normaliser, small_adapter, tiny_llm

    adapter = small_adapter(tiny_llm())
    people = {"train": ["a"], "validation": ["b"]}
    extra = {"normaliser": normaliser(adapter.spec).to_dict(), "label_names": ["rest", "walk"],
             "recipe": {"people": people}, "source": "made up"}  # fmt: skip
    adapter.encoder.save_pretrained(folder / "encoder", extra)


def _prompt(folder: Path) -> None:
    from sensor2llm.llm.templates import find

    (folder / "p.yaml").write_text(find("activity").read_text(encoding="utf-8"))


def _recipe(folder: Path) -> None:
    plain = {
        "data": "store", "out": "adapter", "encoder": "enc", "prompt": "activity", "shots": None,
        "projector": {"kind": "mlp", "tokens": 8, "hidden": 256, "dropout": 0.1, "scale": False},
        "loop": {"epochs": 2, "batch_size": 32, "budget_s": None, "learning_rate": 1e-3},
        "split": {"kind": "subject", "folds": 5, "fold": 0, "seed": 0},
        "lora": {"rank": 0, "alpha": 16, "modules": []}, "soft_prompt": {"tokens": 8, "text": None},
        "tasks": {"classification": {"weight": 1.0, "prompt": None, "questions": []}},
        "new_encoder": {"objective": "crossl", "encoder": {"width": 96, "kernels": [24, 16, 8]}},
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))


def _audit(folder: Path, suffix: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"t": TIMES, "x": np.round(np.sin(TIMES), 3), "y": np.round(np.cos(TIMES), 2)}
    rows = list(zip(*(c.tolist() for c in columns.values()), strict=True))
    lines = "".join(",".join(map(str, row)) + "\n" for row in rows)
    if suffix == "csv":
        (folder / "walk.csv").write_text(",".join(columns) + "\n" + lines)
    elif suffix == "txt":
        (folder / "walk.txt").write_text("1600,A," + lines.replace("\n", ";\n1600,A,") + "0,0,0\n")
    elif suffix == "parquet":
        pq.write_table(pa.table(columns), folder / "walk.parquet")
    else:
        np.savez(folder / "walk.npz", x=np.stack([columns["x"], columns["y"]]))


def _tokenizer(folder: Path, name: str) -> None:
    from tests.tokenization_study.test_tokenizers import small_byte_bpe, small_ranks
    from tokenization_study.tokenizers.loaders.split_patterns import PATTERNS

    tokens = [base64.b64encode(bytes([b])).decode() for b in range(256)]
    if name == "tokenizer.json":
        small_byte_bpe().save(str(folder / name))
    elif name == "vocab.json":
        small_byte_bpe().model.save(str(folder))
    elif name == "own.tiktoken":
        small_ranks(folder / name)
    elif name == "vocab.txt":
        words = ["[PAD]", "[UNK]", *"0123456789abc.", *(f"##{d}" for d in "0123456789")]
        (folder / name).write_text("\n".join(words) + "\n")
    elif name == "tekken.json":
        config = {"pattern": PATTERNS["tekken"], "default_vocab_size": 1256,
                  "default_num_special_tokens": 1000}  # fmt: skip
        vocabulary = [{"rank": i, "token_bytes": token} for i, token in enumerate(tokens)]
        (folder / name).write_text(json.dumps({"config": config, "vocab": vocabulary}))
    elif name == "claude.json":
        plain = {"pat_str": PATTERNS["gpt2"], "bpe_ranks": "! 0 " + " ".join(tokens)}
        (folder / name).write_text(json.dumps(plain))
    else:
        _sentence_piece(folder, name)


def _sentence_piece(folder: Path, name: str) -> None:
    import sentencepiece

    text = folder / "text"
    text.write_text("\n".join(f"{i} {i * i} hello world {i / 7:.3f}" for i in range(400)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "own"), vocab_size=60, minloglevel=2
    )
    text.unlink()
    (folder / "own.vocab").unlink()
    (folder / "own.model").rename(folder / name)


def _of(write: Callable[[Path, str], None], suffix: str) -> Callable[[Path], None]:
    return lambda folder: write(folder, suffix)


TABLES, RECORDINGS, AUDITS = ("csv", "parquet", "npz"), ("csv", "parquet", "npz"), (
    "csv", "txt", "parquet", "npz")  # fmt: skip
TOKENIZERS = ("tokenizer.json", "vocab.json", "own.tiktoken", "vocab.txt", "tekken.json",
              "claude.json", "own.model")  # fmt: skip
SOURCES = {
    "uci_har": _uci_har, "wisdm": _wisdm, "wisdm_v1": _wisdm_v1, "motionsense": _motionsense,
    "pamap2": _pamap2, "mhealth": _mhealth, "hhar": _hhar, "capture24": _capture24,
    "wesad_wrist": _wesad_wrist, "wesad": _wesad_pickle, "sleep_edf": _sleep_edf,
    "dreams": _dreams, "physionet2018": _physionet2018, "cinc2017": _cinc2017,
    "afdb_text": _afdb_text, "afdb_wfdb": _afdb_wfdb, "rr_intervals": _rr_intervals,
}  # fmt: skip
SEEDS: dict[str, Callable[[Path], None]] = {
    **SOURCES,
    **{f"table_{s}": _of(_table, s) for s in TABLES},
    "store": _store,
    **{f"recording_{s}": _of(_recording, s) for s in RECORDINGS},
    "adapter": _adapter, "encoder": _encoder, "prompt": _prompt, "recipe": _recipe,
    **{f"audit_{s}": _of(_audit, s) for s in AUDITS},
    **{f"tokenizer_{name}": _of(_tokenizer, name) for name in TOKENIZERS},
}  # fmt: skip
"""Reader -> what writes its seed into an empty folder."""
