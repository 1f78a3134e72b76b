"""Prompts with slots, cached, padded and with a tree: each row's logits are a plain forward's."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from sensor2llm.errors import ModelError
from sensor2llm.llm import forward
from sensor2llm.llm.checks.shortcuts import Shortcuts
from sensor2llm.llm.forward import (
    assemble,
    join_ids,
    last_states,
    prompt_rows,
    rows_after,
    run_tail,
    tail_logits,
)
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.scoring import score_each, score_labels, score_tree
from tests.llm.tiny import tiny_folder

HEAD, SOFT, SIGNAL = [11, 12, 13], 2, 3
RESTS = ([21, 22, 23], [31], [41, 42, 43])
TAIL = [51, 52]
LABELS = [[61], [61, 62], [63, 62]]


@pytest.fixture(scope="module")
def llm():
    return FrozenLLM.load(str(tiny_folder("llama")), dtype="float32")


@pytest.fixture(scope="module")
def vectors(llm):
    generator = torch.Generator().manual_seed(1)
    soft = torch.randn(SOFT, llm.width, generator=generator)
    return soft, torch.randn(len(RESTS), SIGNAL, llm.width, generator=generator)


def ids_of(llm, rest):
    return [*HEAD, *[llm.soft_id] * SOFT, 14, *[llm.signal_id] * SIGNAL, *rest]


def plain(llm, vectors, window, rest, tail):
    """Give logits and last states of a window's prompt and tail, by transformers alone."""
    soft, signal = vectors
    embedded = llm.model.get_input_embeddings()
    parts = [
        embedded(torch.tensor(HEAD)), soft, embedded(torch.tensor([14])), signal[window],
        embedded(torch.tensor([*rest, *tail], dtype=torch.long)),
    ]  # fmt: skip
    with torch.no_grad():
        found = llm.model(inputs_embeds=torch.cat(parts)[None], output_hidden_states=True)
    last = 1 + len(tail)
    return found.logits[0, -last:], found.hidden_states[-1][0, -last:]


def prompt_of(llm, vectors, rests, *, cached=False):
    soft, signal = vectors
    rows = [ids_of(llm, rest) for rest in rests]
    prefix = compute_prefix(llm, rows[0]) if cached else None
    ready = rows_after(llm, rows, prefix) if cached and len(rows) > 1 else prompt_rows(llm, rows)
    return assemble(llm, ready, soft, signal, batch=len(RESTS), prefix=prefix)


SHARED, EQUAL, PADDED = (RESTS[0],), (RESTS[0], [71, 72, 73], RESTS[2]), RESTS
each_layout = pytest.mark.parametrize("cached", [False, True])
each_rows = pytest.mark.parametrize("rests", [SHARED, EQUAL, PADDED])


