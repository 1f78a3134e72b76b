"""A conversation about windows: the LLM keeps hearing them while it is asked in plain words.

    conversation = Conversation(model)
    conversation.attach(window).label
    conversation.ask("How sure are you, and why?")
    conversation.save("conversation.md")

Every attached window keeps its signal tokens at its own place in the conversation: a follow-up
question is answered with all of them in view.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.errors import ConfigError, ModelError
from sensor2llm.llm.chat import Message, check_plain
from sensor2llm.llm.forward import Prompt, assemble, prompt_rows
from sensor2llm.llm.scoring import score_answers
from sensor2llm.llm.streaming import stream_text
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.views.conversion import convert_windows
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import Prediction, classify
from sensor2llm.tasks.dialogue.transcript import Transcript, Turn

logger = logging.getLogger(__name__)
LONGEST_TOKEN = 32
"""Characters a token: more of a question than so many a position cannot fit and is not encoded."""


@dataclass(frozen=True)
class _Exchange:
    """What one turn is to the LLM: messages, and the windows that they hold."""

    messages: tuple[Message, ...]
    heard: tuple[FeatureBatch, ...] = ()


class Conversation(Transcript):
    """Talk with a model about windows.

    Args:
        model: adapter and LLM.
        max_new_tokens: where an answer is cut off.
        temperature: 0 takes the likeliest token each time; above, tokens are drawn.
        seed: of the drawing.
        plain: let the LLM alone answer, without what the adapter learned; no window can be heard.

    Example:
        conversation = Conversation(model)
        conversation.attach(window)
        print(conversation.ask("Which activity is it?"))
    """

    def __init__(
        self,
        model: SensorLanguageModel,
        *,
        max_new_tokens: int = 96,
        temperature: float = 0.0,
        seed: int = 0,
        plain: bool = False,
    ) -> None:
        if max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens must be positive, got {max_new_tokens}")
        self.model, self.max_new_tokens = model.eval(), max_new_tokens
        self.temperature, self._seed, self.plain = temperature, seed, plain
        self.turns: list[Turn] = []
        self._exchanges: list[_Exchange] = []

    @torch.no_grad()
    def attach(
        self, window: Window, name: str = "window", *, spec: SignalSpec | None = None
    ) -> Prediction:
        """Let the model hear a window, and return its label with probabilities.

        Args:
            window: what is heard.
            name: what the window is called.
            spec: what it was measured in, as for `classify`; the adapter's where None.

        Raises:
            SpecError: the window does not fit the adapter, and cannot be made to.
        """
        if spec is not None:
            (window,) = convert_windows([window], spec, self.model.adapter.spec, name)
        (prediction,) = classify(self.model, [window])
        features = self.model.features([replace(window, label=None)])
        text = None if features.texts is None else features.texts[0]
        adapter, prompting = self.model.adapter, self.model.prompting
        values = None if features.template_values is None else features.template_values[0]
        prompt = prompting.messages(signal=text, template_values=values)
        if self._exchanges:
            # A system message stands at the beginning of a conversation only.
            prompt = [message for message in prompt if message["role"] != "system"]
        answer = prompting.answer_texts[adapter.label_names.index(prediction.label)]
        messages = (*prompt, {"role": "assistant", "content": answer})
        self._exchanges.append(_Exchange(messages, (features,)))
        self.turns.append(Turn("window", name, answer, prediction))
        return prediction

    def ask(self, question: str) -> str:
        """Ask in plain words and return the LLM's own answer."""
        return "".join(self.stream(question))

    def stream(self, question: str) -> Iterator[str]:
        """Ask in plain words and yield the LLM's answer piece by piece.

        The turn is kept once the answer is whole. Where the conversation grows longer than the
        LLM's context, the oldest questions are forgotten, then the end of this one is cut off;
        both are said. Windows are kept.

        Raises:
            ModelError: the windows alone are longer than the LLM's context.
            ConfigError: the question holds a placeholder's text, or what is no character.
        """
        check_plain(question, "the question")
        ids, question = self._fitting_ids(question)
        user_message: Message = {"role": "user", "content": question}
        heard = [window for exchange in self._exchanges for window in exchange.heard]
        with torch.no_grad():
            prompt = self._prompt(ids, heard)
        pieces: list[str] = []
        for piece in without_outer_blanks(
            stream_text(
                self.model.llm,
                prompt,
                max_new_tokens=self.max_new_tokens,
                temperature=self.temperature,
                seed=self._seed + len(self.turns),
            )
        ):
            pieces.append(piece)
            yield piece
        text = "".join(pieces)
        answer: Message = {"role": "assistant", "content": text}
        self._exchanges.append(_Exchange((user_message, answer)))
        self.turns.append(Turn("question", question, text))

    def recall(self, question: str, answer: str) -> None:
        """Take a question and what was answered to it before, as if it had been asked here.

        Raises:
            ConfigError: one holds a placeholder's text, or what is no character.
        """
        check_plain(question, "the question")
        check_plain(answer.replace("\ufffd", ""), "the answer")  # a token may be half a letter
        before: Message = {"role": "user", "content": question}
        self._exchanges.append(_Exchange((before, {"role": "assistant", "content": answer})))

    @torch.no_grad()
    def score(self, question: str, answers: Sequence[str]) -> dict[str, float]:
        """Give the probability of each of some answers, against each other; it is no turn.

        Raises:
            ModelError, ConfigError: as `stream` does.
        """
        check_plain(question, "the question")
        ids, question = self._fitting_ids(question)
        windows = [window for exchange in self._exchanges for window in exchange.heard]
        prompt = self.model.build.for_token_ids(ids, windows)
        return score_answers(self.model.llm, prompt, self._text(question), answers)

    def _prompt(self, ids: Sequence[int], heard: Sequence[FeatureBatch]) -> Prompt:
        if not self.plain:
            return self.model.build.for_token_ids(ids, heard)
        llm = self.model.llm
        return assemble(llm, prompt_rows(llm, [ids]), None, None, batch=1)

    def _fitting_ids(self, question: str) -> tuple[list[int], str]:
        """Give the conversation's token ids and the question, both as long as the context holds."""
        llm, room = self.model.llm, self.model.llm.context
        if room is None:
            return self._ids(question), question
        whole, question = question, question[: room * LONGEST_TOKEN]
        while (excess := len(ids := self._ids(question)) + self.max_new_tokens - room) > 0:
            oldest = next((e for e in self._exchanges if not e.heard), None)
            if oldest is not None:
                self._exchanges.remove(oldest)
                logger.info("the oldest question is forgotten: the LLM holds %d positions", room)
                continue
            tokens = len(llm.encode(question))
            if tokens <= excess:
                raise ModelError(
                    f"the windows and an answer of {self.max_new_tokens} tokens leave no room for "
                    f"a question in the LLM's {room} positions; attach fewer windows"
                )
            question = question[: len(question) * (tokens - excess) // tokens]
        if question != whole:
            logger.info(
                "the question is cut to its first %d of %d characters: the LLM holds %d positions",
                len(question), len(whole), room,
            )  # fmt: skip
        return ids, question

    def _ids(self, question: str) -> list[int]:
        return self.model.llm.encode(self._text(question))

    def _text(self, question: str) -> str:
        messages = [message for exchange in self._exchanges for message in exchange.messages]
        user_message: Message = {"role": "user", "content": question}
        return self.model.llm.render([*messages, user_message])


def without_outer_blanks(pieces: Iterable[str]) -> Iterator[str]:
    """Yield a text's pieces without the blanks before its first and after its last word."""
    blanks, begun = "", False
    for piece in pieces:
        text = blanks + piece if begun else piece.lstrip()
        words = text.rstrip()
        if words:
            yield words
        blanks, begun = text[len(words) :], begun or bool(words)
