"""Free answers, piece by piece: one token after the other on the base model's own cache."""

from collections.abc import Iterator

from sensor2llm.llm.forward import Prompt
from sensor2llm.llm.generation import decode_tokens
from sensor2llm.llm.language_model import LanguageModel


def stream_text(
    llm: LanguageModel,
    prompt: Prompt,
    *,
    max_new_tokens: int = 96,
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[str]:
    """Continue one prompt and yield the new text as it comes, up to the end of the turn.

    Args:
        llm: the frozen LLM.
        prompt: one row.
        max_new_tokens: where the answer is cut off.
        temperature: 0 is greedy; above, tokens are drawn with `seed`.
        seed: of the drawing.
    """
    ids: list[int] = []
    text = written = ""
    for token in decode_tokens(llm, prompt, max_new_tokens, temperature, seed):
        ids.append(token)
        text = llm.tokenizer.decode(ids, skip_special_tokens=True)
        # A character may take several tokens: it is held back until it is whole.
        if not text.endswith("\ufffd"):
            yield text[len(written) :]
            written = text
    if text != written:
        yield text[len(written) :]