@each_layout
@each_rows
@pytest.mark.parametrize("tail", [[], TAIL])
def test_logits_and_states_of_each_row_are_a_plain_forwards(llm, vectors, rests, cached, tail):
    prompt = prompt_of(llm, vectors, rests, cached=cached)
    assert prompt.length == len(ids_of(llm, max(rests, key=len)))
    tail_ids = torch.tensor([tail], dtype=torch.long)
    with torch.no_grad():
        logits = tail_logits(llm, prompt, tail_ids)
        together, state = run_tail(llm, prompt, tail_ids, states=True)
        alone = last_states(llm, prompt)
    assert logits.shape[:2] == (len(RESTS), 1 + len(tail))
    for window in range(len(RESTS)):
        rest = rests[window % len(rests)]
        expected, states = plain(llm, vectors, window, rest, tail)
        torch.testing.assert_close(logits[window], expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together[window], expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(state[window, 0], states[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone[window], states[0], atol=1e-5, rtol=1e-5)


@each_layout
@each_rows
def test_a_tree_gives_each_node_its_own_paths_logits(llm, vectors, rests, cached):
    prompt = prompt_of(llm, vectors, rests, cached=cached)
    tree = LabelTree.build(LABELS, end_id=2)
    with torch.no_grad():
        found = tail_logits(llm, prompt, torch.tensor([tree.tokens]), tree)
    for window in range(len(RESTS)):
        for label, ids in enumerate(LABELS):
            expected, _ = plain(llm, vectors, window, rests[window % len(rests)], ids)
            places = [0, *(node + 1 for node in tree.path(label))]
            torch.testing.assert_close(found[window, places], expected, atol=1e-5, rtol=1e-5)


@each_layout
def test_a_row_alone_is_the_row_without_its_padding(llm, vectors, cached):
    prompt = prompt_of(llm, vectors, PADDED, cached=cached)
    assert len(prompt) == 3
    first = len(HEAD) if cached else 0
    for window, rest in enumerate(PADDED):
        row = prompt.row(window)
        length = len(ids_of(llm, rest))
        assert row.length == length
        assert row.mask is None
        assert row.positions.tolist() == [list(range(length))]
        assert row.ids.tolist() == [ids_of(llm, rest)[first:]]
        with torch.no_grad():
            found = tail_logits(llm, row, torch.tensor([TAIL]))
        expected, _ = plain(llm, vectors, window, rest, TAIL)
        torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)


def test_a_row_of_equal_ones_and_one_without_ids_are_rows_too(llm, vectors):
    row = prompt_of(llm, vectors, EQUAL).row(1)
    assert row.ids.tolist() == [ids_of(llm, EQUAL[1])]
    assert row.mask is None
    bare = replace(prompt_of(llm, vectors, PADDED), ids=None).row(1)
    assert bare.ids is None
    assert bare.length == len(ids_of(llm, PADDED[1]))


def test_what_reaches_into_the_layers_is_cut_as_the_prompt_is(llm, vectors):
    cuts = SimpleNamespace(select=lambda rows, pads: (rows, pads))
    prompt = replace(prompt_of(llm, vectors, PADDED), layer_hooks=cuts)
    assert prompt.row(1).layer_hooks == ([1], 2)
    assert prompt.select([0, 2]).layer_hooks == ([0, 2], 0)


def test_rows_of_a_shared_prompt_keep_its_one_row(llm, vectors):
    prompt = prompt_of(llm, vectors, SHARED).select([2, 0])
    assert len(prompt) == 2
    assert len(prompt.positions) == len(prompt.ids) == 1
    with torch.no_grad():
        found = tail_logits(llm, prompt, torch.tensor([TAIL]))
    for place, window in enumerate([2, 0]):
        expected, _ = plain(llm, vectors, window, RESTS[0], TAIL)
        torch.testing.assert_close(found[place], expected, atol=1e-5, rtol=1e-5)


NO_PADDING = Shortcuts(padding=False)
NO_PADDED_PREFIX = Shortcuts(padded_prefix=False)


@pytest.mark.parametrize(
    ("cached", "taken", "groups"),
    [
        (False, Shortcuts(), [[0, 1, 2]]),
        (False, NO_PADDING, [[0, 2], [1]]),
        (False, NO_PADDED_PREFIX, [[0, 1, 2]]),
        (True, NO_PADDING, [[0, 1, 2]]),
        (True, NO_PADDED_PREFIX, [[0, 2], [1]]),
    ],
)
def test_rows_share_a_forward_where_padding_is_no_input(llm, vectors, cached, taken, groups):
    prompt = prompt_of(llm, vectors, PADDED, cached=cached)
    tails = torch.tensor([[51, 52], [53, 54], [55, 56]])
    choosing = llm.with_shortcuts(taken)
    assert prompt.groups(choosing) == groups
    with torch.no_grad():
        found = tail_logits(choosing, prompt, tails)
        states = last_states(choosing, prompt)
    for window, rest in enumerate(PADDED):
        expected, state = plain(llm, vectors, window, rest, tails[window].tolist())
        torch.testing.assert_close(found[window], expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(states[window], state[0], atol=1e-5, rtol=1e-5)
    equal = prompt_of(llm, vectors, EQUAL)
    assert (equal.mask, equal.groups(llm)) == (None, [[0, 1, 2]])


@each_layout
def test_a_tree_may_follow_rows_that_run_by_their_length(llm, vectors, cached):
    prompt = prompt_of(llm, vectors, PADDED, cached=cached)
    tree = LabelTree.build(LABELS, end_id=2)
    nodes = torch.tensor([tree.tokens])
    with torch.no_grad():
        expected = tail_logits(llm, prompt, nodes, tree)
        by_length = llm.with_shortcuts(Shortcuts(padding=False, padded_prefix=False))
        found = tail_logits(by_length, prompt, nodes, tree)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_two_rows_of_which_one_is_padded_have_a_mask(llm, vectors):
    rows = prompt_rows(llm, [ids_of(llm, rest) for rest in PADDED[:2]])
    soft, signal = vectors
    assert assemble(llm, rows, soft, signal[:2], batch=2).mask.tolist() == rows[1].tolist()


def test_the_llm_is_told_the_tokens_and_where_logits_are_wanted(llm, vectors, monkeypatch):
    calls, run = [], llm.run
    monkeypatch.setattr(
        llm, "run", lambda *given, **more: calls.append((given, more)) or run(*given, **more)
    )
    prompt = prompt_of(llm, vectors, SHARED, cached=True)
    tail_logits(llm, prompt, torch.tensor([TAIL]))
    tail_logits(llm, replace(prompt, ids=None), torch.tensor([TAIL]))
    (prefix, prefix_more), (given, more), (without, _) = calls
    assert prefix[1].tolist() == [HEAD]
    assert prefix_more["places"].tolist() == [len(HEAD) - 1]
    assert given[1].tolist() == [[*ids_of(llm, RESTS[0])[len(HEAD) :], *TAIL]]
    length = given[1].shape[1]
    assert more["places"].tolist() == [length - 3, length - 2, length - 1]
    assert more["states"] is False
    assert without[1] is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_trees_mask_has_the_type_of_the_vectors(llm, vectors, dtype):
    tree = LabelTree.build(LABELS, end_id=2)
    mask = forward.tail_mask(prompt_of(llm, vectors, PADDED), len(tree), tree, dtype)
    assert mask.dtype == dtype
    assert mask.min() == torch.finfo(dtype).min


def test_the_length_that_is_asked_for_counts_the_tail(llm, vectors, monkeypatch):
    prompt = prompt_of(llm, vectors, PADDED)
    asked = []
    monkeypatch.setattr(llm, "shortcuts", lambda length: asked.append(length) or Shortcuts())
    prompt.groups(llm)
    prompt.groups(llm, tail=5)
    tail_logits(llm, prompt, torch.tensor([TAIL]))
    assert asked == [prompt.length, prompt.length + 5, prompt.length + 2]


def test_rows_behind_a_prefix_are_padded_between_it_and_their_rest(llm):
    prefix = SimpleNamespace(length=2)
    rows = rows_after(llm, [[5, 6, 7, 8, 9], [5, 6, 7]], prefix)
    assert rows.ids.tolist() == [[5, 6, 7, 8, 9], [5, 6, llm.pad_id, llm.pad_id, 7]]
    assert rows.attention_mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 1]]
    assert rows.position_ids.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 2, 2]]


