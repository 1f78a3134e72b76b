"""What is listened to, as it is typed: lsl://NAME, playback://FILE?speed=2, or - .

A package brings another source by an entry point of the group `sensor2llm.sources`: its name is
what stands before `://`, and it is called with what stands behind.
"""

from importlib.metadata import entry_points
from pathlib import Path

from sensor2llm.errors import ConfigError
from sensor2llm.live.feed import WindowFeed
from sensor2llm.live.source_feed import SourceFeed
from sensor2llm.live.sources.lines import open_standard_input
from sensor2llm.live.sources.lsl import LslSource
from sensor2llm.live.sources.playback import PlaybackFeed
from sensor2llm.live.sources.source import LiveSource
from sensor2llm.signals.mapping.data_map import DataMap
from sensor2llm.signals.spec import SignalSpec

PLUGINS = "sensor2llm.sources"
STANDARD_INPUT = "-"


def open_feed(
    typed: str, spec: SignalSpec, data_map: DataMap, *, step_s: float | None, subject: str
) -> WindowFeed:
    """Open what was typed.

    Args:
        typed: one of the forms above.
        spec: the adapter's.
        data_map: which sensors and axes of the source stand for the adapter's.
        step_s: seconds from one window's start to the next one's; None lays them side by side.
        subject: whose windows they are; a file says it itself.

    Raises:
        ConfigError: a source that there is not, or a package that it needs.
        DataError: there is no such stream or file, or it has none of the sensors.
    """
    scheme, sign, place = typed.partition("://")
    if typed != STANDARD_INPUT and not (sign and place):
        hint = f"; to play a file: playback://{typed}" if Path(typed).exists() else ""
        raise ConfigError(f"cannot read the source {typed!r}; write {_forms()}{hint}")
    if scheme == "playback":
        path, speed = _speed(place)
        return PlaybackFeed(path, spec, data_map, step_s=step_s, speed=speed)
    source: LiveSource
    if typed == STANDARD_INPUT:
        source = open_standard_input()
    elif scheme == "lsl":
        source = LslSource(place)
    else:
        others = {entry.name: entry for entry in entry_points(group=PLUGINS)}
        if scheme not in others:
            raise ConfigError(f"unknown source '{scheme}://'; write {_forms()}")
        source = others[scheme].load()(place)
    return SourceFeed(source, spec, data_map, step_s=step_s, subject=subject)


def _forms() -> str:
    own = [f"{name}://…" for name in sorted(entry_points(group=PLUGINS).names)]
    return ", ".join(["lsl://NAME", "playback://FILE", *own, "or - for standard input"])


def _speed(place: str) -> tuple[Path, float]:
    """Read a file and the speed behind it."""
    file, sign, text = place.rpartition("?")
    if not sign or Path(place).exists():
        return Path(place), 1.0
    name, _, value = text.partition("=")
    try:
        speed = float(value) if name == "speed" else 0.0
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise ConfigError(
            f"cannot read {text!r} behind the file; write ?speed=1, a number above 0, or inf for "
            "as fast as windows are answered"
        )
    return Path(file), speed
