"""What a chat template does to a conversation: thoughts, system texts, what is left out."""

import pytest

from benchmarks.robustness.llm_layouts import REFUSES_SYSTEM
from benchmarks.robustness.llm_zoo import CHATML, NO_SYSTEM, THINKING, make_tokenizer
from sensor2llm.errors import ModelError
from sensor2llm.llm.chat import Chat, close_thought

ASKED = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Activity?"},
]


def render(template: str, messages=ASKED) -> str:
    return Chat(make_tokenizer(template)).render(messages)


@pytest.mark.parametrize(
    ("prompt", "closed"),
    [
        ("<|im_start|>assistant\n<think>\n", "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
        ("assistant: <think>", "assistant: <think>\n\n</think>\n\n"),
        ("[THINK]", "[THINK]\n\n[/THINK]\n\n"),
        ("<seed:think>", "<seed:think>\n\n</seed:think>\n\n"),
        ("<reasoning>\n", "<reasoning>\n\n</reasoning>\n\n"),
        ("<thought>", "<thought>\n\n</thought>\n\n"),
    ],
)
def test_a_thought_that_a_prompt_opens_is_closed(prompt, closed):
    assert close_thought(prompt) == closed


@pytest.mark.parametrize(
    "prompt",
    [
        "assistant\n",
        "<think>\n\n</think>\n\n",
        "<think>\nhm",
        "<|im_start|>",
        "I think",
        "</think>",
    ],
)
def test_a_prompt_without_an_open_thought_stays_as_it_is(prompt):
    assert close_thought(prompt) == prompt


def test_the_answer_of_a_template_that_thinks_follows_its_closed_thought():
    chat = Chat(make_tokenizer(THINKING))
    prompt = chat.render(ASKED)
    assert prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert chat.lead == ""
    ids = chat.answer_ids(prompt, "walking")
    assert chat.tokenizer.decode(ids) == "walking<|im_end|>"


@pytest.mark.parametrize("template", [NO_SYSTEM, REFUSES_SYSTEM])
def test_a_system_text_without_a_place_goes_in_front_of_the_users(template):
    assert render(template) == (
        "<|im_start|>user\nBe short.\n\nActivity?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_system_text_with_a_place_of_its_own_stays_there():
    assert render(CHATML).startswith("<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user")


def test_a_system_text_is_looked_for_in_every_conversation():
    short_only = CHATML.replace(
        "{% for message in messages %}",
        "{% for message in messages if message['role'] != 'system' or messages | length < 3 %}",
    )
    assert "system\nBe short." in render(short_only)
    longer = [*ASKED, {"role": "assistant", "content": "Rest."}, {"role": "user", "content": "?"}]
    assert "user\nBe short.\n\nActivity?" in render(short_only, longer)


def test_a_broken_template_is_one_line():
    with pytest.raises(ModelError, match="the chat template cannot be rendered: 'nothing' is und"):
        Chat(make_tokenizer("{{ nothing.at_all }}"))


def test_a_template_that_leaves_the_user_out_is_refused():
    deaf = CHATML.replace("{{ message['content'] }}", "{% if message['role'] != 'user' %}"
                          "{{ message['content'] }}{% endif %}")  # fmt: skip
    with pytest.raises(ModelError, match="leaves out what the system or the user says"):
        render(deaf)
