"""Captions whose statements are computed from the signal, and how true written captions are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from sensor2llm.adapter.batches import Request
from sensor2llm.signals.questions.captions import describe
from sensor2llm.signals.questions.claims import ClaimTally, judge, judged, statements_of
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.tasks.question_answering import Facts, take_away

TASK = "captioning"
LONGEST_CAPTION = 96


@dataclass(frozen=True, eq=False)
class Captions:
    """Hold windows with a true caption each; fields as `Items` of question answering has them."""

    at: Int[np.ndarray, " item"]
    captions: tuple[str, ...]
    facts: tuple[Facts, ...]
    hidden: Bool[np.ndarray, "item modality"]

    def __len__(self) -> int:
        return len(self.at)

    def take(self, chosen: Int[np.ndarray, " chosen"]) -> "Captions":
        """Give some of the items."""
        places = chosen.tolist()
        return Captions(
            self.at[chosen],
            tuple(self.captions[i] for i in places),
            tuple(self.facts[i] for i in places),
            self.hidden[chosen],
        )

    @property
    def requests(self) -> tuple[Request, ...]:
        """Give what the model is asked, with the true captions."""
        return tuple(Request(TASK, {}, caption) for caption in self.captions)


def make_captions(
    facts: Sequence[Facts], spec: SignalSpec, *, seed: int, per_window: int = 1, hide: float = 0.0
) -> Captions:
    """Describe windows, each `per_window` times; `hide` as in `make_items`."""
    captions, item_facts, hidden = [], [], []
    at = np.repeat(np.arange(len(facts)), per_window)
    for number, window in enumerate(at.tolist()):
        rng = np.random.default_rng([seed, number])
        left, gone = take_away(facts[window], spec, hide, rng)
        captions.append(describe(left, rng))
        item_facts.append(left)
        hidden.append([name in gone for name in spec.names])
    shape = (len(at), len(spec.names))
    return Captions(
        at, tuple(captions), tuple(item_facts), np.array(hidden, dtype=bool).reshape(shape)
    )


def truest_caption(train: Captions, spec: SignalSpec) -> str:
    """Give the caption of these windows that has the largest share of true statements of all.

    Said of every window, it is what can be reached without listening: a caption that says little
    is true of many.

    Args:
        train: captions of training windows; one at least.
        spec: of the windows.
    """
    statements = {text: statements_of(text, spec) for text in dict.fromkeys(train.captions)}

    def true_share(text: str) -> float:
        tally = sum((judged(statements[text], facts) for facts in train.facts), ClaimTally())
        return tally.true_share

    return max(statements, key=true_share)


def shares(items: Captions, captions: Sequence[str]) -> dict[str, float]:
    """Give the share of true statements, and of parts that state nothing that can be checked.

    Returns:
        `true` and `unparsed`, of all statements and parts; `statements`: how many a caption.
    """
    tally = sum(
        (judge(t, facts) for t, facts in zip(captions, items.facts, strict=True)), ClaimTally()
    )
    return {
        "true": tally.true_share,
        "unparsed": tally.unparsed / max(tally.total, 1),
        "statements": tally.total / max(len(items), 1),
    }
