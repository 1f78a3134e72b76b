"""What is done to signals on their way into a store and out of it, under one name."""

from sensor2llm.signals.normalise import Normaliser, fit_normaliser
from sensor2llm.signals.resample import (
    MAX_GAP_S,
    check_times,
    fill_short_gaps,
    resample,
    resample_irregular,
)
from sensor2llm.signals.scale import check_scale, check_track_scale
from sensor2llm.signals.segment import segment

__all__ = [
    "MAX_GAP_S",
    "Normaliser",
    "check_scale",
    "check_times",
    "check_track_scale",
    "fill_short_gaps",
    "fit_normaliser",
    "resample",
    "resample_irregular",
    "segment",
]
