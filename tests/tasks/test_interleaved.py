"""Windows between texts: each is heard at its own place."""

import itertools
from dataclasses import replace

import pytest
import torch

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.errors import DataError, ModelError, SpecError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.views.conversion import convert_windows
from sensor2llm.tasks.interleaved import fill, generate_interleaved, message_of, only
from tests.models import small_adapter, small_model, text_adapter, tiny_llm, windows
from tests.signals.stores import FOREIGN, make_foreign


@pytest.fixture(scope="module")
def model():
    return small_model()


def prompt_of(model, parts, heard):
    message = message_of(model, parts)
    ids = model.llm.encode(model.llm.render([message]))
    with torch.no_grad():
        return ids, model.build.for_token_ids(ids, [model.features([w]) for w in heard])


def test_each_window_stands_at_its_own_place(model):
    first, second = windows()[:2]
    ids, prompt = prompt_of(
        model, fill("A {window} or B {window}?", [first, second]), [first, second]
    )
    places = (torch.tensor(ids) == model.llm.signal_id).nonzero()[:, 0]
    expected = [model.adapter.signal_vectors(model.features([w]))[0] for w in (first, second)]
    torch.testing.assert_close(prompt.vectors[0, places], torch.cat(expected))
    text = model.llm.tokenizer.decode(ids[: int(places[0])])
    assert "A" in text
    assert "B" not in text


def test_the_order_of_windows_matters_to_what_is_read(model):
    first, second = windows()[0], windows()[5]
    _, one = prompt_of(model, ["A ", first, " B ", second], [first, second])
    _, other = prompt_of(model, ["A ", second, " B ", first], [second, first])
    assert not torch.equal(one.vectors, other.vectors)


def test_an_answer_to_two_windows_is_the_llms_own(model):
    first, second = windows()[:2]
    said = generate_interleaved(model, ["A ", first, " B ", second, " Which?"], max_new_tokens=4)
    assert said == generate_interleaved(
        model, ["A ", first, " B ", second, " Which?"], max_new_tokens=4
    )


def test_windows_of_another_spec_are_heard_in_the_adapters(model, monkeypatch):
    first, second = itertools.islice(make_foreign(), 2)
    heard = []
    monkeypatch.setattr(type(model), "reply", lambda _self, _texts, of, **_: heard.extend(of))
    generate_interleaved(model, ["A ", first, " B ", second], spec=FOREIGN)
    fitting = convert_windows([first, second], FOREIGN, model.adapter.spec)
    for found, window in zip(heard, fitting, strict=True):
        expected = model.features([replace(window, label=None)])
        torch.testing.assert_close(found.steps, expected.steps)
    with pytest.raises(SpecError, match=r"of shape \(3, 48\)"):
        generate_interleaved(model, ["A ", first])


def test_one_sensor_of_a_window_can_stand_alone(model):
    window = windows()[0]
    name = next(iter(window.signals))
    left = only(window, name)
    assert list(left.signals) == [name]
    features = model.features([left])
    assert features.present.sum() == 1
    with pytest.raises(DataError, match="the window has no 'ears'; it has"):
        only(window, "ears")


def test_places_and_windows_must_be_as_many(model):
    with pytest.raises(DataError, match=r"has 2 places \{window\} and 1 windows were given"):
        fill("{window} or {window}?", windows()[:1])
    with pytest.raises(DataError, match=r"has 0 places \{window\} and 1 windows were given"):
        fill("Which?", windows()[:1])
    message = message_of(model, ["A ", windows()[0]])
    heard = [model.features([w]) for w in windows()[:2]]
    with pytest.raises(ModelError, match=r"have places for 1 windows .* and 2 were given"):
        model.reply([message], heard)


def test_windows_as_text_have_no_place():
    model = SensorLanguageModel(text_adapter(tiny_llm()), tiny_llm()).eval()
    with pytest.raises(DataError, match="reads windows as text; write their numbers yourself"):
        generate_interleaved(model, ["A ", windows()[0]])


def test_projector_tokens_follow_the_prompts_order_of_modalities():
    llm = tiny_llm()
    spec = windows()[0].signals
    assert len(spec) > 1
    config = ProjectorConfig(
        tokens=len(small_adapter(llm).spec.names), hidden=16, per_modality=True
    )
    adapter = small_adapter(llm)
    from dataclasses import replace as change

    from sensor2llm.adapter.builders import build_projector

    names = adapter.spec.names
    backwards = "".join(f"{name}: {{{{ signals['{name}'] }}}} " for name in reversed(names))
    template = change(
        adapter.template,
        variables={**adapter.template.variables, "signals": "places"},
        forms={"encoded": {"user": "{{ soft }}" + backwards + "Which activity?"}},
    )
    projector = build_projector(config, adapter.encoder, llm.width, llm.embedding_std)
    adapter = small_adapter(llm, template=template, projector=projector, projector_config=config)
    model = SensorLanguageModel(adapter, llm).eval()
    assert model.prompting.order() == tuple(reversed(range(len(names))))
    features = model.features(windows()[:1])
    prompt = model.build.for_batch(features, prefix=False)
    ids = torch.tensor(model.prompting.ids())
    heard = prompt.vectors[0, ids == llm.signal_id]
    torch.testing.assert_close(heard, adapter.signal_vectors(features)[0].flip(0))


def test_its_name_of_before_still_works_and_says_the_new_one():
    with pytest.warns(DeprecationWarning, match="say is now generate_interleaved"):
        from sensor2llm.tasks.interleaved import say
    assert say is generate_interleaved
    with pytest.raises(ImportError, match="cannot import name 'speak'"):
        from sensor2llm.tasks.interleaved import speak  # noqa: F401
