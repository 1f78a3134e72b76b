"""One question about one window, or two, answered by the way that is right for it.

answer = answer_question(model, window, "Isn't he sitting?")
answer.text, answer.probability, answer.source        ('No: walking (0.93).', 0.99, 'scores')

What is scored, generated, measured or refused stands in `sensor2llm.tasks.dialogue.answerer`.
"""

import logging
from collections.abc import Sequence

from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.window import Window
from sensor2llm.tasks.dialogue.answer import Answer as Answer
from sensor2llm.tasks.dialogue.dialogue import Dialogue

logger = logging.getLogger(__name__)


def answer_question(
    model: SensorLanguageModel,
    window: Window | Sequence[Window],
    question: str,
    *,
    max_new_tokens: int = 96,
) -> Answer:
    """Ask about a window in plain words.

    Args:
        model: adapter and LLM.
        window: of the adapter's spec; its own label is not looked at. Of several, comparisons are
            of the last two, other questions about the last one.
        question: in plain words.
        max_new_tokens: where an answer that goes beyond the window is cut off.

    Raises:
        SpecError: the window does not fit the adapter's spec.
        ConfigError: the question holds a placeholder's text, or what is no character.
        ModelError: the LLM has no room for the question.
    """
    dialogue = Dialogue(model, max_new_tokens=max_new_tokens)
    for one in [window] if isinstance(window, Window) else window:
        if unlike := dialogue.attach(one).unlike:
            logger.warning("%s", unlike)
    return dialogue.ask(question)
