"""What other engines take: embeddings of prompts as vLLM's `prompt_embeds` wants them."""

import base64
import io

import pytest
import torch

from sensor2llm.errors import ConfigError, ModelError
from sensor2llm.llm.config import LowRankConfig, PrefixConfig
from sensor2llm.llm.generation import DecodingSteps
from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.llm.tuning.prefix_tuning import LearnedPrefix
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.serving.prompt_embeddings import chat_requests, prompt_embeds, sampling
from tests.models import small_adapter, small_model, text_adapter, tiny_llm, windows

FAMILIES = ("llama", "qwen3", "gemma", "gpt2")
QUESTION = "How hard did this person move?"


def written_model(family: str) -> SensorLanguageModel:
    """Give a model whose prompts are of different lengths: the numbers stand in them."""
    llm = tiny_llm(family)
    return SensorLanguageModel(text_adapter(llm), llm).eval()


@pytest.mark.parametrize("build", [small_model, written_model])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_prompt_is_a_tensor_of_its_own_length_in_the_llms_type(family, build):
    model, batch = build(family), windows(4)
    found = prompt_embeds(model, batch)
    vectors, mask, _ = model.embed(batch)
    assert len(found) == 4
    assert len({len(rows) for rows in found}) > 1 or build is small_model
    for rows, padded, real in zip(found, vectors, mask.bool(), strict=True):
        assert rows.shape == (int(real.sum()), model.llm.model.config.hidden_size)
        assert rows.dtype == model.llm.model.dtype
        assert rows.device.type == "cpu"
        assert rows.is_contiguous()
        assert not rows.requires_grad
        assert torch.equal(rows, padded[real])


@pytest.mark.parametrize("build", [small_model, written_model])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_base_model_alone_goes_on_as_generate_does(family, build):
    model, batch = build(family), windows(4)
    texts = model.generate(batch, max_new_tokens=1)
    prompts = model.build.for_batch(model.features(batch), prefix=False)
    expected = DecodingSteps(model.llm, prompts).logits()
    for rows, text, known in zip(prompt_embeds(model, batch), texts, expected, strict=True):
        with torch.no_grad():
            logits = model.llm.model(inputs_embeds=rows[None]).logits[0, -1]
        real = known > -torch.inf
        torch.testing.assert_close(logits[real], known[real], rtol=1e-4, atol=1e-4)
        logits[model.llm.suppressed_ids] = -torch.inf
        assert model.llm.tokenizer.decode(logits.argmax(), skip_special_tokens=True).strip() == text


def test_a_question_and_a_conversation_are_embedded_whole():
    model, batch = small_model(), windows(2)
    more = [{"role": "assistant", "content": "walk"}, {"role": "user", "content": QUESTION}]
    for options in ({"question": QUESTION}, {"messages": [*model.prompting.messages(), *more]}):
        vectors, _, _ = model.embed(batch, **options)
        assert torch.equal(torch.stack(prompt_embeds(model, batch, **options)), vectors)
    assert vectors.shape[1] > len(prompt_embeds(model, batch)[0])


def test_a_row_is_stored_without_the_rest_of_its_batch():
    model = small_model()
    rows = prompt_embeds(model, windows(8))[3]
    file = io.BytesIO()
    torch.save(rows, file)
    assert rows.untyped_storage().nbytes() == rows.numel() * rows.element_size()
    assert torch.equal(torch.load(io.BytesIO(file.getvalue()), weights_only=True), rows)


def test_the_engine_stops_where_generate_stops():
    model = small_model("gemma")
    found = sampling(model)
    assert found["temperature"] == 0.0
    assert model.llm.end_of_turn_id in found["stop_token_ids"]
    assert all(isinstance(token, int) for token in found["stop_token_ids"])


def test_what_embeddings_do_not_hold_is_refused():
    llm = tiny_llm()
    learned = small_adapter(llm, prefix=LearnedPrefix.start(PrefixConfig(tokens=2), llm))
    with pytest.raises(ModelError, match="reaches into the LLM's layers"):
        prompt_embeds(SensorLanguageModel(learned, llm), windows(2))
    with pytest.raises(ModelError, match="embeds in 16 numbers and computes in 32; engines take"):
        prompt_embeds(small_model("opt"), windows(2))


