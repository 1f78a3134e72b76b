"""A first look at files: their guessed description written, and a minute of each sensor drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensor2llm.plots.braille import render_window
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.tables.config import load
from sensor2llm.signals.tables.guess.draft import MARK, draft_description
from sensor2llm.signals.tables.guess.sensors import SensorGuess
from sensor2llm.signals.window import Window

_MINUTE_S, _EVENTS = 60.0, 60


def write_description(files: Sequence[Path], out: Path) -> tuple[dict[str, Any], str]:
    """Guess a description, write it, and read it back.

    Returns:
        A summary of plain JSON types, and as text for people.

    Raises:
        DataError: for files that cannot be looked at, or hold no sensor.
    """
    draft = draft_description(files, out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(draft.text, encoding="utf-8")
    # What was written is what `prepare` reads: a key that it would refuse is refused here.
    load(out)
    guesses = [{"guess": text, "sure": sure} for sure, text in draft.guesses]
    unsure = sum(not guess["sure"] for guess in guesses)
    summary = {"description": str(out), "files": draft.files, "unsure": unsure, "guesses": guesses}
    lines = [f"{out}: {draft.files} files, {unsure} lines are marked {MARK}"]
    lines += [f"  {'sure ' if sure else MARK} {text}" for sure, text in draft.guesses]
    drawn = [_draw(name, sensor) for name, sensor in draft.sensors.items()]
    lines += [*drawn, f"next: sensor2llm prepare {out} --out stores/{out.stem}"]
    return summary, "\n".join(lines)


def _draw(name: str, sensor: SensorGuess) -> str:
    """Draw the first minute of a sensor, or its first sixty beats."""
    rate = sensor.rate_hz or 1.0
    steps = min(
        sensor.values.shape[1], _EVENTS if sensor.event else max(2, round(_MINUTE_S * rate))
    )
    channels = tuple(Channel(name=column, unit=unit) for column, unit in sensor.units.items())
    axis: Any = "event" if sensor.event else "time"
    timed = {} if sensor.event else {"rate_hz": rate}
    modality = Modality(name=name, channels=channels, steps=steps, axis=axis, **timed)
    spec = SignalSpec(modalities=(modality,), window_s=None if sensor.event else steps / rate)
    return render_window(Window({name: sensor.values[:, :steps]}), spec)
