"""Profiles of the toy store's windows, and windows that are turned, scaled or slowed."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from sensor2llm.signals.likeness.profile import TrainingProfile, fit_profile
from sensor2llm.signals.views.in_memory import InMemoryWindows
from sensor2llm.signals.window import Window
from tests.toy_store import SPEC, windows


@cache
def toy_profile() -> TrainingProfile:
    store = InMemoryWindows(windows(people=8, each=40), SPEC)
    return fit_profile(store, np.arange(len(store)), np.asarray(store.labels))


TURNABLE = ("watch_accel", "watch_gyro")


def without_gravity(signals):
    values = signals["watch_accel"]
    return {**signals, "watch_accel": values - values.mean(-1, keepdims=True)}


@cache
def turn_free_profile() -> TrainingProfile:
    """Give the profile of an adapter that hears any turn, with gravity and without."""
    store = InMemoryWindows(windows(people=8, each=40), SPEC)
    rows, classes = np.arange(len(store)), np.asarray(store.labels)
    return fit_profile(store, rows, classes, turn_free=TURNABLE, variants=[without_gravity])


def fresh(people: int = 3, each: int = 30) -> list[Window]:
    """Give windows of other people, made as the profile's were."""
    return [
        replace(window, subject=f"new {window.subject}")
        for window in windows(people=people, each=each, seed=9)
    ]


def changed(some: list[Window], name: str, change: Callable[[np.ndarray], np.ndarray]):
    """Give windows with one sensor's values changed."""
    return [replace(w, signals={**w.signals, name: change(w.signals[name])}) for w in some]


def turned(some: list[Window]) -> list[Window]:
    """Give windows of a watch that was turned about z: y becomes x, x becomes -y."""
    turn = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], np.float32)
    return changed(
        changed(some, "watch_accel", lambda v: turn @ v), "watch_gyro", lambda v: turn @ v
    )
