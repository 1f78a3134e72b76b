"""Windows and text in one message, each window at its own place [AnyMAL].

    parts = ["Before the break: ", first, " After it: ", second, " Which is more regular?"]
    generate_interleaved(model, parts)
    generate_interleaved(model, fill("Before: {window} After: {window} Which?", [first, second]))

A window may lack modalities, so one sensor of it can stand alone at its place:
`only(window, "watch_accel")`. Adapters learn from messages of one window; what an LLM makes of
several is its own, and only what an evaluation measured may be trusted.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from sensor2llm.errors import DataError
from sensor2llm.llm.chat import SIGNAL, SOFT, Message
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.views.conversion import convert_windows
from sensor2llm.signals.window import Window

PLACE = "{window}"


def fill(text: str, windows: Sequence[Window]) -> list[str | Window]:
    """Put windows at the places of a text, in their order.

    Raises:
        DataError: there are more places than windows, or fewer.
    """
    pieces = text.split(PLACE)
    places = len(pieces) - 1
    if places != len(windows):
        raise DataError(
            f"the text has {places} places {PLACE} and {len(windows)} windows were given; "
            "give one window a place"
        )
    parts: list[str | Window] = [pieces[0]]
    for window, piece in zip(windows, pieces[1:], strict=True):
        parts += [window, piece]
    return parts


def only(window: Window, *names: str) -> Window:
    """Leave some modalities of a window and take the others away.

    Raises:
        DataError: the window lacks one of them.
    """
    for name in names:
        if name not in window.signals:
            there = ", ".join(window.signals)
            raise DataError(f"the window has no {name!r}; it has {there}")
    return replace(window, signals={name: window.signals[name] for name in names})


def message_of(model: SensorLanguageModel, parts: Sequence[str | Window]) -> Message:
    """Write parts as one user message, with each window's placeholders at its place."""
    adapter = model.adapter
    order = model.prompting.order()
    tokens = adapter.signal_tokens if order is None else len(order)
    place = SOFT * adapter.soft_tokens + SIGNAL * tokens
    content = "".join(part if isinstance(part, str) else place for part in parts)
    return {"role": "user", "content": content}


def generate_interleaved(
    model: SensorLanguageModel,
    parts: Sequence[str | Window],
    *,
    spec: SignalSpec | None = None,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
) -> str:
    """Let the LLM answer a message of text and windows in its own words.

    Args:
        model: adapter with an encoder, and LLM.
        parts: texts and windows in their order.
        spec: what the windows were measured in, as for `classify`; the adapter's where None.
        max_new_tokens: where the answer is cut off.
        temperature: 0 takes the likeliest token each time; above, tokens are drawn.
        seed: of the drawing.

    Raises:
        DataError: the adapter has no encoder, so that windows have no place in a text.
        SpecError: a window does not fit the adapter, and cannot be made to.
    """
    if model.adapter.encoder is None:
        raise DataError("this adapter reads windows as text; write their numbers yourself")
    windows = [replace(part, label=None) for part in parts if isinstance(part, Window)]
    if spec is not None:
        windows = list(convert_windows(windows, spec, model.adapter.spec))
    heard = [model.features([window]) for window in windows]
    return model.reply(
        [message_of(model, parts)],
        heard,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
    )


def __getattr__(name: str) -> Callable[..., str]:
    """Give `generate_interleaved` by the name that it had before."""
    if name != "say":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("say is now generate_interleaved", DeprecationWarning, stacklevel=2)
    return generate_interleaved
