import json
import random
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sensor2llm.artefacts import renamed_tensors
from sensor2llm.artefacts.manifest import hash_files
from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.training.config import LoopConfig, learning_rate_factor
from sensor2llm.training.loop import fit
from sensor2llm.training.memory import MicrobatchSplitOnOOM, is_out_of_memory, split_rows
from sensor2llm.training.weights import build_optimizers, move_states
from tests.training.toy import Deep, ToyTask

CONFIG = LoopConfig(epochs=4, batch_size=12, learning_rate=0.05, precision="float32", log_every=1)


def weights(task: ToyTask) -> torch.Tensor:
    return task.module.layer.weight.detach().clone()


def run(config: LoopConfig = CONFIG, out: Path | None = None, **options):
    task = ToyTask(**{k: options.pop(k) for k in ("dropout", "stop_at") if k in options})
    return task, fit(task, config, out, progress_bar=False, **options)


def test_it_learns_and_says_how_it_went():
    task, result = run(replace(CONFIG, epochs=20))
    assert result.best_score == pytest.approx(0, abs=0.05)
    assert (result.steps, result.rows, result.ended) == (160, 1920, "finished")
    assert task.validate().score == pytest.approx(result.best_score)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, second = (weights(run(dropout=0.3)[0]) for _ in range(2))
    other = weights(run(replace(CONFIG, seed=1), dropout=0.3)[0])
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_training_leaves_the_global_generators_as_they_were():
    task = ToyTask(dropout=0.3)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    fit(task, CONFIG, progress_bar=False)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_one_process_trains_in_both_precisions_one_after_the_other():
    exact = weights(run()[0])
    rounded = weights(run(replace(CONFIG, precision="bf16"))[0])
    assert torch.equal(weights(run()[0]), exact)
    assert not torch.equal(rounded, exact)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.05)


def test_accumulated_gradients_equal_those_of_the_whole_batch():
    whole = weights(run()[0])
    parts = weights(run(replace(CONFIG, gradient_accumulation=3))[0])
    torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ema_decay", [0.0, 0.8])
def test_a_run_killed_and_resumed_ends_with_the_very_same_weights(tmp_path, ema_decay):
    config = replace(CONFIG, ema_decay=ema_decay)
    unbroken, _ = run(config, tmp_path / "unbroken", dropout=0.3)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "broken", dropout=0.3, stop_at=13)
    resumed, result = run(config, tmp_path / "broken", dropout=0.3, resume=True)
    assert torch.equal(weights(resumed), weights(unbroken))
    assert result.steps == 32
    lines = (tmp_path / "broken/metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)
    assert set(range(1, 33)) == set(steps)


def test_a_checkpoint_of_before_a_module_was_renamed_is_resumed(tmp_path, monkeypatch):
    config = replace(CONFIG, ema_decay=0.8)
    unbroken, _ = run(config, tmp_path / "unbroken", dropout=0.3)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "broken", dropout=0.3, stop_at=13)
    folder = tmp_path / "broken" / "checkpoint"
    for file in folder.glob("*.safetensors"):
        tensors = load_file(file)
        save_file({name.replace("layer", "map"): w for name, w in tensors.items()}, file)
    progress = json.loads((folder / "progress.json").read_text())
    progress["files"] = hash_files(folder, progress["files"])
    (folder / "progress.json").write_text(json.dumps(progress))
    monkeypatch.setattr(renamed_tensors, "RENAMED", {"map": "layer"})
    resumed, _ = run(config, tmp_path / "broken", dropout=0.3, resume=True)
    assert torch.equal(weights(resumed), weights(unbroken))


