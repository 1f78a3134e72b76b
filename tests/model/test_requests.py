"""Windows that are asked different things in one batch: as if each were asked alone."""

import functools
from dataclasses import replace

import pytest
import torch

from sensor2llm.adapter.batches import Request, RequestBatch
from sensor2llm.bridge.number_head import NumberHead, Target
from sensor2llm.errors import ConfigError, DataError, TemplateError
from sensor2llm.llm.config import LowRankConfig
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.model.model import SensorLanguageModel
from tests.models import small_adapter, small_model, tiny_llm, windows

TARGET = Target(name="heart_rate.heart_rate", unit="bpm", mean=70.0, scale=10.0, decimals=0)
TEMPLATES = {
    "question_answering": PromptTemplate.load("question"),
    "captioning": PromptTemplate.load("caption"),
    "regression": PromptTemplate.load("estimate"),
}
ASKED = (
    Request("question_answering", {"question": "Is the person walking?"}, "yes"),
    Request("question_answering", {"question": "Why?"}, "walking upstairs, 72 beats a minute"),
    Request("captioning", {}, "The heart rate is 72 bpm."),
    Request("classification", {}, "walk"),
    Request("regression", {}, "72 bpm"),
)


@functools.cache
def built(family: str) -> SensorLanguageModel:
    llm = tiny_llm(family)
    torch.manual_seed(1)
    head = NumberHead(llm.hidden_width, TARGET)
    return SensorLanguageModel(small_adapter(llm, templates=TEMPLATES, head=head), llm).eval()


@pytest.fixture(params=["llama", "gemma", "gpt2"])
def model(request):
    return built(request.param)


def asked_of(model: SensorLanguageModel, requests=ASKED):
    with torch.no_grad():
        return model.features(windows(len(requests))).with_requests(requests)


def prompt_of(model: SensorLanguageModel, row) -> torch.Tensor:
    """Give one window's prompt as vectors, built without padding and without a cache."""
    text = model.prompting.text(request=row.requests[0])
    ids = torch.tensor(model.llm.encode(text))
    vectors = model.llm.embed(ids[None])[0]
    vectors[ids == model.llm.soft_id] = model.adapter.soft_vectors().detach()
    vectors[ids == model.llm.signal_id] = model.adapter.signal_vectors(row)[0].detach()
    return vectors[None]


def plain_loss(model: SensorLanguageModel, row) -> float:
    """Sum the negative log-likelihood of one answer's tokens by a full forward, no shortcut."""
    request = row.requests[0]
    answer = model.llm.answer_ids(model.prompting.text(request=request), request.answer)
    vectors = prompt_of(model, row)
    whole = torch.cat([vectors, model.llm.embed(torch.tensor([answer]))], dim=1)
    with torch.no_grad():
        logs = model.llm.model(inputs_embeds=whole).logits[0].log_softmax(-1)
    start = vectors.shape[1] - 1
    return -sum(float(logs[start + i, token]) for i, token in enumerate(answer))


def test_the_loss_is_the_sum_of_each_answers_own(model):
    features = asked_of(model)
    with torch.no_grad():
        step = model(features)
    expected = sum(plain_loss(model, features.select([i])) for i in range(len(features)))
    assert step.weight == len(ASKED)
    assert float(step.total) == pytest.approx(expected, rel=1e-4)


def test_answers_in_one_batch_are_those_given_alone(model):
    features = asked_of(model)
    alone = [
        model.generate(features.select([i]), max_new_tokens=5)[0] for i in range(len(features))
    ]
    assert model.generate(features, max_new_tokens=5) == alone
    assert len(set(alone)) > 1


def test_numbers_in_one_batch_are_those_given_alone_and_by_a_plain_forward(model):
    features = asked_of(model)
    found = model.numbers(features)
    alone = torch.cat([model.numbers(features.select([i])) for i in range(len(features))])
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-3)
    for i, number in enumerate(found):
        vectors = prompt_of(model, features.select([i]))
        with torch.no_grad():
            states = model.llm.model(inputs_embeds=vectors, output_hidden_states=True)
            expected = model.adapter.head(states.hidden_states[-1][:, -1])[0]
        torch.testing.assert_close(number, expected, rtol=1e-4, atol=1e-3)


def test_a_number_is_learned_beside_its_text():
    model = built("llama")
    requests = [Request("regression", {}, f"{n} bpm", float(n)) for n in (60, 71, 120)]
    features = asked_of(model, requests)
    without = asked_of(model, [Request("regression", {}, r.answer) for r in requests])
    with torch.no_grad():
        both, text = model(features).total, model(without).total
    off = (model.numbers(features) - torch.tensor([60.0, 71.0, 120.0])).abs() / TARGET.scale
    expected = torch.where(off < 1, 0.5 * off**2, off - 0.5).sum()
    torch.testing.assert_close(both - text, expected, rtol=1e-3, atol=1e-3)


