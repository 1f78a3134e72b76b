"""The verb `train_adapter`: one run, the same run again, broken runs, two processes, the prompt."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.train_adapter import main
from sensor2llm.training.record import MetricsFile
from tests.llm.tiny import tiny_folder
from tests.models import normaliser
from tests.toy_store import LABELS, SPEC, make_store

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {
    "ACCELERATE_USE_CPU": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),
}
# Batches that two processes cannot share evenly.
SMALL = [
    "--llm_dtype=float32", "--projector.tokens=2", "--projector.hidden=16", "--projector.dropout=0",
    "--loop.epochs=2", "--loop.batch_size=7", "--loop.precision=float32", "--loop.log_every=1",
    "--loop.patience=0", "--loop.min_steps=0",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _as_many_threads_as_the_processes():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of another number of threads differ in their last digits
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    make_store(folder, people=5, each=9)
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(folder / "encoder", {"normaliser": normaliser(SPEC).to_dict()})
    return folder


@pytest.fixture(scope="module")
def words(base) -> list[str]:
    given = ["--data", base / "store", "--llm", tiny_folder("llama"), "--encoder", base / "encoder"]
    return [*map(str, given), *SMALL]


@pytest.fixture(scope="module")
def trained(base, words) -> Path:
    assert main([*words, "--out", str(base / "adapter")]) == 0
    return base / "adapter"


def weights(adapter: Path) -> dict[str, torch.Tensor]:
    names = ("bridge.safetensors", "adapter_model.safetensors")
    return {k: v for name in names for k, v in load_file(adapter / name).items()}


def assert_equal(first: Path, second: Path) -> None:
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "sensor2llm.train_adapter", *words]


def test_a_run_says_its_figures_and_leaves_an_adapter_that_hears_only_known_labels(
    base, words, capsys
):
    out = base / "said"
    assert main([*words, "--out", str(out), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["adapter"] == str(out)
    assert figures["llm_unchanged"]
    assert figures["llm_fingerprint"] == llm().fingerprint()
    adapter = SensorAdapter.load(out)
    assert adapter.label_names == LABELS
    store = WindowStore.open(base / "store")
    scores = SensorLanguageModel(adapter, llm()).score([store[i] for i in range(3)])
    torch.testing.assert_close(scores.sum(1), torch.ones(3))


def test_the_recipe_file_makes_the_same_adapter_and_later_words_win(base, trained, capsys):
    again = base / "again"
    assert main(["--config", str(trained / "recipe.yaml"), "--out", str(again)]) == 0
    assert_equal(trained, again)
    assert f"adapter: {again}" in capsys.readouterr().out


def test_the_seed_is_a_word_like_any_other(base, words, trained):
    assert main([*words, "--loop.seed=1", "--loop.epochs=1", "--out", str(base / "other")]) == 0
    first, second = weights(trained), weights(base / "other")
    assert any(not torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("word", ["--show_prompt", "--show-prompt"])
def test_the_prompt_that_is_shown_is_what_the_tokenizer_gets(
    words, trained, capsys, tmp_path, word
):
    assert main([*words, "--out", str(tmp_path / "none"), word]) == 0
    shown = capsys.readouterr().out.removesuffix("\n")
    model = SensorLanguageModel(SensorAdapter.load(trained), llm())
    assert llm().encode(shown) == model.prompting.ids()
    assert not list(tmp_path.iterdir())


def test_the_form_that_is_shown_can_be_chosen(words, capsys, tmp_path):
    assert main([*words, "--out", str(tmp_path / "none"), "--show-prompt", "zero_shot"]) == 0
    assert "Which of these activities is it" in capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "none"), "--show-prompt=one_shot"]) == 2
    assert "has no form 'one_shot'; choose from zero_shot, few_shot" in capsys.readouterr().err


def test_without_an_encoder_the_prompt_shows_a_windows_own_text(words, capsys, tmp_path):
    assert main([*words, "--encoder=none", "--out", str(tmp_path / "none"), "--show-prompt"]) == 0
    shown = capsys.readouterr().out
    assert "<|soft|>" in shown
    assert "<|signal|>" not in shown
    assert "watch_accel" in shown


def test_a_language_model_that_changes_is_found_out(words, monkeypatch, capsys, tmp_path):
    taken = iter(["sha256:before", "sha256:after"])
    monkeypatch.setattr(FrozenLLM, "fingerprint", lambda self: next(taken))
    assert main([*words, "--loop.steps=1", "--out", str(tmp_path / "out")]) == 2
    assert "the language model's weights changed in training" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_stopped_by_ctrl_c_and_then_killed_ends_as_if_nothing_had_been(base, words):
    """The first is told to stop and keeps a checkpoint; the next goes on there and is killed."""
    long = [*words, "--loop.epochs=8", "--loop.checkpoint_every_s=0"]
    broken = [*long, "--out", str(base / "broken")]
    code, told = interrupt(broken, base / "broken-run", signal.SIGINT, step=6)
    assert code == 130
    assert told.splitlines()[-1] == "interrupted; what was saved so far is kept"
    stopped = progress(base / "broken-run")
    assert stopped["step"] >= 6
    assert not (base / "broken").exists()

    more = stopped["step"] + 6
    code, _ = interrupt([*broken, "--resume"], base / "broken-run", signal.SIGKILL, step=more)
    assert code == -signal.SIGKILL
    assert progress(base / "broken-run")["step"] > stopped["step"]
    assert not (base / "broken").exists()

    assert main([*broken, "--resume"]) == 0
    assert main([*long, "--out", str(base / "unbroken")]) == 0
    assert_equal(base / "unbroken", base / "broken")
    lines = list(MetricsFile.read(base / "broken-run" / "adapter" / "metrics.jsonl"))
    steps = [line["step"] for line in lines if "loss" in line]
    assert steps == list(range(1, len(steps) + 1))


def test_two_processes_train_the_same_adapter_as_one(base, words, trained):
    """The first run has an encoder that is there, the second trains it, the third makes one."""
    gaps = make_store(base / "gaps", people=5, each=9, missing=0.5)
    stages = [f"--new_encoder.{stage}_loop.steps=2" for stage in ("pretrain", "finetune")]
    stages += ["--encoder=new", "--new_encoder.encoder.width=8", "--loop.steps=2"]
    runs = [
        [*words, "--out", str(base / "two")],
        [*words, "--train_encoder=true", "--loop.steps=3", "--out", str(base / "joint")],
        [*words, *stages, "--data", str(gaps.path), "--out", str(base / "whole")],
    ]
    script = base / "script.py"
    lines = [f"assert main({run!r}) == 0" for run in runs]
    script.write_text("\n".join(["from sensor2llm.train_adapter import main", *lines]))
    done = subprocess.run(launched(script), cwd=ROOT, env=ENVIRONMENT, capture_output=True)
    assert done.returncode == 0, done.stderr[-4000:].decode()
    assert b"find_unused_parameters" not in done.stderr  # a search that costs time each step
    record = json.loads((base / "two-run" / "adapter" / "run.json").read_text())
    assert record["processes"] == 2
    one, two = weights(trained), weights(base / "two")
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-5)
    assert SensorAdapter.load(base / "whole").encoder.width == 8


def launched(script: Path) -> list[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    # On CPUs accelerate starts several processes only with --multi_gpu.
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--mixed_precision=no"]
    launch += ["--num_processes=2", "--num_machines=1", "--dynamo_backend=no"]
    return [sys.executable, *launch, f"--main_process_port={port}", str(script)]


def llm() -> FrozenLLM:
    return FrozenLLM.load(str(tiny_folder("llama")), dtype="float32", device="cpu")


def progress(run: Path) -> dict[str, int]:
    return json.loads((run / "adapter/checkpoint/progress.json").read_text())["progress"]


def interrupt(words: list[str], run: Path, how: int, step: int) -> tuple[int, str]:
    """Start the verb, send it a signal once it has made so many steps, and wait for its end."""
    metrics = run / "adapter" / "metrics.jsonl"
    started = subprocess.Popen(
        command(*words), cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 240
    while started.poll() is None and time.monotonic() < until:
        steps = [line["step"] for line in MetricsFile.read(metrics)] if metrics.is_file() else []
        if steps and steps[-1] >= step:
            break
        time.sleep(0.02)
    assert started.poll() is None, started.stderr.read()[-2000:]
    started.send_signal(how)
    _, told = started.communicate(timeout=120)
    return started.returncode, told
