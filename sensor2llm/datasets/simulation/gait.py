"""Accelerometer and gyroscope of a swinging limb, from the limb's angles.

The limb is a pendulum of length `lever_m`: its pitch turns gravity in the sensor's frame and adds
tangential and centripetal acceleration; its angular velocity is what the gyroscope shows. The
trunk's vertical acceleration at the step rate, and for the leg the foot's strike once a stride,
come on top.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sensor2llm.datasets.simulation.noise import slow_noise

GRAVITY = 9.81
Signal = Float[np.ndarray, "step"]
Vector = Float[np.ndarray, "3 step"]


@dataclass(frozen=True, kw_only=True)
class Limb:
    """Say how one limb is held and moves in one activity (angles in radians, forces in g).

    At pitch 0 the limb hangs: gravity lies along x. `swing` goes with the stride, `bounce` with
    the step, `strike` is the peak of a pulse once a stride.
    """

    pitch: float
    roll: float = 0.0
    swing: float = 0.0
    lever_m: float = 0.5
    bounce: float = 0.0
    strike: float = 0.0
    fidget: float = 0.01
    phase: float = 0.0


def limb_signals(
    limb: Limb, steps_taken: Signal, rate_hz: float, rng: np.random.Generator
) -> tuple[Vector, Vector]:
    """Give acceleration in g and angular velocity in rad/s in the limb's frame."""
    count = len(steps_taken)
    stride = np.pi * steps_taken + limb.phase
    pitch = limb.pitch + limb.swing * np.sin(stride)
    pitch = pitch + limb.fidget * slow_noise(rng, count, rate_hz, 0.5)
    roll = limb.roll + limb.fidget * slow_noise(rng, count, rate_hz, 0.5)
    pitch_rate, roll_rate = np.gradient(pitch) * rate_hz, np.gradient(roll) * rate_hz
    up = np.stack([np.cos(pitch), np.sin(pitch) * np.sin(roll), np.sin(pitch) * np.cos(roll)])
    acceleration = up * (1.0 + _bounce(limb, steps_taken))
    acceleration[0] += limb.strike * np.exp(8.0 * (np.cos(stride - 0.6) - 1.0))
    acceleration[0] += limb.lever_m * (pitch_rate**2 - np.mean(pitch_rate**2)) / GRAVITY
    acceleration[2] += limb.lever_m * np.gradient(pitch_rate) * rate_hz / GRAVITY
    acceleration[1] += 0.3 * limb.bounce * np.sin(stride + 1.0)
    # About the noise of consumer MEMS sensors at 50 Hz, and soft tissue that shakes with impact.
    shake = 0.006 + 0.05 * (limb.bounce + 0.3 * limb.strike)
    acceleration = acceleration + shake * rng.normal(size=(3, count))
    yaw_rate = 0.3 * limb.swing * np.cos(stride) * np.gradient(stride) * rate_hz
    velocity = np.stack([roll_rate, pitch_rate, yaw_rate])
    return acceleration, velocity + (0.01 + 0.5 * shake) * rng.normal(size=(3, count))


def _bounce(limb: Limb, steps_taken: Signal) -> Signal:
    """Give the trunk's vertical acceleration in g: the step rate and two harmonics."""
    step = 2 * np.pi * steps_taken
    return limb.bounce * (np.cos(step) + 0.35 * np.cos(2 * step + 0.8) + 0.12 * np.cos(3 * step))
