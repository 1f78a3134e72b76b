"""Whether labels can be learnt, said before anything is trained."""

import logging
from collections.abc import Sequence

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.windows import Windows

logger = logging.getLogger(__name__)


def check_labels(store: Windows, split: Split) -> None:
    """Refuse labels that nothing can be learnt from.

    Raises:
        DataError: no training or no validation window has a label, or all training windows have
            the same one.
    """
    for part in ("train", "validation"):
        if not len(_classes(store, split, part)):
            raise DataError(
                f"none of the {len(split[part])} {part} windows of '{store.path}' has a label; "
                "give them labels, or leave out what learns from labels"
            )
    only, *others = _classes(store, split, "train")
    if not others:
        raise DataError(
            f"all labelled training windows of '{store.path}' are '{store.label_names[only]}'; "
            "at least two classes are needed to tell apart"
        )


def warn_of_labels(store: Windows, split: Split) -> None:
    """Say which labels look wrong: spelled almost alike, or known to no training window."""
    warn_of_spellings(store.label_names)
    unseen = set(_classes(store, split, "validation")) | set(_classes(store, split, "test"))
    if missing := sorted(unseen - set(_classes(store, split, "train"))):
        names = ", ".join(f"'{store.label_names[label]}'" for label in missing)
        logger.warning("warning: no training window is %s; it cannot be learnt", names)


def warn_of_spellings(label_names: Sequence[str]) -> None:
    """Say which labels differ in case or blanks only."""
    spellings: dict[str, list[str]] = {}
    for name in label_names:
        spellings.setdefault(" ".join(name.split()).casefold(), []).append(f"'{name}'")
    for names in spellings.values():
        if len(names) > 1:
            logger.warning(
                "warning: the labels %s differ in case or blanks only and are classes of their "
                "own; where one is meant, give it one spelling and prepare again",
                ", ".join(names),
            )


def _classes(store: Windows, split: Split, part: str) -> list[int]:
    labels = np.unique(np.asarray(store.labels)[split[part]])
    return [int(label) for label in labels if label >= 0]
