"""Match words that nobody trained with to known ones, without hearing any window.

A probe knows labels by their number. With a matching it says new words as well: each new word is
as likely as the label that it is matched to. So a matcher is what an adapter has to beat.

    by_spelling(words.sets[0], words)         shared letters: no language model at all
    by_text(llm, words.sets[0], words.names)  the LLM reads the word in a sentence, no window
"""

from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from research.llm_ablation.label_words import LabelWords
from sensor2llm.llm.forward import assemble, prompt_rows
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.scoring import score_each

SENTENCE = "The person is {word}.\nActivity?"


def by_spelling(new: Sequence[str], words: LabelWords) -> Int[np.ndarray, " word"]:
    """Match each word to the label one of whose training words is spelled most alike."""

    def likeness(word: str, known: Sequence[str]) -> float:
        return max(SequenceMatcher(None, word, other).ratio() for other in known)

    table = [[likeness(word, known) for known in words.train] for word in new]
    return np.array(table).argmax(1)


@torch.no_grad()
def by_embedding(llm: FrozenLLM, new: Sequence[str], words: LabelWords) -> NDArray[np.int64]:
    """Match each word to the label with the nearest word vectors (cosine, the mean taken off)."""
    table = llm.model.get_input_embeddings().weight[: llm.vocabulary].float()
    middle = table.mean(0)

    def vector(text: str) -> torch.Tensor:
        found = table[llm.encode(f" {text}")].mean(0) - middle
        return found / found.norm()

    def likeness(word: str, known: Sequence[str]) -> float:
        return max(float(vector(word) @ vector(other)) for other in known)

    return np.array([[likeness(w, known) for known in words.train] for w in new]).argmax(1)


@torch.no_grad()
def by_text(llm: FrozenLLM, new: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Match each word to the label that the LLM answers when it reads the word in a sentence.

    Each label's mean over all words is taken off, as a label prior.
    """
    scores = np.concatenate([_read(llm, SENTENCE.format(word=word), names) for word in new])
    return (scores - scores.mean(0)).argmax(1)


def _read(llm: FrozenLLM, text: str, names: Sequence[str]) -> Float[np.ndarray, "1 label"]:
    said = llm.render([{"role": "user", "content": text}])
    prompt = assemble(llm, prompt_rows(llm, [llm.encode(said)]), None, None, batch=1)
    answers = [llm.answer_ids(said, name) for name in names]
    return score_each(llm, prompt, answers).double().cpu().numpy()


def said_with(
    probabilities: Float[np.ndarray, "window label"], matched: Int[np.ndarray, " word"]
) -> Int[np.ndarray, " window"]:
    """Give the word that a probe says of each window; of words matched alike, the first."""
    return probabilities[:, matched].argmax(1)
