"""What a chat request says, and the conversation that it is to the adapter."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sensor2llm.llm.chat import check_plain
from sensor2llm.serving.http.api_error import ApiError
from sensor2llm.serving.http.sensor_part import SensorPart

UNUSED_ROLES = ("system", "developer")
MOST_MESSAGES, MOST_CHARACTERS = 512, 16_384
"""Of one request, and of the words of one message."""
NEUTRAL = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}
"""Fields of OpenAI's that say nothing about the answer."""


class TextPart(BaseModel):
    """Hold a content part of words."""

    type: Literal["text"]
    text: str


ContentPart = Annotated[TextPart | SensorPart, Field(discriminator="type")]


class ChatMessage(BaseModel):
    """Hold one message: of the system, of the person who asks, or an answer of before."""

    role: Literal["system", "developer", "user", "assistant"]
    content: list[ContentPart]

    @field_validator("content", mode="before")
    @classmethod
    def _as_parts(cls, content: Any) -> Any:
        """Take plain words for a part of words."""
        return [{"type": "text", "text": content}] if isinstance(content, str) else content

    @property
    def text(self) -> str:
        """Give its words, parts on lines of their own."""
        parts = [part.text for part in self.content if isinstance(part, TextPart)]
        return "\n".join(parts).strip()

    @property
    def sensors(self) -> list[SensorPart]:
        """Give its recordings."""
        return [part for part in self.content if isinstance(part, SensorPart)]


class StreamOptions(BaseModel):
    """Say what a stream has beside the answer."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """Hold OpenAI's chat request, with sensor parts; what is not used is named in the answer."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None

    def tokens(self, usual: int, most: int) -> int:
        """Give the longest answer that is wanted, in tokens.

        Raises:
            ApiError: it is longer than the server allows.
        """
        wanted = self.max_completion_tokens or self.max_tokens or min(usual, most)
        if wanted > most:
            raise ApiError(
                f"max_tokens must be at most {most}, got {wanted}",
                code="too_many_tokens",
                param="max_tokens",
            )
        return wanted

    def unused(self) -> list[str]:
        """Say what of the request has no part in the answer."""
        extra: dict[str, Any] = self.model_extra or {}
        fields = [
            name for name, value in extra.items() if name not in NEUTRAL and value is not None
        ]
        lines = [f"not used: {', '.join(fields)}"] if fields else []
        if any(message.role in UNUSED_ROLES for message in self.messages):
            lines.append("system messages are not used: the adapter has its own")
        return lines


class PastQuestion(NamedTuple):
    """Hold a question of before, and what was answered to it."""

    question: str
    answer: str


class ParsedChat(NamedTuple):
    """Hold the steps of a conversation in order, and the question that is to be answered."""

    steps: list[SensorPart | PastQuestion]
    question: str


def parse_chat(messages: list[ChatMessage]) -> ParsedChat:
    """Put a conversation in order.

    Raises:
        ApiError: the last message is no question, or recordings stand where nobody hears them.
        ConfigError: a text holds a placeholder's text, or what is no character.
    """
    steps: list[SensorPart | PastQuestion] = []
    question = ""
    for number, message in enumerate(messages):
        _check_text(message, number)
        if message.role == "user":
            steps += message.sensors
            question = message.text or question
        elif message.sensors:
            raise ApiError(
                f"message {number + 1} is of role {message.role}; recordings go into user messages",
                code="misplaced_sensor",
                param=f"messages.{number}.content",
            )
        elif message.role == "assistant" and question:
            steps.append(PastQuestion(question, message.text))
            question = ""
    if messages[-1].role != "user" or not question:
        raise ApiError(
            "the last message asks nothing; end in a user message with a text part",
            code="no_question",
            param="messages",
        )
    return ParsedChat(steps, question)


def _check_text(message: ChatMessage, number: int) -> None:
    text, what = message.text, f"message {number + 1}"
    if len(text) > MOST_CHARACTERS:
        raise ApiError(
            f"{what} has {len(text)} characters, {MOST_CHARACTERS} may be asked; send recordings "
            "as sensor parts",
            code="text_too_long",
            param=f"messages.{number}.content",
        )
    # What a language model said before may end in half a letter.
    check_plain(text.replace("\ufffd", "") if message.role == "assistant" else text, what)
