"""Shortcuts: what each kind of family takes, at which length, and that what it takes is right."""

import pytest
import torch

from benchmarks.robustness.llm_families import run_checks
from benchmarks.robustness.llm_family_table import WITHIN
from benchmarks.robustness.llm_layouts import FAMILIES, LAYOUTS
from benchmarks.robustness.llm_zoo import build
from sensor2llm.llm.checks.precision import in_float32
from sensor2llm.llm.checks.shortcuts import LENGTHS, Shortcuts, trial_length
from sensor2llm.llm.checks.trial import EVEN, WITHIN_ROUNDED
from sensor2llm.llm.forward import assemble, prompt_rows, rows_after, tail_logits
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.generation import DecodingSteps
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.scoring import score_tree
from tests.models import tiny_llm

ROWS = {layout.name: layout for layout in (*FAMILIES, *LAYOUTS)}
# One of each kind, with what it goes without where prompts are as long as the benchmark's.
KINDS = {
    "llama": set(),
    "qwen3_moe": set(),
    "bloom": {"tree", "padded_tree"},
    "mpt": {"padded_prefix", "tree", "padded_tree"},
    "ctrl": {"generate"},
    "gemma3n_text": {"generate"},
    "gemma4_text": {"generate"},
    "window of 16: mistral": {"padded_prefix", "tree", "padded_tree"},
    "window of 16: llama4_text": {"padded_prefix", "tree", "padded_tree"},
    "lfm2": {"prefix", "padding", "padded_prefix", "tree", "padded_tree"},
    "qwen3_next": {"prefix", "padding", "padded_prefix", "tree", "padded_tree"},
    "qwen3_5_text": {"prefix", "padding", "padded_prefix", "tree", "padded_tree"},
    "falcon_h1": {"prefix", "padding", "padded_prefix", "tree", "padded_tree", "generate"},
    "jamba": {"prefix", "padding", "padded_prefix", "tree", "padded_tree"},
    "openai-gpt": {"prefix", "padded_prefix", "tree", "padded_tree", "steps", "generate"},
    "clean_up_tokenization_spaces": set(),
    "template opens a thought": set(),
    "template leaves the system out": set(),
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Give a function that builds and loads a family's small model."""
    loaded: dict[str, FrozenLLM] = {}

    def load(family: str, **changes) -> FrozenLLM:
        key = f"{family} {changes}"
        if key not in loaded:
            folder = build(family, tmp_path_factory.mktemp("zoo") / family, **changes)
            loaded[key] = FrozenLLM.load(str(folder), dtype="float32", device="cpu")
        return loaded[key]

    return load


@pytest.mark.parametrize("name", KINDS)
def test_what_a_kind_takes_gives_what_plain_forwards_give(name, tmp_path):
    check = run_checks(ROWS[name], tmp_path / "model")
    assert check.verdict == "right", check
    assert max(check.encoded, check.text, check.padded) <= WITHIN
    assert {name for name, holds in check.shortcuts.items() if not holds} == KINDS[name]


def test_a_trials_length_is_the_next_edge_and_no_longer_than_a_limit_that_holds_the_prompt():
    lengths = (0, 64, 65, 257, LENGTHS[-1] + 1)
    assert [trial_length(n) for n in lengths] == [64, 64, 128, 512, LENGTHS[-1] + 1]
    assert trial_length(30, 40, None) == 40
    assert trial_length(41, 40, None) == 64
    assert trial_length(41, 40, 50) == 50


def test_rows_longer_than_a_window_go_without_padding_behind_a_prefix(zoo):
    llm = zoo("mistral", sliding_window=16)
    assert llm.runner.window == 16
    assert llm.shortcuts(16).padded_prefix
    assert llm.shortcuts(16).padded_tree
    long = llm.shortcuts(17)
    assert (long.prefix, long.padding) == (True, True)
    assert (long.padded_prefix, long.tree, long.padded_tree) == (False, False, False)


def rows_of(llm, seed=1):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(llm.vocabulary, (120,), generator=generator).tolist()
    return [[*ids[:20], *ids[20:60]], [*ids[:20], *ids[60:70]], [*ids[:20], *ids[70:110]]]


@pytest.mark.parametrize("family", ["mistral", "gemma2", "lfm2", "mamba"])
@pytest.mark.parametrize("cached", [True, False])
def test_padded_rows_come_back_in_their_order(zoo, family, cached):
    window = {"sliding_window": 16} if family in ("mistral", "gemma2") else {}
    llm = zoo(family, **window)
    rows = rows_of(llm)
    prefix = None
    if cached and not llm.runner.recurrent:
        prefix = compute_prefix(llm, [*rows[0][:20], llm.pad_id])
    padded = rows_after(llm, rows, prefix) if prefix else prompt_rows(llm, rows)
    prompt = assemble(llm, padded, None, None, batch=3, prefix=prefix)
    tail = torch.tensor([[7, 8], [9, 10], [11, 12]])
    with torch.no_grad():
        together = tail_logits(llm, prompt, tail)
        for row, ids in enumerate(rows):
            whole = torch.tensor([[*ids, *tail[row].tolist()]])
            expected = llm.model(input_ids=whole).logits[0, len(ids) - 1 :]
            torch.testing.assert_close(together[row], expected, atol=1e-4, rtol=0)


def test_only_rows_of_one_length_share_a_forward_where_padding_is_input(zoo):
    llm = zoo("mamba")
    prompt = assemble(llm, prompt_rows(llm, rows_of(llm)), None, None, batch=3)
    assert prompt.groups(llm) == [[0, 2], [1]]
    assert prompt.select([0, 2]).mask is None
    assert prompt.groups(llm.with_shortcuts(Shortcuts())) == [[0, 1, 2]]


def test_tokens_are_computed_anew_where_no_cache_is_right():
    llm = tiny_llm()
    prompt = assemble(llm, prompt_rows(llm, [[5, 6, 7], [8, 9]]), None, None, batch=2)
    outputs = []
    for cached in (True, False):
        steps = DecodingSteps(llm.with_shortcuts(Shortcuts(steps=cached)), prompt)
        steps.logits()
        steps.append(torch.tensor([4, 3]))
        outputs.append(steps.logits())
        assert steps.vectors.shape[1] == (1 if cached else 4)
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("lost", "is_wrong"),
    [
        ("tree", lambda mask, cached: mask is not None and mask.ndim == 4),
        ("padding", lambda mask, cached: mask is not None and mask.ndim == 2),
        ("prefix", lambda mask, cached: cached),
    ],
)
def test_a_model_that_computes_one_thing_otherwise_goes_without_it(
    lost, is_wrong, tmp_path, caplog, monkeypatch
):
    llm = FrozenLLM.load(str(build("qwen2", tmp_path / "qwen2")), dtype="float32", device="cpu")
    caplog.set_level("INFO", logger="sensor2llm.llm.checks.trial")
    run = llm.runner.run

    def spoiled(vectors, ids=None, *, mask=None, cache=None, **options):
        output = run(vectors, ids, mask=mask, cache=cache, **options)
        if is_wrong(mask, cache is not None and vectors.shape[1] > 1 and len(vectors) > 1):
            output.logits = output.logits + 1e-2 * torch.arange(output.logits.shape[-1])
        return output

    monkeypatch.setattr(llm.runner, "run", spoiled)
    able = llm.shortcuts()
    taken = {name for name in ("prefix", "padding", "tree") if getattr(able, name)}
    assert taken == {"prefix", "padding", "tree"} - {lost}
    names = {"prefix": "a cached prefix", "padding": "padded rows", "tree": "a label tree"}
    assert f"qwen2 goes without {names[lost]}: " in caplog.text