def test_lora_goes_along_as_a_folder(caplog):
    llm = tiny_llm()
    changed = small_adapter(llm, lora=LoraWeights.start(LowRankConfig(rank=2), llm))
    found = prompt_embeds(SensorLanguageModel(changed, llm), windows(2))
    assert len(found) == 2
    assert "give the engine its lora/ folder as well" in caplog.text


def as_a_chat_server_does(model: SensorLanguageModel, body: dict) -> torch.Tensor:
    """Give the embeddings of a chat whose user content is embedded: the template around it."""
    (part,) = body["messages"][-1]["content"]
    assert part["type"] == "prompt_embeds"
    rows = torch.load(io.BytesIO(base64.b64decode(part["data"])), weights_only=True)
    llm, mark = model.llm, "QxZ7"
    messages = [*body["messages"][:-1], {"role": "user", "content": mark}]
    options = body["extra_body"]["chat_template_kwargs"]
    text = llm.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, **options
    )
    around = []
    for words in text.split(mark):
        ids = llm.tokenizer(words, add_special_tokens=False).input_ids
        around.append(llm.model.get_input_embeddings()(torch.tensor(ids, dtype=torch.long)))
    return torch.cat([around[0], rows, around[1]]).detach()


@pytest.mark.parametrize("build", [small_model, written_model])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_template_around_the_users_content_is_the_whole_prompt(family, build):
    model, batch = build(family), windows(4)
    bodies, whole = chat_requests(model, batch), prompt_embeds(model, batch)
    parts = prompt_embeds(model, batch, part="user")
    for body, rows, part in zip(bodies, whole, parts, strict=True):
        assert part.dtype == model.llm.model.dtype
        assert part.shape[1] == rows.shape[1]
        assert len(part) < len(rows)
        assert torch.equal(as_a_chat_server_does(model, body), rows)


def test_a_chat_server_answers_as_generate_does():
    model, batch = small_model(), windows(4)
    texts = model.generate(batch, max_new_tokens=6)
    for body, text in zip(chat_requests(model, batch), texts, strict=True):
        output = model.llm.model.generate(
            inputs_embeds=as_a_chat_server_does(model, body)[None],
            max_new_tokens=6,
            do_sample=False,
            eos_token_id=body["extra_body"]["stop_token_ids"],
            pad_token_id=model.llm.pad_id,
            suppress_tokens=model.llm.suppressed_ids,
        )
        assert model.llm.tokenizer.decode(output[0], skip_special_tokens=True).strip() == text
        assert body["temperature"] == 0.0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_system_message_stays_words(family):
    model, batch = small_model(family), windows(2)
    system = {"role": "system", "content": "Be brief."}
    messages = [system, *model.prompting.messages()]
    whole = prompt_embeds(model, batch, messages=messages)
    for body, rows in zip(chat_requests(model, batch, messages=messages), whole, strict=True):
        # A template that has no place for it has it in the user's content.
        roles = [message["role"] for message in body["messages"]]
        assert roles == (["user"] if family in ("llama", "gemma") else ["system", "user"])
        assert torch.equal(as_a_chat_server_does(model, body), rows)


def test_positions_of_the_users_content_are_those_in_the_prompt():
    model, batch = written_model("llama"), windows(4)
    vectors, mask, positions = model.embed(batch, part="user")
    whole, real, _ = model.embed(batch)
    for i in range(4):
        own = mask[i].bool()
        first = int(positions[i][own][0])
        count = int(own.sum())
        assert first > 0
        assert positions[i][own].tolist() == list(range(first, first + count))
        assert torch.equal(vectors[i][own], whole[i][real[i].bool()][first : first + count])


def test_a_conversation_with_another_window_before_is_no_users_content():
    model = small_model()
    turns = [*model.prompting.messages(), {"role": "assistant", "content": "walk"},
             {"role": "user", "content": QUESTION}]  # fmt: skip
    with pytest.raises(ModelError, match="outside of the last user message; give the engine whole"):
        model.embed(windows(1), messages=turns, part="user")
    with pytest.raises(ConfigError, match="unknown part 'system'; choose from all, user"):
        model.embed(windows(1), part="system")


def test_an_engine_whose_template_writes_something_else_is_refused(monkeypatch):
    model = small_model()
    render = model.llm.render
    monkeypatch.setattr(model.llm, "render", lambda messages: "Once more. " + render(messages))
    with pytest.raises(ModelError, match="does not write this prompt by itself"):
        model.embed(windows(1), messages=model.prompting.messages(), part="user")