def test_a_resumed_run_remembers_the_best_weights_and_all_that_was_measured(tmp_path):
    # So high a rate overshoots: the best weights come early, and no later ones are as good.
    config = replace(CONFIG, learning_rate=0.3, schedule="constant", epochs=8)
    unbroken, whole = run(config, tmp_path / "unbroken", dropout=0.3)
    assert whole.best_step < 40 < whole.steps
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "broken", dropout=0.3, stop_at=45)
    resumed, result = run(config, tmp_path / "broken", dropout=0.3, resume=True)
    assert torch.equal(weights(resumed), weights(unbroken))
    assert (result.best_step, result.best_score) == (whole.best_step, whole.best_score)
    assert without_speed(result.history) == without_speed(whole.history)
    lines = [p.read_text().splitlines() for p in sorted(tmp_path.glob("*/metrics.jsonl"))]
    assert [json.loads(line) for line in lines[0]] == result.history
    assert len(lines[0]) == len(lines[1])


def without_speed(history):
    return [{k: v for k, v in line.items() if k != "rows_per_s"} for line in history]


def test_a_finished_run_that_is_resumed_measures_nothing_twice(tmp_path):
    _, whole = run(out=tmp_path)
    _, result = run(out=tmp_path, resume=True)
    assert result.history == whole.history
    assert (result.steps, result.ended) == (whole.steps, whole.ended)


def test_a_new_start_forgets_the_checkpoint_of_the_run_before(tmp_path, monkeypatch):
    def killed(_task, _rows):
        raise SystemExit

    run(replace(CONFIG, epochs=1), tmp_path)  # its length is not what a checkpoint is refused for
    monkeypatch.setattr(ToyTask, "collate", killed)
    with pytest.raises(SystemExit):
        run(out=tmp_path)
    monkeypatch.undo()
    resumed, _ = run(out=tmp_path, resume=True)
    assert torch.equal(weights(resumed), weights(run()[0]))


@pytest.mark.parametrize("name", ["best.safetensors", "module.safetensors"])
def test_a_checkpoint_that_lacks_a_file_or_has_anothers_is_refused(tmp_path, name):
    run(out=tmp_path / "a")
    run(replace(CONFIG, learning_rate=0.1), tmp_path / "b")
    (tmp_path / "b" / "checkpoint" / name).replace(tmp_path / "a" / "checkpoint" / name)
    with pytest.raises(ArtefactError, match=rf"{name} in it is not the file that was"):
        run(out=tmp_path / "a", resume=True)
    (tmp_path / "a" / "checkpoint" / name).unlink()
    with pytest.raises(ArtefactError, match=rf"lacks {name}; delete it"):
        run(out=tmp_path / "a", resume=True)


def test_a_checkpoint_without_hashes_is_still_gone_on_from(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(out=tmp_path, stop_at=13)
    file = tmp_path / "checkpoint" / "progress.json"
    content = json.loads(file.read_text())
    del content["files"], content["history"], content["progress"]["validated_at"]
    file.write_text(json.dumps(content))
    assert torch.equal(weights(run(out=tmp_path, resume=True)[0]), weights(run()[0]))


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    run(out=tmp_path)
    with pytest.raises(ArtefactError, match=r"another configuration \(loop differ\)"):
        run(replace(CONFIG, learning_rate=0.1), tmp_path, resume=True)


@pytest.mark.parametrize("name", ["module.safetensors", "optimizers.pt", "progress.json"])
def test_a_truncated_checkpoint_is_an_error_that_says_so(tmp_path, name):
    run(out=tmp_path)
    file = tmp_path / "checkpoint" / name
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(ArtefactError, match="is broken"):
        run(out=tmp_path, resume=True)


def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch):
    run(out=tmp_path)
    before = {p.name: p.read_bytes() for p in (tmp_path / "checkpoint").iterdir()}

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sensor2llm.training.checkpoint.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        run(replace(CONFIG, epochs=5), tmp_path, resume=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "checkpoint").iterdir()} == before
    assert not list(tmp_path.glob(".checkpoint*"))


def test_patience_ends_a_run_and_the_best_weights_stay():
    task, result = run(
        replace(CONFIG, epochs=200, patience=3, learning_rate=0.3, schedule="constant")
    )
    assert result.ended == "early"
    assert task.validate().score == pytest.approx(result.best_score)