def test_a_family_that_raises_at_a_shortcut_goes_without_it(tmp_path, monkeypatch):
    llm = FrozenLLM.load(str(build("qwen2", tmp_path / "qwen2")), dtype="float32", device="cpu")
    run = llm.runner.run

    def refusing(vectors, ids=None, *, mask=None, **options):
        if mask is not None and mask.ndim == 4:
            raise IndexError("no such mask")
        return run(vectors, ids, mask=mask, **options)

    monkeypatch.setattr(llm.runner, "run", refusing)
    assert not llm.shortcuts().tree
    assert llm.shortcuts().padding


def test_weights_are_float32_for_a_trial_and_as_they_were_afterwards(tmp_path):
    folder = build("qwen2", tmp_path / "qwen2")
    llm = FrozenLLM.load(str(folder), dtype="bfloat16", device="cpu")
    before = llm.fingerprint()
    layer, seen = llm.model.model.layers[0].mlp.up_proj, []
    handle = layer.register_forward_hook(lambda module, *_: seen.append(module.weight.dtype))
    with in_float32(llm.model) as exact:
        assert exact
        assert llm.dtype == torch.float32
        assert layer.weight.dtype == torch.bfloat16  # a layer's only while it runs
        llm.model(input_ids=torch.tensor([[1, 2, 3]]))
        with pytest.raises(ValueError, match="exactly one"):
            llm.model()
    handle.remove()
    assert seen == [torch.float32]
    assert all(weight.dtype == torch.bfloat16 for weight in llm.model.parameters())
    assert all(getattr(llm.shortcuts(), name) for name in vars(Shortcuts()))
    assert llm.fingerprint() == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in llm.model.modules())