def test_the_prefix_ends_before_the_first_slot_of_either_kind(llm):
    assert compute_prefix(llm, [5, 6, llm.soft_id, 7, llm.signal_id]).length == 2
    assert compute_prefix(llm, [5, llm.signal_id, 7, llm.soft_id]).length == 1
    assert compute_prefix(llm, [5, 6, 7]).length == 2
    assert compute_prefix(llm, [llm.soft_id, 5]) is None
    assert compute_prefix(llm, [5]) is None


def test_the_prefix_holds_what_transformers_would(llm):
    prefix = compute_prefix(llm, [*HEAD, llm.soft_id])
    with torch.no_grad():
        cache = llm.model(input_ids=torch.tensor([HEAD]), use_cache=True).past_key_values
    assert len(prefix.states) == llm.layers
    for (keys, values), (own_keys, own_values, *_) in zip(prefix.states, cache, strict=True):
        torch.testing.assert_close(keys, own_keys)
        torch.testing.assert_close(values, own_values)
    assert not prefix.states[0][0].requires_grad


def test_other_states_than_keys_and_values_are_refused(llm, monkeypatch):
    monkeypatch.setattr("sensor2llm.llm.prefix.DynamicLayer", int)
    with pytest.raises(ModelError) as caught:
        compute_prefix(llm, [5, 6, 7])
    assert str(caught.value) == f"{llm.name} has layers with states other than keys and values"