def test_the_last_step_is_validated_wherever_validations_fall(tmp_path):
    config = replace(CONFIG, validate_every=5)
    _, result = run(config, tmp_path)
    validated = [line["step"] for line in result.history if "validation_score" in line]
    assert validated == [5, 10, 15, 20, 25, 30, 32]
    assert result.best_step == 32


def test_limits_of_steps_and_time_end_a_run():
    assert run(replace(CONFIG, steps=5))[1].steps == 5
    assert run(replace(CONFIG, epochs=10**6, budget_s=0.2))[1].ended == "budget"


def test_frozen_parameters_are_neither_trained_nor_kept(tmp_path):
    from safetensors.torch import load_file

    task = ToyTask()
    task.module.layer.bias.requires_grad_(False)
    before = task.module.layer.bias.clone()
    fit(task, CONFIG, tmp_path, progress_bar=False)
    assert torch.equal(task.module.layer.bias, before)
    assert list(load_file(tmp_path / "checkpoint/module.safetensors")) == ["layer.weight"]


def test_nothing_to_train_is_an_error():
    task = ToyTask()
    task.module.requires_grad_(False)
    with pytest.raises(ConfigError, match="nothing to train"):
        fit(task, CONFIG, progress_bar=False)


def test_muon_takes_hidden_matrices_and_adamw_the_rest():
    module = nn.ModuleDict({"embed": nn.Embedding(5, 4), "hidden": nn.Linear(4, 4)})
    adamw, muon = build_optimizers(module, LoopConfig(optimizer="muon"))
    assert [p.shape for g in muon.param_groups for p in g["params"]] == [(4, 4)]
    assert sum(len(g["params"]) for g in adamw.param_groups) == 2


def test_schedules_rise_hold_and_fall():
    wsd = LoopConfig(schedule="wsd", warmup_share=0.1, decay_share=0.2, final_share=0.1)
    assert learning_rate_factor(wsd, 0.05) == pytest.approx(0.5)
    assert learning_rate_factor(wsd, 0.5) == 1
    assert learning_rate_factor(wsd, 0.9) == pytest.approx(0.55)
    assert learning_rate_factor(wsd, 1.0) == pytest.approx(0.1)
    cosine = LoopConfig(warmup_share=0.0)
    assert [learning_rate_factor(cosine, p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert learning_rate_factor(LoopConfig(schedule="constant"), 1.0) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("learning_rate", 0.0), ("ema_decay", 1.5), ("gradient_accumulation", 5)],
)
def test_settings_that_cannot_be_are_named(field, value):
    with pytest.raises(ConfigError, match=field):
        LoopConfig(**{field: value})


@pytest.mark.parametrize("moment", ["step", "validate"])
def test_ctrl_c_in_the_midst_of_a_step_or_a_validation_waits_for_its_end(
    tmp_path, moment, monkeypatch
):
    config = replace(CONFIG, ema_decay=0.8)
    unbroken, _ = run(config, dropout=0.3)
    task = ToyTask(dropout=0.3)
    forward, validate, calls = task.module.forward, task.validate, []

    def interrupted(*given):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return (forward if moment == "step" else validate)(*given)

    monkeypatch.setattr(task.module if moment == "step" else task,
                        "forward" if moment == "step" else "validate", interrupted)  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        fit(task, config, tmp_path, progress_bar=False)
    progress = json.loads((tmp_path / "checkpoint" / "progress.json").read_text())["progress"]
    assert progress["step"] == (2 if moment == "step" else 16)
    resumed, _ = run(config, tmp_path, dropout=0.3, resume=True)
    assert torch.equal(weights(resumed), weights(unbroken))


