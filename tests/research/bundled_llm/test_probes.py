"""The probes: their items, how answers are read, and that a model that knows scores full marks."""

import math
import types

import pytest
import torch
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from research.bundled_llm import probe_items, probes
from research.bundled_llm.likelihood import bits_per_byte, log_likelihoods
from research.bundled_llm.minimal_pairs import (
    PAIRS_A_PHENOMENON,
    PHENOMENA,
    minimal_pairs,
)
from research.bundled_llm.tokenizer import train_tokenizer
from sensor2llm.errors import DataError, ModelError


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(
        ["a short text with words", "4 8 0 , 4 8 1", "walking sitting"] * 20, 400
    )


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=64, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def test_there_are_ten_phenomena_and_at_least_four_hundred_different_pairs() -> None:
    pairs = minimal_pairs()
    assert len(PHENOMENA) == 10
    assert len(pairs) == len({(p.good, p.bad) for p in pairs}) == 10 * PAIRS_A_PHENOMENON >= 400
    assert all(p.good != p.bad for p in pairs)
    assert pairs == minimal_pairs()


def test_the_sentences_of_a_pair_differ_in_few_words() -> None:
    for pair in minimal_pairs():
        if pair.phenomenon == "word order":
            assert sorted(pair.good.lower().rstrip(".").split()) == sorted(
                pair.bad.lower().rstrip(".").split()
            )
        else:
            good, bad = pair.good.split(), pair.bad.split()
            assert sum(a != b for a, b in zip(good, bad, strict=True)) == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [("480", "480"), ("4 8 0 , 4 8 1", "480"), ("It is 71.", "71"), ("none", ""), ("7 1 .", "71")],
)
def test_the_first_number_counts_spaced_or_plain(text, number) -> None:
    assert probes.first_number(text) == number


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("walking", "walking"),
        ("The label is Walking upstairs.", "walking upstairs"),
        ("walking or sitting", ""),
        ("running", ""),
        ("sittings", ""),
    ],
)
def test_an_answer_names_exactly_one_option(text, label) -> None:
    assert probes.chosen(text, ("walking", "walking upstairs", "sitting")) == label


@pytest.mark.parametrize("name", [n for n in probes.PROBES if n[0] in "lc"])
def test_a_model_that_knows_gets_full_marks_and_a_silent_one_none(name, monkeypatch) -> None:
    items = {
        "label_picking": probe_items.label_items(),
        "label_from_description": probe_items.description_items(),
        "copy_number": probe_items.copy_items(False),
        "copy_number_spaced": probe_items.copy_items(True),
        "compare_numbers": probe_items.compare_items(False),
        "compare_numbers_spaced": probe_items.compare_items(True),
        "compare_yes_no": probe_items.yes_no_items(),
        "continue_list": probe_items.continue_items(False),
        "continue_list_spaced": probe_items.continue_items(True),
    }[name]
    known = {item.prompt: item.answer for item in items}
    for text, share in ((None, 1.0), ("", 0.0)):
        monkeypatch.setattr(
            probes, "answers",
            lambda m, t, prompts, *_, text=text: [
                probes.ProbeAnswer(text=known[p] if text is None else text, ended=True)
                for p in prompts
            ],
        )  # fmt: skip
        result = probes.PROBES[name](None, None, "cpu")
        assert result["share"] == share
        assert result["n"] == len(items)
        assert 0 < result["chance"] <= 0.5


def test_the_answer_to_an_item_is_in_its_prompt_where_it_is_to_be_copied() -> None:
    for item in probe_items.label_items():
        assert item.answer in item.prompt
    for item in probe_items.copy_items(spaced=True):
        assert " ".join(item.answer) in item.prompt


def test_there_are_more_than_a_hundred_different_everyday_questions() -> None:
    questions = probe_items.everyday_questions()
    assert len(set(questions)) == len(questions) >= 100


def test_padding_does_not_change_an_answer(model, tokenizer) -> None:
    prompts = ["walking", "4 8 0 , 4 8 1", "a short text with words"]
    together = probes.answers(model, tokenizer, prompts, new_tokens=6)
    alone = [probes.answers(model, tokenizer, [p], new_tokens=6)[0] for p in prompts]
    assert together == alone


def test_an_answer_is_seen_to_end(model, tokenizer) -> None:
    ending = types.SimpleNamespace(
        generation_config=model.generation_config,
        generate=lambda input_ids, **_: F.pad(input_ids, (0, 1), value=tokenizer.eos_token_id),
    )
    result = probes.ends_its_turn(ending, tokenizer)
    assert result == {"share": 1.0, "chance": 0.0, "n": len(probe_items.everyday_questions())}


def test_a_tokenizer_without_a_chat_template_is_an_error(model) -> None:
    with pytest.raises(ModelError, match="no chat template"):
        probes.answers(model, types.SimpleNamespace(chat_template=None), ["Hello"])


def test_log_likelihoods_are_the_sums_of_token_log_probabilities(model, tokenizer) -> None:
    texts = ["walking", "a short text with words 4 8 0"]
    for text, score in zip(texts, log_likelihoods(model, tokenizer, texts), strict=True):
        ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        with torch.no_grad():
            logs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = sum(float(logs[n, token]) for n, token in enumerate(ids[1:]))
        assert score == pytest.approx(expected, rel=1e-4)


def test_long_texts_are_scored_in_pieces_every_token_once(model, tokenizer) -> None:
    text = "4 8 0 , " * 60
    tokens = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    assert tokens > model.config.max_position_embeddings
    (score,) = log_likelihoods(model, tokenizer, [text])
    uniform = -tokens * math.log(len(tokenizer))
    assert score == pytest.approx(uniform, rel=0.1)


def test_bits_per_byte_count_utf8_bytes(model, tokenizer) -> None:
    text = "é walking"
    (score,) = log_likelihoods(model, tokenizer, [text])
    assert bits_per_byte(model, tokenizer, [text]) == pytest.approx(
        -score / math.log(2) / 10, rel=1e-5
    )
    with pytest.raises(DataError, match="at least one text"):
        bits_per_byte(model, tokenizer, [])


def test_minimal_pairs_report_every_phenomenon(model, tokenizer) -> None:
    result = probes.prefers_grammatical(model, tokenizer)
    assert set(result["phenomena"]) == set(PHENOMENA)
    assert result["share"] == pytest.approx(sum(result["phenomena"].values()) / len(PHENOMENA))
