"""Put premature beats into real sinus rhythm: irregular, and yet no atrial fibrillation.

A beat comes early, at a share of the interval that it cuts short, and a pause follows
[Zipes & Jalife, Cardiac Electrophysiology]: after a ventricular beat the sinus node keeps its
clock, so that both intervals together are two of the rhythm (a full compensatory pause, coupling
nearly the same from beat to beat); an atrial beat resets it, and the pause is about one interval.
In bigeminy every second beat is premature, in trigeminy every third; ectopy is scattered, single
beats and pairs.

    generator = np.random.default_rng(0)
    with_premature_beats(intervals_ms, "bigeminy", generator)
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

EARLY = (0.5, 0.85)
"""Share of the rhythm's interval after which a premature beat comes."""
SHORTEST_MS = 280.0
"""A heart that has just beaten does not conduct earlier."""
SHARES = (0.05, 0.35)
"""Share of premature beats in scattered ectopy."""
PAIRED, VENTRICULAR = 0.2, 0.7
PAUSE_AFTER_RESET = (1.0, 1.15)
JITTER = {True: 0.02, False: 0.06}
"""Spread of the coupling from beat to beat: ventricular, atrial."""
WHOLE_RUN = 0.5
"""How often bigeminy and trigeminy last the whole window; else they hold from half of it on."""
Intervals = Float[np.ndarray, " beat"]
Premature = Bool[np.ndarray, " beat"]


def with_premature_beats(
    intervals_ms: Intervals, pattern: str, generator: np.random.Generator
) -> Intervals:
    """Give the intervals with premature beats in them; as many as before.

    Args:
        intervals_ms: of sinus rhythm.
        pattern: a key of `PATTERNS`.
        generator: draws where the beats are, how early, and from where they come.
    """
    premature = PATTERNS[pattern](len(intervals_ms), generator)
    ventricular = bool(generator.random() < VENTRICULAR)
    early = generator.uniform(*EARLY)
    share = np.clip(early + JITTER[ventricular] * generator.normal(size=len(premature)), 0.4, 0.95)
    rhythm = _smooth(np.asarray(intervals_ms, np.float64))
    coupling = np.maximum(share * rhythm, np.minimum(SHORTEST_MS, rhythm))
    reset = rhythm * generator.uniform(*PAUSE_AFTER_RESET)
    pause = 2 * rhythm - np.roll(coupling, 1) if ventricular else reset
    after = np.roll(premature, 1) & ~premature
    after[0] = False
    # What varies in the rhythm stays in the intervals that are made of it.
    own = np.asarray(intervals_ms) - rhythm
    return np.where(premature, coupling, np.where(after, pause, rhythm)) + own


def scattered(beats: int, generator: np.random.Generator) -> Premature:
    """Choose single beats, some of them followed by a second one."""
    single = generator.random(beats) < generator.uniform(*SHARES)
    single &= ~np.roll(single, 1)
    pairs = single & (generator.random(beats) < PAIRED)
    return single | np.roll(pairs, 1)


def every(step: int) -> Callable[[int, np.random.Generator], Premature]:
    """Give what chooses every `step`-th beat of the window, or of a part of it."""

    def choose(beats: int, generator: np.random.Generator) -> Premature:
        chosen = (np.arange(beats) + generator.integers(step)) % step == 0
        if generator.random() < WHOLE_RUN:
            return chosen
        length = int(generator.integers(beats // 2, beats))
        first = int(generator.integers(beats - length + 1))
        chosen[:first] = chosen[first + length :] = False
        return chosen

    return choose


PATTERNS: dict[str, Callable[[int, np.random.Generator], Premature]] = {
    "ectopy": scattered,
    "bigeminy": every(2),
    "trigeminy": every(3),
}
"""Which beats of a window are premature, by the pattern's name."""


def _smooth(intervals: Intervals) -> Intervals:
    """Give the rhythm's own interval at each beat: the median of nine about it."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(intervals, 4, mode="edge"), 9)
    return np.median(around, axis=-1)
