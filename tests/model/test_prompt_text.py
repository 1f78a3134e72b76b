"""From an adapter's templates to text and token ids: places of modalities, caches, what is told."""

from dataclasses import replace

import pytest
import torch

from sensor2llm.adapter.batches import FeatureBatch, Request
from sensor2llm.adapter.builders import build_projector
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.errors import DataError, TemplateError
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.model import prompt_text as module
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.model.prompt_text import PromptRenderer
from tests.models import TEMPLATE, VARIABLES, small_adapter, small_model, tiny_llm, windows
from tests.signals.stores import SPEC

PLACES = {name: "{{ signals." + name + " }}" for name in SPEC.names}


def placed(*ways: str, task: str = "classification", tokens: int = 6, per_modality: bool = True):
    """Build a model whose prompt, or that of another task, has these ways to ask."""
    llm = tiny_llm()
    names = {"signals": "places", "values": "numbers", "scale": "levels", "question": "asked"}
    template = PromptTemplate(
        name="placed",
        version=1,
        task=task,
        description="A test.",
        variables={**VARIABLES, **names},
        forms={"encoded": {"user": ["{{ soft }}" + way for way in ways]}},
    )
    adapter = small_adapter(llm)
    config = ProjectorConfig(tokens=tokens, hidden=16, per_modality=per_modality)
    projector = build_projector(config, adapter.encoder, llm.width, llm.embedding_std)
    own = template if task == "classification" else TEMPLATE
    adapter = small_adapter(
        llm,
        template=own,
        templates={task: template},
        projector=projector,
        projector_config=config,
    )
    return SensorLanguageModel(adapter, llm).eval()


def test_tokens_follow_the_places_of_their_modalities():
    model = placed(f"{PLACES['person']} a {PLACES['accel']} b {PLACES['rr']}")
    assert model.adapter.token_owners == ("accel", "accel", "rr", "rr", "person", "person")
    assert model.prompting.order() == (4, 5, 0, 1, 2, 3)
    assert model.prompting.text().count("<|signal|>") == 6


def test_a_modality_without_a_place_is_left_out():
    model = placed(f"{PLACES['rr']} {PLACES['accel']}")
    assert model.prompting.order() == (2, 3, 0, 1)
    features = model.features(windows(2))
    prompt = model.build.for_batch(features, prefix=False)
    ids = torch.tensor(model.prompting.ids())
    heard = prompt.vectors[:, ids == model.llm.signal_id]
    expected = model.adapter.signal_vectors(features)[:, [2, 3, 0, 1]]
    torch.testing.assert_close(heard, expected)


def test_one_place_for_all_takes_tokens_as_they_come():
    assert small_model().prompting.order() is None
    assert placed("{{ signal }}").prompting.order() is None


def test_values_of_a_window_do_not_matter_to_the_order():
    model = placed(f"{{{{ values.age }}}} {PLACES['rr']} {{{{ scale }}}} {PLACES['accel']}")
    assert model.prompting.order() == (2, 3, 0, 1)


def test_each_way_to_ask_has_its_own_order():
    ways = (f"{PLACES['accel']}{PLACES['rr']}", f"{PLACES['rr']}{PLACES['accel']}", "{{ signal }}")
    prompting = placed(*ways, task="question_answering").prompting
    orders = [prompting.order(Request("question_answering", paraphrase=i)) for i in range(3)]
    assert orders == [(0, 1, 2, 3), (2, 3, 0, 1), None]
    assert prompting.order() is None


def test_rows_asked_in_other_ways_have_their_tokens_at_their_places():
    ways = (f"{PLACES['accel']} {PLACES['rr']}", f"{PLACES['rr']} or {PLACES['accel']}")
    model = placed(*ways, task="question_answering")
    asked = [Request("question_answering", paraphrase=i) for i in range(2)]
    features = model.features(windows(2)).with_requests(asked)
    together = model.build.for_batch(features)
    for row in range(2):
        alone = model.build.for_batch(features.select([row]))
        found = together.vectors[row, -alone.vectors.shape[1] :]
        torch.testing.assert_close(found, alone.vectors[0])


def test_two_places_for_one_modality_are_said():
    model = placed(f"{PLACES['rr']} and {PLACES['rr']}")
    with pytest.raises(TemplateError, match=r"'placed' has 2 places for 'rr' .* leave one"):
        model.score(windows(1))


def test_places_of_modalities_need_tokens_of_their_own():
    model = placed(f"{PLACES['rr']}", per_modality=False)
    for ask in (model.prompting.order, model.prompting.text, lambda: model.score(windows(1))):
        with pytest.raises(TemplateError, match="hear all of them; train with projector"):
            ask()


def test_without_an_encoder_places_stay_empty():
    llm = tiny_llm()
    template = replace(
        TEMPLATE,
        variables={**VARIABLES, "signals": "places"},
        forms={"encoded": {"user": f"{{{{ soft }}}}a{PLACES['rr']}b{PLACES['accel']}c"}},
    )
    bare = small_adapter(
        llm, template=template, encoder=None, projector=None, projector_config=None
    )
    prompting = PromptRenderer(bare, llm)
    assert prompting.messages()[-1]["content"].endswith("abc")
    assert prompting.order() is None


