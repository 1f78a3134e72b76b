"""A server on the loopback, and OpenAI's own client: the sensor part passes through unchanged."""

import time

import openai
import pytest

from tests.serving import served
from tests.serving.served import sensor

QUESTION = "What is the person doing?"


@pytest.fixture(scope="module")
def address():
    with served.running(queue=4) as address:
        yield f"{address}/v1"


@pytest.fixture(scope="module")
def client(address):
    with openai.OpenAI(base_url=address, api_key="none-is-asked-for", max_retries=0) as client:
        yield client


def messages(question=QUESTION, **fields):
    fields = fields or {"values": served.recording()}
    return [{"role": "user", "content": [{"type": "text", "text": question}, sensor(**fields)]}]


def test_the_answer_is_that_of_ask(client):
    reference = served.pipeline().ask(served.recording(), QUESTION)
    result = client.chat.completions.create(model=served.ADAPTER, messages=messages())
    assert result.choices[0].message.content == reference.text
    assert result.choices[0].finish_reason == "stop"
    details = result.sensor2llm
    assert details["probability"] == pytest.approx(reference.probability, abs=1e-4)
    (window,) = details["windows"]
    assert window["label_set"][0] == window["label"]
    assert set(window) >= {"unlike", "probabilities", "start_s"}
    assert result.usage.total_tokens == result.usage.prompt_tokens + result.usage.completion_tokens


@pytest.mark.parametrize("question", [QUESTION, "What is the capital of France?"])
def test_a_stream_is_the_answer_in_pieces(client, question):
    reference = served.pipeline().ask(served.recording(), question)
    stream = client.chat.completions.create(
        model=served.ADAPTER, messages=messages(question), stream=True
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == reference.said
    assert chunks[-1].sensor2llm["kind"] == reference.kind


def test_a_file_is_uploaded_and_asked_about(client):
    file = client.files.create(file=("walk.csv", served.csv_bytes()), purpose="user_data")
    assert file.id in [one.id for one in client.files.list()]
    wanted = messages(file_id=file.id, number=8)
    result = client.chat.completions.create(model=served.ADAPTER, messages=wanted)
    reference = served.pipeline().ask(served.recording(), QUESTION, number=8)
    assert result.choices[0].message.content == reference.text
    assert client.files.content(file.id).read() == served.csv_bytes()
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError, match="there is no file"):
        client.chat.completions.create(model=served.ADAPTER, messages=wanted)


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == [served.ADAPTER]
    assert client.models.retrieve(served.ADAPTER).owned_by == "sensor2llm"


def test_errors_are_the_clients_own(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(
            model=served.ADAPTER, messages=messages(values={"a": [1.0]}, rate_hz=50)
        )
    assert error.value.code == "data_error"
    assert "the table has the columns a" in error.value.message
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="gpt", messages=messages())
    assert error.value.param == "model"


def test_who_leaves_a_stream_holds_nobody_up(client):
    question = "Tell me a joke about sensors and people."
    wanted = {"model": served.ADAPTER, "messages": messages(question), "max_tokens": 200}
    for _ in range(8):  # more than may wait at a time
        stream = client.chat.completions.create(**wanted, stream=True)
        next(iter(stream))
        stream.close()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            client.chat.completions.create(model=served.ADAPTER, messages=messages())
            break
        except openai.InternalServerError:  # 503: those who left have not been noticed yet
            time.sleep(0.1)
    else:
        pytest.fail("streams that nobody reads still hold the queue")
