"""OpenAI's chat with sensor parts: the answers are those of `model.ask`."""

import asyncio
import logging

import pytest

from sensor2llm.serving.notes import noted
from tests.serving import served
from tests.serving.served import ask, sensor

QUESTIONS = (
    "What is the person doing?",
    "isn't he sitting?",
    "is he walking or standing?",
    "how fast are the steps?",
    "why?",
    "how old is he?",
    "What is the capital of France?",
    "is he walking, and what is the capital of France?",
)


@pytest.fixture(scope="module")
def server():
    with served.client() as client:
        yield client


def parts(number: int = 1):
    return sensor(values=served.recording(), number=number)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("number", [1, 8])
def test_the_answer_is_that_of_ask(server, question, number):
    reference = served.pipeline().ask(served.recording(), question, number=number)
    body = ask(server, question, parts(number)).json()
    details = body["sensor2llm"]
    assert body["choices"][0]["message"]["content"] == reference.said
    assert details["text"] == reference.text
    assert (details["kind"], details["source"]) == (reference.kind, reference.source)
    assert details["probability"] == pytest.approx(reference.probability, abs=1e-4)
    assert details["probabilities"] == pytest.approx(dict(reference.probabilities), abs=1e-4)
    assert details["measured"] == (reference.measured or None)


def test_two_windows_are_compared(server):
    question = "did the activity change?"
    reference = served.pipeline().ask(served.recording(), question, number=(1, 8))
    body = ask(server, question, parts(1), parts(8)).json()
    assert body["choices"][0]["message"]["content"] == reference.text
    labels = [window["label"] for window in body["sensor2llm"]["windows"]]
    assert labels == ["walking", "lying"]
    assert body["sensor2llm"]["windows"][1]["start_s"] == pytest.approx(7 * 2.56)


def test_a_window_of_an_earlier_message_is_still_heard(server):
    first = {"role": "user", "content": [parts(8), {"type": "text", "text": "Which activity?"}]}
    messages = [first, {"role": "assistant", "content": "lying (1.00)."}]
    messages.append({"role": "user", "content": "Is he walking?"})
    body = server.post("/v1/chat/completions", json={"messages": messages}).json()
    assert body["choices"][0]["message"]["content"].startswith("No: lying")


def test_the_plain_model_remembers_what_it_said_and_nothing_else(server):
    from sensor2llm.tasks.dialogue.dialogue import Dialogue

    questions = ("What is the capital of France?", "How do you translate that?")
    dialogue = Dialogue(served.pipeline().model)
    reference = [dialogue.ask(question).said for question in questions]
    messages = [{"role": "user", "content": questions[0]},
                {"role": "assistant", "content": reference[0]},
                {"role": "user", "content": questions[1]}]  # fmt: skip
    body = server.post("/v1/chat/completions", json={"messages": messages}).json()
    assert body["choices"][0]["message"]["content"] == reference[1]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_stream_says_the_same_in_pieces(server, question):
    whole = ask(server, question, parts()).json()
    response = ask(server, question, parts(), stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    chunks = served.events(response)
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-2]["sensor2llm"] == whole["sensor2llm"]
    assert chunks[-1]["usage"] == whole["usage"]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_a_long_answer_is_cut_and_says_so(server):
    question = "Tell me a joke about sensors and people."
    reference = served.pipeline().ask(served.recording(), question, max_new_tokens=3)
    body = ask(server, question, parts(), max_tokens=3).json()
    assert body["choices"][0]["message"]["content"] == reference.said
    assert body["choices"][0]["finish_reason"] == "length"


def test_what_is_not_used_is_named(server):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}]
    body = {"messages": messages, "top_p": 0.5, "user": "me", "stop": None}
    notes = server.post("/v1/chat/completions", json=body).json()["sensor2llm"]["notes"]
    assert notes == ["not used: top_p", "system messages are not used: the adapter has its own"]