def test_one_batch_has_places_for_the_same_modalities():
    model = placed(PLACES["rr"], PLACES["rr"] + PLACES["accel"], task="question_answering")
    asked = [Request("question_answering", paraphrase=i) for i in range(2)]
    features = model.features(windows(2)).with_requests(asked)
    with pytest.raises(TemplateError, match=r"have places for \[2, 4\] signal tokens; give each"):
        model.generate(features)


def test_a_modality_that_there_is_not_has_no_place():
    with pytest.raises(TemplateError, match="has no attribute 'ears'"):
        placed("{{ signals.ears }}").prompting.text()


def test_a_prompt_tells_what_its_window_says_and_nothing_hidden():
    model = placed("{{ signal }} {{ values.age }} years; {{ scale }}", per_modality=False)
    features = model.features(windows(1))
    age = features.template_values[0]["values"]["age"]
    (before,) = model.prompting.row_texts(features)
    assert f"{age} years; accel: x" in before
    hidden = torch.tensor([[True, False, True]])
    (after,) = model.prompting.row_texts(features.mask_modalities(hidden))
    assert "unknown years; accel: missing; rr: rr" in after
    assert "person: missing" in after


def test_a_question_stands_beside_what_each_window_says():
    model = placed(
        "{{ signal }} {{ values.age }} years. {{ question | default('Which?') }}",
        per_modality=False,
    )
    features = model.features(windows(4))
    ages = [given["values"]["age"] for given in features.template_values]
    texts = model.prompting.row_texts(features, "Why?")
    assert all(f"{age} years. Why?" in text for age, text in zip(ages, texts, strict=True))
    asked = model.generate(features, question="Which?", max_new_tokens=4)
    assert asked == model.generate(features, max_new_tokens=4)
    alone = [model.generate(features.select([i]), max_new_tokens=4)[0] for i in range(4)]
    assert asked == alone


def test_positions_of_a_window_are_counted_without_what_it_says():
    model = placed("{{ signal }} {{ values.age }}; {{ scale }}.", per_modality=False)
    longest = max(len(ids) for ids in model.prompting.answers.ids)
    bare = model.prompting.text(template_values={"values": {"age": ""}, "scale": ""})
    assert model.tokens_per_window == len(model.llm.encode(bare)) + longest
    assert model.embed(windows(1))[0].shape[1] > model.tokens_per_window


class Counting:
    """Count what a language model's tokenizer is asked."""

    def __init__(self, llm) -> None:
        self.llm, self.encoded, self.answered = llm, [], []

    def encode(self, text):
        self.encoded.append(text)
        return self.llm.encode(text)

    def answer_ids(self, text, answer):
        self.answered.append((text, answer))
        return self.llm.answer_ids(text, answer)


def test_a_text_is_tokenized_once_and_the_caches_stay_small(monkeypatch):
    llm = tiny_llm()
    counting = Counting(llm)
    prompting = PromptRenderer(small_adapter(llm), llm)
    prompting.llm = counting
    for _ in range(3):
        assert prompting.encode_row("Which activity?") == llm.encode("Which activity?")
        assert prompting.answer_row("Is it?", "yes") == llm.answer_ids("Is it?", "yes")
        assert prompting.answer_row("Is it?", "no") == llm.answer_ids("Is it?", "no")
    assert counting.encoded == ["Which activity?"]
    assert counting.answered == [("Is it?", "yes"), ("Is it?", "no")]
    monkeypatch.setattr(module, "KEPT_ROWS", 2)
    for text in ("walking", "sitting", "standing", "walking"):
        assert prompting.encode_row(text) == llm.encode(text)
        assert prompting.answer_row("Is it?", text) == llm.answer_ids("Is it?", text)
        assert len(prompting._encoded) <= 2
        assert len(prompting._answered) <= 2


def test_another_tasks_form_is_the_adapters_or_the_encoded_one():
    llm = tiny_llm()
    forms = {**TEMPLATE.forms, "short": {"user": "{{ soft }}{{ signal }}?"}}
    own = replace(TEMPLATE, forms=forms)
    adapter = small_adapter(
        llm, template=own, form="short", templates={"captioning": PromptTemplate.load("caption")}
    )
    prompting = PromptRenderer(adapter, llm)
    assert prompting.form_of("classification") == "short"
    assert prompting.form_of("captioning") == "encoded"
    assert "Describe this moment." in prompting.text(request=Request("captioning"))


def test_a_prompt_longer_than_the_context_is_said_by_its_tokens():
    llm = tiny_llm()
    adapter = small_adapter(llm, templates={"captioning": PromptTemplate.load("caption")})
    model = SensorLanguageModel(adapter, llm)
    features = model.features(windows(1))
    # Many letters, few tokens: it fits.
    fits = "walking upstairs, " * 30
    assert len(fits) > llm.context > len(llm.encode(fits)) + 40
    assert torch.isfinite(model.loss(features.with_requests([Request("captioning", answer=fits)])))
    # Few letters, many tokens: each letter is three bytes.
    long = "本" * 100
    assert len(long) < llm.context < len(llm.encode(long))
    with pytest.raises(DataError, match=r"takes \d+ positions with its prompt and answer, llama"):
        model.loss(features.with_requests([Request("captioning", answer=long)]))


def test_a_batch_without_windows_own_text_has_one_prompt():
    model = small_model()
    features = model.features(windows(3))
    assert model.prompting.row_texts(features) == [model.prompting.text()] * 3
    texts = FeatureBatch(features.labels, texts=("a", "b", "c"))
    assert len(set(model.prompting.row_texts(texts))) == 3
