"""A smoke run of the recipe on a corpus of a few documents, and what may go wrong with it."""

import json
import lzma
import shutil
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from research.bundled_llm import __main__ as pretrain_llm
from research.bundled_llm import run
from research.bundled_llm.config import PretrainConfig
from sensor2llm.errors import ArtefactError

CONFIG = PretrainConfig(
    size="smoke",
    tokens=24_000,
    tokens_per_step=1024,
    max_characters=300_000,
    generated_tokens=20_000,
    rows_at_once=2,
    learning_rate=1e-2,
    muon_learning_rate=2e-2,
)


def write_corpus(folder, broken: bool = False):
    folder.mkdir(exist_ok=True)
    for domain in ("simplewiki", "stories"):
        lines = [
            json.dumps({"source": "made", "text": f"{domain} {i}: the cat sat on mat {i}. " * 12})
            for i in range(400)
        ]
        if broken:
            lines.insert(3, '{"text": "cut short')
        data = "\n".join(lines).encode()
        (folder / f"{domain}.jsonl.xz").write_bytes(lzma.compress(data))
    talk = {"source": "made", "instruction": "What is a cat?", "input": "", "output": "An animal."}
    data = (json.dumps(talk) + "\n").encode() * 600
    (folder / "instruct.jsonl.xz").write_bytes(lzma.compress(data))
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def smoke(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("smoke")
    return out, run.pretrain(corpus, out, CONFIG)


def test_the_recipe_learns_and_writes_a_plain_hugging_face_folder(smoke):
    out, summary = smoke
    assert set(summary) == {"stable", "anneal", "chat", "long", "finish"}
    lines = [json.loads(x) for x in (out / "stable/metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0] - 1
    model = AutoModelForCausalLM.from_pretrained(out / "model")
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    assert model.dtype == torch.bfloat16
    assert model.config.max_position_embeddings == 2048
    assert tokenizer.chat_template
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_the_model_says_how_it_was_made(smoke):
    out, summary = smoke
    record = json.loads((out / "model" / "training.json").read_text())
    assert record["tokens"] == sum(stage["tokens"] for stage in summary.values())
    card = (out / "model" / "README.md").read_text()
    assert "CC BY-SA 4.0" in card
    assert "| simplewiki | Simple English Wikipedia, 2017 |" in card
    assert "Number chunking was chosen" in card


def test_a_run_goes_on_where_it_was_cut(corpus, smoke, tmp_path, monkeypatch):
    whole, _ = smoke
    for folder in ("tokens", "tokenizer"):
        shutil.copytree(whole / folder, tmp_path / folder)
    read, calls = run.PretrainingTask.collate, []

    def cut(self, rows):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return read(self, rows)

    monkeypatch.setattr(run.PretrainingTask, "collate", cut)
    with pytest.raises(KeyboardInterrupt):
        run.pretrain(corpus, tmp_path, CONFIG)
    run.pretrain(corpus, tmp_path, CONFIG, resume=True)
    first, second = (
        AutoModelForCausalLM.from_pretrained(folder / "model").state_dict()
        for folder in (whole, tmp_path)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_cut_stable_stage_can_be_annealed_at_once(corpus, smoke):
    out, _ = smoke
    summary = run.pretrain(corpus, out, replace(CONFIG, seed=0), stages=("anneal", "long"))
    assert set(summary) == {"anneal", "long"}


def test_a_checkpoint_of_another_configuration_is_refused(corpus, smoke):
    out, _ = smoke
    with pytest.raises(ArtefactError, match="another configuration"):
        run.pretrain(corpus, out, replace(CONFIG, learning_rate=1e-4), resume=True)


def test_broken_lines_are_counted_skipped_and_reported(tmp_path, caplog):
    corpus = write_corpus(tmp_path / "corpus", broken=True)
    with caplog.at_level("WARNING"):
        run.prepare_tokens(corpus, tmp_path / "out", CONFIG)
    assert "1 broken line" in caplog.text or "'simplewiki': 1" in caplog.text


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_corpus_that_is_not_there_is_one_line_and_exit_code_2(tmp_path, capsys, kind):
    folder = tmp_path / "corpus"
    if kind == "empty":
        folder.mkdir()
    arguments = ["--corpus", str(folder), "--out", str(tmp_path / "out"), "--size", "smoke"]
    assert pretrain_llm.main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert "corpus folder" in error
    assert "\n" not in error
    assert not (tmp_path / "out" / "tokens" / "tokens.json").exists()


def test_an_unknown_stage_is_named(tmp_path, capsys):
    arguments = ["--corpus", str(tmp_path), "--out", str(tmp_path), "--stages", "boil"]
    assert pretrain_llm.main(arguments) == 2
    assert "unknown stage 'boil'" in capsys.readouterr().err
