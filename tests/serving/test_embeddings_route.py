"""`/v1/prompt_embeds`: the body of another engine's request, as the library makes it."""

import base64
import io

import pytest
import torch

from sensor2llm.signals.tables.data import data_windows
from tests.serving import served
from tests.serving.served import sensor


@pytest.fixture(scope="module")
def server():
    with served.client() as client:
        yield client


def wanted(**fields):
    return {"sensor": sensor(values=served.recording(), number=2), **fields}


def tensor(text: str) -> torch.Tensor:
    return torch.load(io.BytesIO(base64.b64decode(text)), weights_only=True)


@pytest.fixture(scope="module")
def window():
    windows = list(data_windows(served.recording(), served.pipeline().spec).windows)
    return windows[1:2]


def test_the_users_content_comes_as_a_chat_request(server, window):
    from sensor2llm.serving.prompt_embeddings import prompt_embeds

    model = served.pipeline().model
    body = server.post("/v1/prompt_embeds", json=wanted()).json()
    request = body["request"]
    (part,) = request["messages"][-1]["content"]
    assert (body["part"], body["llm"], part["type"]) == ("user", "bundled", "prompt_embeds")
    (rows,) = prompt_embeds(model, window, part="user")
    assert torch.equal(tensor(part["data"]), rows)
    assert rows.dtype == model.llm.dtype
    assert request["temperature"] == 0.0
    assert request["stop_token_ids"]
    assert request["chat_template_kwargs"] == {"enable_thinking": False}


def test_the_base_model_alone_answers_a_chat_request_as_the_adapter_does(server, window):
    model = served.pipeline().model
    llm = model.llm
    request = server.post("/v1/prompt_embeds", json=wanted()).json()["request"]
    rows = tensor(request["messages"][-1]["content"][0]["data"])
    messages = [*request["messages"][:-1], {"role": "user", "content": "QxZ7"}]
    text = llm.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, **request["chat_template_kwargs"]
    )
    ids = [llm.tokenizer(t, add_special_tokens=False).input_ids for t in text.split("QxZ7")]
    before, after = (llm.model.get_input_embeddings()(torch.tensor(i)) for i in ids)
    out = llm.model.generate(
        inputs_embeds=torch.cat([before, rows, after])[None],
        max_new_tokens=8,
        do_sample=False,
        no_repeat_ngram_size=0,
        eos_token_id=request["stop_token_ids"],
        pad_token_id=llm.pad_id,
    )
    answer = llm.tokenizer.decode(out[0], skip_special_tokens=True).strip()
    assert [answer] == model.generate(window, max_new_tokens=8) == ["walking"]


def test_a_whole_prompt_comes_as_a_completions_request(server, window):
    from sensor2llm.serving.prompt_embeddings import prompt_embeds

    body = server.post("/v1/prompt_embeds", json=wanted(part="all")).json()
    (rows,) = prompt_embeds(served.pipeline().model, window)
    assert torch.equal(tensor(body["request"]["prompt_embeds"]), rows)
    assert "messages" not in body["request"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"part": "system"}, 400, "part: Input should be 'all' or 'user'"),
        ({"sensor": {"type": "sensor"}}, 400, "needs one of values, data and file_id"),
        ({"question": "<|soft|>"}, 400, "the question holds <|soft|>"),
        ({"wrong": 1}, 400, "wrong: Extra inputs are not permitted"),
        ({"model": "gpt"}, 404, "there is no model 'gpt'"),
    ],
)
def test_what_cannot_be_is_refused(server, fields, status, words):
    response = server.post("/v1/prompt_embeds", json=wanted(**fields))
    assert response.status_code == status
    assert words in response.json()["error"]["message"]