def test_a_second_ctrl_c_is_not_held_back_and_keeps_the_checkpoint_there_was(tmp_path):
    run(replace(CONFIG, epochs=1), tmp_path)
    before = (tmp_path / "checkpoint" / "progress.json").read_bytes()
    handler = signal.getsignal(signal.SIGINT)
    task = ToyTask()

    def twice(_rows):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    task.collate = twice
    with pytest.raises(KeyboardInterrupt):
        fit(task, CONFIG, tmp_path, resume=True, progress_bar=False)
    assert (tmp_path / "checkpoint" / "progress.json").read_bytes() == before
    assert signal.getsignal(signal.SIGINT) is handler


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def short_of_memory(most: int, error: Exception = FULL, on_call: int = 1, **changes):
    """Train where passes over more than `most` rows fail, from the given pass on."""
    task, calls = ToyTask(), []
    forward = task.module.forward

    def limited(batch, generator=None):
        calls.append(len(batch[0]))
        if len(calls) >= on_call and calls[-1] > most:
            raise error
        return forward(batch, generator)

    task.module.forward = limited
    fit(task, replace(CONFIG, **changes), progress_bar=False)
    return weights(task), calls


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
    ],
)
def test_a_device_out_of_memory_halves_the_batch_and_the_steps_stay_the_same(error, caplog):
    found, calls = short_of_memory(6, error)
    assert calls == [12] + [6, 6] * 32
    assert torch.equal(found, weights(run(replace(CONFIG, gradient_accumulation=2))[0]))
    torch.testing.assert_close(found, weights(run()[0]), rtol=1e-5, atol=1e-6)
    assert [line.getMessage() for line in caplog.records if line.levelname == "WARNING"] == [
        "the device ran out of memory with 12 rows at a time; going on with 6 at a time, 2 parts "
        "a batch, which gives the same steps"
    ]


def test_gradients_of_the_attempt_that_failed_are_dropped():
    # Its first part went through; the second one fails, in the third step.
    found, calls = short_of_memory(3, on_call=6, gradient_accumulation=2)
    assert calls[:8] == [6] * 6 + [3, 3]
    torch.testing.assert_close(found, weights(run()[0]), rtol=1e-5, atol=1e-6)


def test_memory_that_runs_out_a_second_time_ends_the_run_in_one_line():
    message = (
        r"^the device ran out of memory with 6 rows at a time, though the batch was halved before; "
        r"raise the loop's gradient_accumulation above 2, which gives the same steps, or take "
        r"a smaller model, or of an adapter's llm its llm_checkpointing or llm_quantization 4bit$"
    )
    with pytest.raises(ConfigError, match=message):
        short_of_memory(5)
    with pytest.raises(ConfigError, match="ran out of memory on a single row; take a smaller"):
        short_of_memory(0, gradient_accumulation=12)


def test_one_of_several_processes_is_not_halved_alone():
    def fail(_parts):
        raise FULL

    with pytest.raises(ConfigError, match="with 8 rows at a time in one of 2 processes; raise the"):
        MicrobatchSplitOnOOM(1, [], processes=2)(fail, 8)


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, 3, 12])
def test_every_process_computes_a_batch_in_as_many_parts(world, count):
    for rows in range(world, 20):
        parts = [split_rows(np.arange(rows), count, rank, world) for rank in range(world)]
        assert {len(p) for p in parts} == {min(count, rows // world)}
        assert all(len(part) for own in parts for part in own)
        assert sorted(np.concatenate([p for own in parts for p in own])) == list(range(rows))


def test_a_process_without_a_row_of_its_own_takes_the_first():
    assert [split_rows(np.array([7]), 4, rank, 2)[0].tolist() for rank in (0, 1)] == [[7], [7]]


def test_other_errors_are_no_lack_of_memory():
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        short_of_memory(6, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_a_run_goes_on_in_more_parts_than_it_began_with(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(out=tmp_path, stop_at=13)
    resumed, _ = run(replace(CONFIG, gradient_accumulation=2), tmp_path, resume=True)
    torch.testing.assert_close(weights(resumed), weights(run()[0]), rtol=1e-5, atol=1e-6)


def test_all_of_an_optimisers_state_goes_where_the_parameters_are():
    task = Deep()
    optimizer = torch.optim.AdamW(task.module.parameters(), fused=True)
    for parameter in task.module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    move_states([optimizer], torch.device("meta"))
    kinds = {v.device.type for state in optimizer.state.values() for v in state.values()}
    assert kinds == {"meta"}
