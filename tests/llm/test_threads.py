"""Several threads run one language model: what acts inside it acts for their own forwards alone."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier, Event

import pytest
import torch

from sensor2llm.llm.forward import assemble, prompt_rows, tail_logits
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.generation import decode_tokens
from sensor2llm.llm.prefix import PrefixCache
from sensor2llm.llm.tuning.hooks import Hook, decoder_layers
from sensor2llm.llm.tuning.layer_hooks import LayerHooks
from sensor2llm.model.evaluating import evaluating
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.training.seeding import seeded
from tests.llm.tiny import tiny_folder
from tests.models import small_adapter, windows

ROUNDS = 15


@pytest.fixture(autouse=True)
def threads_change_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(*works):
    """Do each work several times while the others are done; give what each returned."""
    start = Barrier(len(works))

    @torch.no_grad()
    def repeated(work):
        start.wait()
        return [work() for _ in range(ROUNDS)]

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(repeated, works))


def test_threads_that_share_an_llm_get_what_each_gets_alone():
    llm = FrozenLLM.load(str(tiny_folder("llama")), dtype="float32", device="cpu")
    model = SensorLanguageModel(small_adapter(llm), llm).eval()
    layers = decoder_layers(llm.model)
    rows = assemble(llm, prompt_rows(llm, [[5, 6, 7, 8, 9]]), None, None, batch=1)
    doubled = LayerHooks((Hook(layers[0], before=lambda states: 2 * states),))
    hooked = replace(rows, layer_hooks=doubled)
    tail = torch.tensor([[5, 6]])
    works = (
        lambda: model.score(windows(8)),
        lambda: model.score(windows(3)),
        lambda: tail_logits(llm, rows, tail),
        lambda: tail_logits(llm, hooked, tail),
        lambda: torch.tensor(list(decode_tokens(llm, rows, 6, 0.0, 0))),
    )
    with torch.no_grad():
        alone = [work() for work in works]
    for expected, several in zip(alone, at_once(*works), strict=True):
        for one in several:
            torch.testing.assert_close(one, expected, atol=1e-6, rtol=0)
    assert not any("forward" in module.__dict__ for module in llm.model.modules())


def test_threads_that_draw_by_a_seed_draw_what_each_draws_alone():
    def drawn(seed):
        with seeded(seed):
            return torch.stack([torch.rand(4) for _ in range(20)])

    works = [partial(drawn, seed) for seed in range(3)]
    alone, before = [work() for work in works], torch.get_rng_state()
    for expected, several in zip(alone, at_once(*works), strict=True):
        assert all(torch.equal(one, expected) for one in several)
    assert torch.equal(torch.get_rng_state(), before)


def test_answers_that_are_drawn_are_those_of_their_seed_while_others_draw():
    def model():
        llm = FrozenLLM.load(str(tiny_folder("llama")), dtype="float32", device="cpu")
        return SensorLanguageModel(small_adapter(llm), llm).eval()

    def scored_within(seeded_model):
        with seeded(0):  # as training does
            return seeded_model.score(windows(2)).tolist()

    one, other = model(), model()
    draw = {"temperature": 2.0, "max_new_tokens": 6}
    works = (
        lambda: one.generate(windows(2), seed=1, **draw),
        lambda: one.generate(windows(2), seed=2, **draw),
        lambda: other.generate(windows(2), seed=1, **draw),
        lambda: scored_within(one),
    )
    alone = [work() for work in works]
    assert alone[0] != alone[1]
    for expected, several in zip(alone[:3], at_once(*works), strict=False):
        assert several == [expected] * ROUNDS


def test_dropout_stays_off_until_the_last_thread_is_done():
    model, entered, may_end = torch.nn.Dropout(0.5), Event(), Event()

    def second():
        with evaluating(model):
            entered.set()
            may_end.wait()

    with ThreadPoolExecutor(1) as pool:
        with evaluating(model):
            later = pool.submit(second)
            entered.wait()
        training = model.training
        may_end.set()
        later.result()
    assert not training
    assert model.training
    assert torch.is_grad_enabled()


def test_threads_with_other_prompts_get_their_own_prefixes():
    llm = FrozenLLM.load(str(tiny_folder("llama")), dtype="float32", device="cpu")
    cache = PrefixCache(llm)
    prompts = ([[5, 6, 7, 8], [5, 6, 9]], [[9, 8, 7], [9, 8, 7, 6]], [[3, 4, 5, 6, 7]])
    alone = [cache.prefix_of(rows) for rows in prompts]
    found = at_once(*(partial(cache.prefix_of, rows) for rows in prompts))
    for expected, several in zip(alone, found, strict=True):
        for one in several:
            assert one.length == expected.length
            torch.testing.assert_close(one.states, expected.states, atol=0, rtol=0)
