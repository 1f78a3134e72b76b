"""What the kill campaign kills: verbs with small inputs, and how their results are read back."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor2llm.artefacts.atomic_write import repair

OUT, PLACE = "out", "../../inputs"
Pieces = dict[str, Any]
"""What a reader finds, by name: one piece for what is replaced as one."""
TIMES = (
    "seconds",
    "seconds_a_run",
    "windows_per_s",
    "pretraining_s",
    "seconds_per_window",
    "longest_seconds",
)

SIMULATED = "prepare simulated --picture none --simulation.sessions 1 --simulation.bout_s 10"
LOOP = (
    "--{0}.epochs 2 --{0}.min_steps 0 --{0}.batch_size 32 --{0}.checkpoint_every_s 0 "
    "--{0}.precision float32"
)
ENCODER = (
    f"pretrain_encoder --data {PLACE}/store --encoder.width 8 --encoder.pooled_steps 4 "
    f"--finetune true {LOOP.format('pretrain_loop')} {LOOP.format('finetune_loop')}"
)
ADAPTER = (
    f"train_adapter --data {PLACE}/store --encoder {PLACE}/encoder "
    f"--llm {PLACE}/llm --llm_dtype float32 --projector.tokens 2 --projector.hidden 16 "
    f"--soft_prompt.tokens 2 {LOOP.format('loop')}"
)
ARCHIVE = f"classify {PLACE}/adapter {PLACE}/archive --llm {PLACE}/llm"
COMPARE = (
    f"compare --adapter {PLACE}/adapter --data {PLACE}/store --llm {PLACE}/llm "
    "--validation_windows 6 --train_windows 12 --epochs 1 --learned 1 --shots 1 --soft_tokens 2 "
    "--serialisers [plain] --rate_hz 2"
)
EVALUATE = f"evaluate {OUT} --data {PLACE}/store --llm {PLACE}/llm"
INPUTS = {
    "store": (f"{SIMULATED} --simulation.subjects 6 --out {PLACE}/store",),
    "encoder": (f"{ENCODER} --out {PLACE}/encoder",),
    "adapter": (f"{ADAPTER} --out {PLACE}/adapter",),
    "archive": tuple(
        f"{SIMULATED} --simulation.subjects 1 --simulation.seed {seed} --out {PLACE}/archive/{seed}"
        for seed in (7, 8, 9)
    ),
}
STUDY = """
name: small
stores: {{simulated: {{path: ../../inputs/store}}}}
methods: {{supervised: {{use: [finetuned]}}, crossl: {{objective: crossl}}}}
folds: [0]
seeds: {seeds}
encoder: {{width: 8, pooled_steps: 4}}
pretrain_loop: {{epochs: 1, min_steps: 0, batch_size: 16, precision: float32}}
finetune_loop: {{epochs: 1, min_steps: 0, batch_size: 16, precision: float32}}
probe_loop: {{epochs: 1, precision: float32}}
finetune_min_steps: 2
workers: 1
"""


@dataclass(frozen=True)
class Scenario:
    """A verb that is killed.

    Args:
        name: of the verb.
        before: commands that make what is there before, run in the case's folder.
        command: what is killed.
        again: what is run after the kill.
        read: gives the pieces of a case's folder, and raises where one is broken.
        files: further files of the case, by name.
    """

    name: str
    before: tuple[str, ...]
    command: str
    again: str
    read: Callable[[Path], Pieces]
    files: Mapping[str, str]


def scenarios() -> list[Scenario]:
    """Give all of them; inputs lie in `PLACE`."""
    out = f"--out {OUT}"
    study = "study --config new.yaml"
    return [
        _replacing("prepare", SIMULATED, "--simulation.seed 1", "--simulation.seed 2", read_store),
        _replacing("pretrain_encoder", ENCODER, "--seed 1", "--seed 2", read_encoder, "--resume"),
        _replacing(
            "train_adapter", ADAPTER, "--loop.seed 1 --lora.rank 2", "--loop.seed 2", read_adapter,
            "--resume",
        ),
        Scenario(
            "classify", (), f"{ARCHIVE} {out}", f"{ARCHIVE} {out} --resume", read_archive, {}
        ),
        Scenario(
            "study", ("study --config old.yaml",), study, study, read_study,
            {f"{n}.yaml": STUDY.format(seeds=s) + f"out: {OUT}\n"
             for n, s in (("old", "[0]"), ("new", "[0, 1]"))},
        ),
        _replacing("compare", COMPARE, "--windows 6", "--windows 12", read_comparison),
        Scenario(
            "evaluate", (f"{ADAPTER} {out}", f"{EVALUATE} --batch_size 8"),
            f"{EVALUATE} --controls", f"{EVALUATE} --controls", read_evaluation, {},
        ),
    ]  # fmt: skip


def _replacing(
    name: str,
    command: str,
    old: str,
    new: str,
    read: Callable[[Path], Pieces],
    resume: str = "",
) -> Scenario:
    """Give a verb that runs twice with other settings: the second replaces what the first left."""
    new = f"{command} {new} --out {OUT}"
    return Scenario(name, (f"{command} {old} --out {OUT}",), new, f"{new} {resume}", read, {})


def make_inputs(texts: Iterable[str], run: Callable[[str], None]) -> None:
    """Make the inputs that are named in texts, and what these need, by `run`ning commands."""
    wanted = " ".join(texts)
    for name, commands in reversed(INPUTS.items()):
        if f"{PLACE}/{name}" in wanted:
            wanted += " ".join(commands)
    for name, commands in INPUTS.items():
        if f"{PLACE}/{name}" in wanted:
            for command in commands:
                run(command)


def tiny_llm(folder: Path) -> None:
    """Save a random Llama of one layer with the bundled model's tokenizer."""
    import torch
    from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM

    from sensor2llm.llm.catalogue.entries import BUNDLED

    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(BUNDLED)
    config.update({"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
                   "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16})  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(BUNDLED).save_pretrained(folder)


def read_store(case: Path) -> Pieces:
    """Open the store, and hash all its files."""
    from sensor2llm.signals.store.store import WindowStore

    len(WindowStore.open(case / OUT))
    return {"store": _hashes(case / OUT)}


def read_encoder(case: Path) -> Pieces:
    """Load the encoder; its manifest must be of its weights."""
    from sensor2llm.encoders.files import read_manifest
    from sensor2llm.encoders.signal_encoder import SignalEncoder

    folder = case / OUT
    manifest = read_manifest(folder)
    if SignalEncoder.from_pretrained(folder).fingerprint() != manifest["fingerprint"]:
        raise AssertionError("the manifest is of other weights")
    return {"encoder": without_times(manifest)}


def read_adapter(case: Path) -> Pieces:
    """Load the adapter, which checks the hash of every file; give all that its folder holds."""
    from sensor2llm.adapter.adapter import SensorAdapter

    folder = case / OUT
    SensorAdapter.load(folder)
    pieces = _hashes(folder)
    pieces |= {n: without_times(_json(folder / n)) for n in ("sensor2llm.json", "training.json")}
    return {"adapter": pieces}


def read_archive(case: Path) -> Pieces:
    """Read the rows of every part that the index names."""
    import pyarrow.parquet as pq

    folder = case / OUT
    if not folder.exists():
        return {}
    recordings = _json(folder / "index.json")["recordings"]
    files = [file for entry in recordings.values() for file in entry["parts"]]
    return {file: pq.read_table(folder / "parts" / file).to_pylist() for file in files}


def read_study(case: Path) -> Pieces:
    """Read finished cells with their arrays, and the report as one piece."""
    import numpy as np

    folder, pieces = case / OUT, {}
    repair(folder)
    for path in sorted((folder / "cells").glob("*.json")):
        record = _json(path)
        arrays = path.with_suffix(".npz")
        if record.pop("files") != {arrays.name: _sha256(arrays)}:
            continue  # not finished: it will be run again
        with np.load(arrays) as stored:
            record |= {name: stored[name].tolist() for name in stored.files}
        pieces[path.name] = without_times(record)
    rows = without_times(_json(folder / "results.json")["rows"])
    names = sorted(p.name for p in folder.glob("[!.]*") if p.is_file())
    return pieces | {"report": [rows, names]}


def read_comparison(case: Path) -> Pieces:
    """Read the comparison as one piece: its table must be of its figures."""
    folder = case / OUT
    repair(folder)
    report = _json(folder / "comparison.json")
    first = f"{report['rows'][0]['macro_f1']:.3f}"
    if first not in (folder / "comparison.md").read_text(encoding="utf-8"):
        raise AssertionError("the table is of another comparison")
    return {"comparison": {k: without_times(report[k]) for k in report if k != "command"}}


def read_evaluation(case: Path) -> Pieces:
    """Read what was measured as one piece: the card must tell of these metrics."""
    folder = case / OUT
    repair(folder)
    metrics = _json(folder / "metrics.json")
    card = (folder / "README.md").read_text(encoding="utf-8")
    if ("controls" in metrics) != ("## Controls" in card):
        raise AssertionError("the card is of other metrics")
    return {"measured": [without_times(metrics), _hashes(folder, "predictions*")]}


def without_times(plain: Any) -> Any:
    """Leave out how long things took, which is another time every time."""
    if isinstance(plain, dict):
        return {k: without_times(v) for k, v in plain.items() if k not in TIMES}
    return [without_times(item) for item in plain] if isinstance(plain, list) else plain


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hashes(folder: Path, pattern: str = "*") -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): _sha256(p)
            for p in sorted(folder.rglob(pattern)) if p.is_file()}  # fmt: skip