def test_numbers_are_asked_for_where_nothing_else_is():
    model = built("llama")
    features = model.features(windows(2))
    asked = features.with_requests([Request("regression")] * 2)
    assert model.numbers(features).tolist() == model.numbers(asked).tolist()


def test_every_task_gives_the_number_head_a_gradient():
    model = built("llama")
    features = asked_of(model, ASKED[:1])
    for batch in (features, features.with_requests(None)):
        model.zero_grad()
        model.loss(batch).backward()
        assert all(p.grad is not None and not p.grad.any() for p in model.adapter.head.parameters())
    model.zero_grad()


def test_signals_are_asked_as_their_features_are():
    model = built("llama")
    signals = model.adapter.collate(windows(5))
    found = model.features(RequestBatch(signals, ASKED))
    assert found.requests == ASKED
    torch.testing.assert_close(model.loss(found), model.loss(asked_of(model)))


def test_what_cannot_be_asked_is_said():
    plain = small_model()
    with pytest.raises(ConfigError, match="estimates no number; train one with the task regr"):
        plain.numbers(windows(1))
    model = built("llama")
    with pytest.raises(DataError, match="a window to train on has no answer; leave such windows"):
        model.loss(asked_of(model, [ASKED[0], Request("captioning")]))
    with pytest.raises(DataError, match="has no label or answer"):
        model.loss(asked_of(model, [Request("captioning")]))


def test_shortcuts_are_chosen_without_dropout_also_in_training():
    llm = tiny_llm()
    lora = LoraWeights.start(LowRankConfig(rank=4, dropout=0.5), llm)
    with torch.no_grad():
        for weights in lora.up.values():
            weights.normal_()
    model = SensorLanguageModel(small_adapter(llm, lora=lora), llm, objective="labels").train()
    model.loss(windows(4))
    assert model.llm.shortcuts().tree


COMPARED = tuple(
    Request("question_answering", {"question": text, "windows": 2}, answer)
    for text, answer in (("Which moves more?", "the first"), ("Are both the same activity?", "no"))
)


def compared(model: SensorLanguageModel, rows=(0, 1), others=(3, 2)):
    """Ask about two windows each."""
    with torch.no_grad():
        features = model.features(windows(4))
    batch = features.select(rows).with_requests([COMPARED[row] for row in rows])
    return replace(batch, second=features.select(others))


def test_two_windows_stand_at_their_own_places(model):
    batch = compared(model)
    (text, _) = model.prompting.row_texts(batch)
    first, second = "First: ", " Second: "
    assert text.index(first) < text.index(second) < text.index("Which moves more?")
    prompt = model.build.for_batch(batch, prefix=False).row(0)
    ids = model.llm.encode(text)
    slots = [i for i, token in enumerate(ids) if token == model.llm.signal_id]
    expected = model.adapter.signal_vectors(batch.interleaved().select([0, 1]))
    places = prompt.vectors[0, slots]
    torch.testing.assert_close(places, expected.flatten(0, 1), atol=1e-5, rtol=1e-4)
    assert model.prompting.text(request=ASKED[0]).count("First: ") == 0


def test_the_loss_about_two_windows_is_the_sum_of_each_rows_own(model):
    batch = compared(model)
    with torch.no_grad():
        total = float(model(batch).total)
        alone = [float(model(batch.select([row])).total) for row in range(2)]
        turned = float(model(compared(model, (0, 1), (2, 3))).total)
    assert total == pytest.approx(sum(alone), rel=1e-4)
    assert total != pytest.approx(turned, rel=1e-4)


def test_signals_of_two_windows_are_encoded_as_features_are(model):
    made = windows(4)
    signals = [model.adapter.collate([made[i] for i in rows]) for rows in ((0, 1), (3, 2))]
    batch = RequestBatch(signals[0], COMPARED, signals[1])
    answers = model.generate(compared(model), max_new_tokens=4)
    assert model.generate(batch, max_new_tokens=4) == answers


def test_a_prompt_without_a_second_place_is_named():
    llm = tiny_llm("llama")
    form = {"encoded": {"user": "{{ soft }}{{ signal }}\n{{ question }}"}}
    one = replace(TEMPLATES["question_answering"], name="one", forms=form)
    own = small_adapter(llm, templates={"question_answering": one})
    model = SensorLanguageModel(own, llm)
    batch = compared(model)
    with pytest.raises(TemplateError, match="'one' has a place for one window and two were given"):
        model.generate(batch)
