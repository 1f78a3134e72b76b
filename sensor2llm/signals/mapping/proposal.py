"""Which of a device's sensors may stand for an adapter's, by what they measure and their names."""

import re

from sensor2llm.signals.modality import Modality
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.views.converted import unit_factor

_WITHOUT_GRAVITY = re.compile("linear|body|user|dynamic")


def propose_sensors(theirs: SignalSpec, ours: SignalSpec) -> list[str]:
    """Give words of `--map` for the sensors of a store that an adapter does not know by name.

    A sensor stands for another where it has as many channels on the same axis, in units that can
    be converted, and both or neither are without gravity; of several, the name with most in common.
    """
    words = []
    free = [modality for modality in theirs.modalities if modality.name not in ours]
    for wanted in (modality for modality in ours.modalities if modality.name not in theirs):
        fits = [modality for modality in free if _alike(modality, wanted)]
        if fits:
            best = max(fits, key=lambda modality: _common_words(modality, wanted))
            free.remove(best)
            words.append(f"{wanted.name}={best.name}")
    return words


def _alike(theirs: Modality, ours: Modality) -> bool:
    if theirs.axis != ours.axis or len(theirs.channels) != len(ours.channels):
        return False
    plain = [bool(_WITHOUT_GRAVITY.search(modality.name)) for modality in (theirs, ours)]
    same_gravity = plain[0] == plain[1] or theirs.units[0] not in ("g", "mg", "m/s^2")
    return same_gravity and all(
        unit_factor(a.unit, b.unit) for a, b in zip(theirs.channels, ours.channels, strict=True)
    )


def _common_words(theirs: Modality, ours: Modality) -> int:
    return len({*re.split(r"[_\d]+", theirs.name)} & {*re.split(r"[_\d]+", ours.name)})
