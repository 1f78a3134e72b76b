"""A conversation about windows in which every answer says where it comes from.

    dialogue = Dialogue(model)
    dialogue.attach(window)
    for piece in dialogue.stream("isn't he sitting?"): ...
    dialogue.turns[-1].answer.source               'scores'

What goes beyond the windows is asked of the plain LLM, without anything the adapter learned, and is
marked as such; it remembers what it was asked before, and knows nothing of the windows.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from sensor2llm.llm.chat import check_plain
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.views.conversion import convert_windows
from sensor2llm.signals.window import Window
from sensor2llm.tasks.conversation import Conversation
from sensor2llm.tasks.dialogue.answer import NOT_FROM_WINDOW, Answer, join_answers
from sensor2llm.tasks.dialogue.answerer import Answerer
from sensor2llm.tasks.dialogue.heard_window import HeardWindow
from sensor2llm.tasks.dialogue.transcript import Transcript, Turn


class Dialogue(Transcript):
    """Talk about windows: labels are scored, facts generated, the rest is the plain LLM's.

    Args:
        model: adapter and LLM.
        max_new_tokens: where an answer of the plain LLM is cut off.
        temperature: of the plain LLM: 0 takes the likeliest token each time.
        seed: of the drawing.
        answerer: of this model, where there is one already.
    """

    def __init__(
        self,
        model: SensorLanguageModel,
        *,
        max_new_tokens: int = 96,
        temperature: float = 0.0,
        seed: int = 0,
        answerer: Answerer | None = None,
    ) -> None:
        self.model, self.answerer = model, answerer or Answerer(model)
        self.heard: list[HeardWindow] = []
        self.turns: list[Turn] = []
        self._options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "seed": seed}
        self._options["temperature"] = temperature

    @cached_property
    def _plain(self) -> Conversation:
        """Give the plain LLM's side, which most conversations about windows never need."""
        return Conversation(self.model, **self._options, plain=True)

    def needs_llm(self, question: str) -> bool:
        """Say whether a language model has a part in the answer, so that it takes a while."""
        kinds = {intent.kind for intent in self.answerer.route(question, self.heard)}
        return not kinds <= {"label", "yes_no", "unanswerable"}

    def attach(
        self, window: Window, name: str = "window", *, spec: SignalSpec | None = None
    ) -> HeardWindow:
        """Let the model hear a window; questions are then about it, comparisons about the last two.

        Args:
            window: what is heard.
            name: what it is called.
            spec: what it was measured in; the adapter's where None.

        Raises:
            SpecError: the window does not fit the adapter, and cannot be made to.
        """
        if spec is not None:
            (window,) = convert_windows([window], spec, self.model.adapter.spec, name)
        heard = self.answerer.hear(window)
        self.add(heard, name)
        return heard

    def add(self, heard: HeardWindow, name: str = "window") -> None:
        """Take a window that the answerer has heard already, as `attach` takes one."""
        self.heard.append(heard)
        self.turns.append(
            Turn("window", name, heard.label, heard.prediction, None, heard.label_set, heard.unlike)
        )

    def recall(self, question: str, answer: str) -> None:
        """Take a question of before with its answer: the plain LLM remembers its own.

        Raises:
            ConfigError: one holds a placeholder's text, or what is no character.
        """
        check_plain(question, "the question")
        intents = self.answerer.route(question, self.heard)
        beyond = [intent.text for intent in intents if intent.kind == "beyond"]
        for text, words in zip(beyond, answer.split(NOT_FROM_WINDOW)[1:], strict=False):
            self._plain.recall(text, words.strip())

    def ask(self, question: str) -> Answer:
        """Answer a question."""
        for _ in self.stream(question):
            pass
        answer = self.turns[-1].answer
        assert answer is not None
        return answer

    def stream(self, question: str) -> Iterator[str]:
        """Answer a question piece by piece; the turn is kept once the answer is whole.

        Raises:
            ConfigError: the question holds a placeholder's text, or what is no character.
        """
        check_plain(question, "the question")
        answers: list[Answer] = []
        for intent in self.answerer.route(question, self.heard):
            if answers:
                yield " "
            if intent.kind == "beyond":
                yield NOT_FROM_WINDOW
                pieces = []
                for piece in self._plain.stream(intent.text):
                    pieces.append(piece)
                    yield piece
                answers.append(Answer("".join(pieces), kind="beyond", source="llm"))
            else:
                answers.append(self.answerer.answer_part(intent, self.heard))
                yield answers[-1].text
        answer = join_answers(answers)
        self.turns.append(Turn("question", question, answer.said, answer=answer))
