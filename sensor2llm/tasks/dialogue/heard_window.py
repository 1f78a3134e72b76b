"""A window that an adapter has heard: its label, and what else is wanted of it later."""

from dataclasses import dataclass
from functools import cached_property

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.window import Window
from sensor2llm.tasks.classification import Prediction
from sensor2llm.tasks.likeness import UNKNOWN, describe_unlike
from sensor2llm.tasks.question_answering import Facts


@dataclass(frozen=True)
class HeardWindow:
    """Hold a window, its label, and its features and computed facts once they are asked for.

    `label_set` are the labels of which one is right nine times in ten, the likeliest first, where
    the adapter is calibrated; `unlike_score` is above 0 where the window is not as in training, and
    NaN where that is not known; `unknown` says why its label is not to be said, where answers
    abstain.
    """

    window: Window
    prediction: Prediction | None
    model: SensorLanguageModel
    label_set: tuple[str, ...] = ()
    unlike_score: float = 0.0
    unknown: str = ""

    @property
    def label(self) -> str:
        """Give its label, or `unknown`; '' for an adapter that says none."""
        if self.prediction is None:
            return ""
        return UNKNOWN if self.unknown else self.prediction.label

    @cached_property
    def unlike(self) -> str:
        """Say what of the window is not as in training; '' for nothing."""
        profile = self.model.adapter.trust.profile
        return describe_unlike(profile, self.window, self.unlike_score)

    @cached_property
    def features(self) -> FeatureBatch:
        """Give what the adapter makes of the window."""
        return self.model.features([self.window])

    @cached_property
    def facts(self) -> Facts:
        """Give what is computed from the window's signals."""
        return extract_facts(self.window, self.model.adapter.spec)

    @property
    def likely_text(self) -> str:
        """Name the labels that it may be: "walking 62 %, or walking upstairs 31 %"."""
        if self.prediction is None:
            return ""
        labels, shares = self.label_set or (self.prediction.label,), self.prediction.probabilities
        return ", or ".join(f"{label} {shares[label]:.0%}".replace("%", " %") for label in labels)
