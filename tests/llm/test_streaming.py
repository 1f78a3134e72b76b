"""A streamed answer is what the model's own generate says."""

import pytest

from sensor2llm.llm.forward import assemble, prompt_rows
from sensor2llm.llm.generation import generate
from sensor2llm.llm.streaming import stream_text
from tests.llm.tiny import FAMILIES
from tests.models import tiny_llm

MESSAGES = [{"role": "user", "content": "Which activity is it?"}]


def readable(text):
    """Leave out what is no whole character: random models write parts of them."""
    return "".join(c for c in text if c.isascii() and c.isprintable()).strip()


def prompt(llm):
    ids = llm.encode(llm.render(MESSAGES))
    return assemble(llm, prompt_rows(llm, [ids]), None, None, batch=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_pieces_equal_generate(family):
    llm = tiny_llm(family)
    given = prompt(llm)
    whole = generate(llm, given, max_new_tokens=5)
    streamed = "".join(stream_text(llm, given, max_new_tokens=5))
    assert readable(streamed) == readable(whole[0])


def test_no_phrase_is_said_twice():
    llm = tiny_llm("gpt2")
    said = "".join(stream_text(llm, prompt(llm), max_new_tokens=60))
    ids = llm.encode(said)
    phrases = [tuple(ids[i : i + 12]) for i in range(len(ids) - 11)]
    assert len(phrases) == len(set(phrases))


def test_drawn_by_seed():
    llm = tiny_llm()
    first, again, other = (
        "".join(stream_text(llm, prompt(llm), temperature=2.0, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