def test_float32_within_float32_is_put_back_too(tmp_path):
    llm = FrozenLLM.load(str(build("qwen2", tmp_path / "qwen2")), dtype="bfloat16", device="cpu")
    before, ids = llm.fingerprint(), torch.tensor([[1, 2, 3]])
    with in_float32(llm.model):
        with in_float32(llm.model):
            inner = llm.model(input_ids=ids).logits
        torch.testing.assert_close(llm.model(input_ids=ids).logits, inner)
    assert llm.fingerprint() == before


@pytest.mark.parametrize("first", list(vars(Shortcuts())))
def test_whichever_is_wanted_first_leaves_the_weights_as_they_were(first, tmp_path):
    llm = FrozenLLM.load(str(build("qwen2", tmp_path / "qwen2")), dtype="bfloat16", device="cpu")
    before = llm.fingerprint()
    assert getattr(llm.shortcuts(), first)
    assert llm.fingerprint() == before


def test_a_trial_inside_a_16_bit_training_step_is_in_float32(zoo):
    llm = zoo("qwen2", initializer_range=0.3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert all(getattr(llm.shortcuts(), name) for name in vars(Shortcuts()))


def test_rounding_of_a_deep_16_bit_model_is_no_reason_to_go_without_a_tree(tmp_path):
    """30 layers: a label's score in bfloat16 is nats off what it is in float32."""
    sizes = {"num_hidden_layers": 30, "initializer_range": 0.6}
    folder = build("llama", tmp_path / "llama", **sizes)
    llm = FrozenLLM.load(str(folder), dtype="bfloat16", device="cpu")
    trial = llm.shortcuts()
    with torch.no_grad():
        scores = score_tree(llm, trial._cached(EVEN), trial.labels)
        with in_float32(llm.model):
            exact = score_tree(llm, trial._cached(EVEN), trial.labels)
    assert float((scores - exact).abs().max()) > WITHIN_ROUNDED
    assert all(getattr(trial, name) for name in vars(Shortcuts()))


def test_a_released_llm_takes_every_shortcut():
    llm = FrozenLLM.load("bundled", device="cpu")
    for length in (64, 256):
        assert all(getattr(llm.shortcuts(length), name) for name in vars(Shortcuts()))
