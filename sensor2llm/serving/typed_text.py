"""`classify --text`: a sentence with numbers in it, answered beside the LLM's own reading."""

import json

from sensor2llm.errors import DataError
from sensor2llm.tasks.loading import load_model
from sensor2llm.tasks.typed.adapter_choice import choose_adapter
from sensor2llm.tasks.typed.typed_answer import answer_typed
from sensor2llm.tasks.typed.typed_numbers import LEAST_PAIRS, LEAST_SERIES, read_numbers


def answer_text(
    text: str, adapter: str | None = None, llm: str | None = None, *, as_json: bool = False
) -> str:
    """Answer a sentence with sensor values in it.

    Args:
        text: as typed.
        adapter: folder, released name or hub name; None takes the released one that hears it.
        llm: another place of the adapter's LLM.
        as_json: give one JSON object.

    Raises:
        DataError: the sentence holds too few numbers, or no adapter hears them.
    """
    typed = read_numbers(text)
    if typed is None:
        raise DataError(
            f"the text holds no recording: type {LEAST_SERIES} numbers or more one after the "
            f"other, or {LEAST_PAIRS} named values"
        )
    name = adapter or choose_adapter(typed)
    answer = answer_typed(load_model(name, llm), typed)
    if as_json:
        return json.dumps({"adapter": name, **answer.to_dict()}, ensure_ascii=False)
    return "\n".join([f"{name}: {answer.text}", *answer.lines()[::2]])