def test_a_prompt_needs_as_many_vectors_as_placeholders(llm, vectors):
    rows = prompt_rows(llm, [ids_of(llm, [5])])
    soft, signal = vectors
    with pytest.raises(ModelError, match=f"{SOFT} placeholders with id {llm.soft_id}, expected 1"):
        assemble(llm, rows, soft[:1], signal, batch=3)
    with pytest.raises(ModelError, match=f"{SIGNAL} placeholders .*, expected 4"):
        assemble(llm, rows, soft, signal.repeat(1, 2, 1)[:, :4], batch=3)


def test_embeddings_that_are_known_are_taken(llm, vectors):
    rows = prompt_rows(llm, [[5, 6, 7]])
    embedded = torch.zeros(1, 3, llm.width)
    assert torch.equal(assemble(llm, rows, None, None, batch=2, embedded=embedded).vectors,
                       embedded.expand(2, -1, -1))  # fmt: skip


def test_ids_are_joined_where_one_row_stands_for_all():
    one, two = torch.tensor([[1, 2]]), torch.tensor([[3], [4]])
    assert join_ids(one, two).tolist() == [[1, 2, 3], [1, 2, 4]]
    assert join_ids(two, one).tolist() == [[3, 1, 2], [4, 1, 2]]


# --- scoring


def expected_scores(llm, vectors, rests):
    end, rows = llm.end_of_turn_id, []
    for window in range(len(RESTS)):
        scores = []
        for ids in LABELS:
            logits, _ = plain(llm, vectors, window, rests[window % len(rests)], ids)
            logs = logits.log_softmax(-1)
            steps = enumerate([*ids, end])
            scores.append(sum(logs[place, token] for place, token in steps))
        rows.append(torch.stack(scores))
    return torch.stack(rows)


@each_layout
@each_rows
def test_labels_are_scored_alike_in_one_forward_and_each_alone(llm, vectors, rests, cached):
    prompt = prompt_of(llm, vectors, rests, cached=cached)
    tree = LabelTree.build(LABELS, llm.end_of_turn_id)
    answers = [[*ids, llm.end_of_turn_id] for ids in LABELS]
    expected = expected_scores(llm, vectors, rests)
    with torch.no_grad():
        for found in (
            score_tree(llm, prompt, tree),
            score_each(llm, prompt, answers),
            score_labels(llm, prompt, tree, answers),
        ):
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("rests", "taken", "by_tree"),
    [
        (SHARED, Shortcuts(padded_tree=False), True),
        (SHARED, Shortcuts(tree=False), False),
        (PADDED, Shortcuts(tree=False), True),
        (PADDED, Shortcuts(padded_tree=False), False),
    ],
)
def test_the_tree_is_taken_where_it_holds(llm, vectors, monkeypatch, rests, taken, by_tree):
    prompt = prompt_of(llm, vectors, rests)
    tree, asked = LabelTree.build(LABELS, llm.end_of_turn_id), []
    monkeypatch.setattr(llm, "shortcuts", lambda length: asked.append(length) or taken)
    for way in ("score_tree", "score_each"):
        monkeypatch.setattr(f"sensor2llm.llm.scoring.{way}", lambda *given, way=way: (way, given))
    found = score_labels(llm, prompt, tree, [[1]])
    each = "score_each", (llm, prompt, [[1]])
    assert found == (("score_tree", (llm, prompt, tree)) if by_tree else each)
    assert asked == [prompt.length + len(tree)]
