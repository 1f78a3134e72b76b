"""Answer a chat request as `chat` does: windows are heard, the last question is answered."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from sensor2llm.serving.http.api_error import ApiError, as_api_error
from sensor2llm.serving.http.host import ModelHost
from sensor2llm.serving.http.messages import ChatRequest, ParsedChat, PastQuestion, parse_chat
from sensor2llm.serving.http.sensor_part import (
    RecordingWindows,
    SensorPart,
    read_part,
    read_ready,
)
from sensor2llm.tasks.dialogue.answer import Answer
from sensor2llm.tasks.dialogue.dialogue import Dialogue
from sensor2llm.tasks.dialogue.heard_window import HeardWindow

USUAL_TOKENS = 96
"""Tokens of an answer where a request does not say; as in `chat`."""
SHORT = 512
"""Characters of a question up to which others do not notice while it is read."""
FEW = 4
"""Windows of which others do not notice while it is said what of them is unlike training."""


class ChatAnswer:
    """Answer one request, at once or piece by piece.

    Args:
        host: of the adapter that is asked.
        request: what is asked.
        most_tokens: that an answer may have.
        most_windows: that may be attached.
    """

    def __init__(
        self, host: ModelHost, request: ChatRequest, most_tokens: int, most_windows: int
    ) -> None:
        self.host, self.request, self._most_windows = host, request, most_windows
        self._tokens = request.tokens(USUAL_TOKENS, most_tokens)
        self.id, self.created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
        self._parts: list[RecordingWindows] = []
        self._dialogue: Dialogue | None = None
        self.usage: dict[str, int] = {}

    async def pieces(self) -> AsyncIterator[str]:
        """Hear what is attached, and give the answer as it comes.

        Raises:
            ApiError, UserError: something of the request cannot be.
        """
        parsed = parse_chat(self.request.messages)
        dialogue = self._dialogue = await self._begin(parsed)
        pieces = self._answer(dialogue, parsed.question)
        if len(parsed.question) <= SHORT and not dialogue.needs_llm(parsed.question):
            # What was scored with the window has no need to wait for the next batch.
            yield "".join(pieces)
        else:
            async for some in self.host.queue.stream(pieces):
                if some:
                    yield "".join(some)
        self.host.count_tokens(self.usage["completion_tokens"])

    def _answer(self, dialogue: Dialogue, question: str) -> Iterator[str]:
        """Answer, then count: the question's tokens with its windows' positions, the answer's."""
        yield from dialogue.stream(question)
        served, windows = self.host.served, len(dialogue.heard)
        prompt_tokens = served.count_tokens(question) + windows * served.tokens_per_window
        completion_tokens = served.count_tokens(self.answer.text)
        self.usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
                      "total_tokens": prompt_tokens + completion_tokens}  # fmt: skip

    async def _begin(self, parsed: ParsedChat) -> Dialogue:
        """Hear the windows of a conversation, and take its questions of before."""
        parts = [step for step in parsed.steps if isinstance(step, SensorPart)]
        if len(parts) > self._most_windows:
            raise ApiError(
                f"the conversation has {len(parts)} recordings, {self._most_windows} may be heard",
                code="too_many_windows",
                param="messages",
            )
        spec, shelf = self.host.served.spec, self.host.shelf
        for part in parts:
            read = read_ready(part, spec)
            if read is None:
                read = await asyncio.to_thread(read_part, part, spec, shelf, self._most_windows)
            self._parts.append(read)
        windows = [window for read in self._parts for window in read.windows]
        heard = await self.host.queue.hear(windows)
        if len(parsed.steps) == len(parts) <= FEW:
            return self._remember(parsed, heard)
        # What every question of before wanted is found out once more: that takes a while, too.
        return await asyncio.to_thread(self._remember, parsed, heard)

    def _remember(self, parsed: ParsedChat, heard: Sequence[HeardWindow]) -> Dialogue:
        """Give the conversation as it stands before the last question."""
        dialogue = Dialogue(
            self.host.served.model,
            max_new_tokens=self._tokens,
            temperature=self.request.temperature or 0.0,
            seed=self.request.seed or 0,
            answerer=self.host.served.answerer,
        )
        windows = zip(heard, (read.name for read in self._parts), strict=True)
        for step in parsed.steps:
            if isinstance(step, PastQuestion):
                dialogue.recall(step.question, step.answer)
            else:
                dialogue.add(*next(windows))
        return dialogue

    @property
    def answer(self) -> Answer:
        """Give what was answered, once it was."""
        assert self._dialogue is not None
        answer = self._dialogue.turns[-1].answer
        assert answer is not None
        return answer

    def details(self) -> dict[str, Any]:
        """Say how sure the answer is and where it comes from; OpenAI has no fields for that."""
        assert self._dialogue is not None
        answer, plain = self.answer, self.answer.to_dict()
        plain["text"] = plain.pop("answer")
        plain |= {"probabilities": dict(answer.probabilities), "measured": answer.measured or None}
        heard = zip(self._dialogue.heard, self._parts, strict=True)
        plain["windows"] = [{"name": read.name, **_of_window(one)} for one, read in heard]
        notes = [note for read in self._parts for note in read.notes]
        plain["notes"] = [*self.request.unused(), *dict.fromkeys(notes)]
        return plain

    def body(self, text: str) -> dict[str, Any]:
        """Write the whole answer as OpenAI does."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._reason()}
        more = {"usage": self.usage, "sensor2llm": self.details()}
        return self._object("chat.completion", choice, **more)

    def _reason(self) -> str:
        """Say why the answer ends: it is whole, or as long as was wanted."""
        cut = self.answer.generated and self.usage["completion_tokens"] >= self._tokens
        return "length" if cut else "stop"

    def _object(self, kind: str, *choices: dict[str, Any], **more: Any) -> dict[str, Any]:
        fields = {"id": self.id, "object": kind, "created": self.created}
        return {**fields, "model": self.host.served.name, "choices": list(choices), **more}

    async def events(self, first: str, rest: AsyncIterator[str]) -> AsyncIterator[bytes]:
        """Write the answer's pieces as server-sent events; an error on the way is one, too."""
        yield self._chunk({"role": "assistant", "content": first})
        try:
            async for piece in rest:
                yield self._chunk({"content": piece})
            yield self._chunk({}, self._reason(), sensor2llm=self.details())
            if self.request.stream_options and self.request.stream_options.include_usage:
                yield _event(self._object("chat.completion.chunk", usage=self.usage))
        except Exception as error:
            yield _event(as_api_error(error).to_dict())
        yield b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, str], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _event(self._object("chat.completion.chunk", choice, **more))


def _of_window(heard: HeardWindow) -> dict[str, Any]:
    """Say what the adapter makes of a window, and what of it is unlike its training."""
    prediction, start_s = heard.prediction, heard.window.start_s
    if prediction is None:
        return {"start_s": start_s}
    return {
        "start_s": start_s,
        "label": heard.label,
        "probability": prediction.probabilities[prediction.label],
        "probabilities": prediction.probabilities,
        "label_set": list(heard.label_set) or None,
        "unlike": heard.unlike or None,
    }


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, allow_nan=False)}\n\n".encode()