def test_usage_counts_positions_of_windows_and_tokens(server):
    model = served.pipeline().model
    body = ask(server, "What is the person doing?", parts(), parts(8)).json()
    wanted = len(model.llm.encode("What is the person doing?")) + 2 * model.tokens_per_window
    written = len(model.llm.encode("lying (1.00)."))
    assert body["usage"] == {"prompt_tokens": wanted, "completion_tokens": written,
                             "total_tokens": wanted + written}  # fmt: skip


def test_the_models_say_what_they_hear(server):
    (model,) = server.get("/v1/models").json()["data"]
    assert (model["id"], model["object"]) == (served.ADAPTER, "model")
    assert model == server.get(f"/v1/models/{served.ADAPTER}").json()
    about = model["sensor2llm"]
    assert about["labels"] == list(served.pipeline().labels)
    assert [sensor["name"] for sensor in about["sensors"]] == ["body_acc", "body_gyro", "total_acc"]
    assert about["sensors"][0]["units"] == ["g", "g", "g"]
    assert about["measured"].startswith("measured on unseen people, right: labels")


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([{"role": "user", "content": ""}], "no_question", "asks nothing"),
        ([{"role": "user", "content": [sensor(values={})]}], "no_question", "asks nothing"),
        ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
         "no_question", "end in a user message"),
        ([{"role": "system", "content": [sensor(file_id="x")]}, {"role": "user", "content": "Hi"}],
         "misplaced_sensor", "message 1 is of role system"),
        ([{"role": "user", "content": "x" * 20_000}], "text_too_long", "20000 characters"),
        ([{"role": "user", "content": "what is <|signal|>?"}], "config_error", "stands for"),
        ([{"role": "tool", "content": "Hi"}], "invalid_value", "messages.0.role"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "invalid_value",
         "expected tags: 'text', 'sensor'"),
        ([], "invalid_value", "messages: List should have at least 1 item"),
    ],
)  # fmt: skip
def test_a_conversation_that_cannot_be_is_refused(server, messages, code, words):
    response = server.post("/v1/chat/completions", json={"messages": messages})
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["code"], error["type"]) == (code, "invalid_request_error")
    assert words in error["message"]


def test_tokens_and_windows_are_limited():
    with served.client(new_tokens=8, windows=1) as small:
        error = ask(small, "Hello!", max_tokens=9).json()["error"]
        assert error["message"] == "max_tokens must be at most 8, got 9"
        assert (error["code"], error["param"]) == ("too_many_tokens", "max_tokens")
        error = ask(small, "Hello!", parts(), parts()).json()["error"]
        assert error["message"] == "the conversation has 2 recordings, 1 may be heard"
        assert ask(small, "Hello!", parts(), max_completion_tokens=8).status_code == 200


def test_a_model_that_is_not_served_is_not_found(server):
    response = ask(server, "Hello!", model="gpt")
    assert response.status_code == 404
    assert response.json()["error"] == {
        "message": f"there is no model 'gpt'; choose from {served.ADAPTER}",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


def test_requests_at_the_same_time_are_answered_each_for_itself(server):
    numbers = [1, 8] * 6

    async def all_at_once():
        tasks = [asyncio.to_thread(ask, server, "What is it?", parts(n)) for n in numbers]
        return await asyncio.gather(*tasks)

    bodies = [response.json() for response in asyncio.run(all_at_once())]
    answers = [body["sensor2llm"]["windows"][0]["label"] for body in bodies]
    assert answers == ["walking", "lying"] * 6
    assert len({body["id"] for body in bodies}) == 12


def test_reading_notes_leaves_the_librarys_log_as_it_was():
    library = logging.getLogger("sensor2llm")
    before = library.level, list(library.handlers)
    with noted() as outer, noted() as notes:
        library.info("one line")
    assert (outer, notes) == ([], ["one line"])
    assert (library.level, list(library.handlers)) == before
