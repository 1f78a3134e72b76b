"""Which released adapter hears what a person typed, by its spec and its labels."""

import json

from sensor2llm.artefacts.manifest import MANIFEST, released_folder, released_names
from sensor2llm.errors import DataError
from sensor2llm.signals.questions.wordings import label_words
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.tasks.dialogue.label_names import LabelNames
from sensor2llm.tasks.dialogue.wording import plain_words
from sensor2llm.tasks.typed.typed_numbers import TypedNumbers
from sensor2llm.tasks.typed.typed_window import place_numbers


def choose_adapter(typed: TypedNumbers) -> str:
    """Give the released adapter that hears these numbers.

    Of several the one is taken whose labels tell most of the words to choose from, then the one
    with the fewest sensors that were not typed, then the first by name.

    Raises:
        DataError: none does; it says what was read.
    """
    able = [
        (named, -missing, name)
        for name in released_names("adapter")
        if (fit := _fit(name, typed)) is not None
        for named, missing in [fit]
    ]
    if not able:
        names = ", ".join(released_names("adapter"))
        raise DataError(f"read {typed}, which none of the released adapters hears: {names}")
    best = max(able, key=lambda row: row[:2])[:2]
    return min(name for named, missing, name in able if (named, missing) == best)


def _fit(name: str, typed: TypedNumbers) -> tuple[int, int] | None:
    """Count the words by label, and the sensors that are missing; None where it is deaf."""
    manifest = json.loads((released_folder() / name / MANIFEST).read_text(encoding="utf-8"))
    if manifest["template"]["task"] != "classification":
        return None
    spec, texts = SignalSpec.from_dict(manifest["spec"]), manifest["label_names"]
    try:
        window, _, _ = place_numbers(typed, spec)
    except DataError:
        return None
    names = LabelNames(texts, {label: label_words(label) for label in texts})
    labels = [names.named(plain_words(word)) for word in typed.candidates]
    # Two words for one label (up and down for `stairs`) are not told apart.
    named = len({every for one in labels if (every := frozenset[int]().union(*one))})
    return named, len(spec.names) - len(window.signals)
