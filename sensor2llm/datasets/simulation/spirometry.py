"""Forced expirations with known FEV1 and FVC, beside age, sex, height and body mass index.

Sources of the numbers:
    predicted FEV1 and FVC from age and height: NHANES III, Caucasian adults from 20 to 80 years
        [Hankinson et al. 1999, Am. J. Respir. Crit. Care Med., table 4]; spread between people
        about 13 % [same, lower limits of normal].
    emptying: two compartments, fast and slow; obstruction moves volume to the slow one and slows
        it down, which hollows the flow-volume curve [Mead 1978, Am. Rev. Respir. Dis.]. FEV1 and
        FVC are read off the curve itself before noise, 1 s after the start and at its end (6 s)
        [Miller et al. 2005, Eur. Respir. J.].
    airway obstruction as in asthma: FEV1/FVC lowered by about 0.17; blows of one effort agree
        within 150 ml [Miller et al. 2005].
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.truth import Simulated, Truth, make_simulated
from sensor2llm.signals.spec import Channel, Modality, SignalSpec

LABELS = ("healthy", "asthma")
RATE_HZ, WINDOW_S, BLOWS = 50.0, 6.0, 3
FAST_S, RISE_S = 0.3, 0.04
OPEN_RATIO, LOWERED = 0.8, 0.17
PATIENT_SHARE = 0.5
# The ages are those of the reference equations; height and index are those of living adults.
BODY = (
    Channel(name="age", unit="years", low=20, high=80),
    Channel(name="male", unit="", low=0, high=1),
    Channel(name="height", unit="m", low=1.2, high=2.3),
    Channel(name="bmi", unit="kg/m^2", low=10, high=70),
)
# Constant, age, age squared, height in cm squared.
PREDICTED_L: Mapping[tuple[str, bool], tuple[float, float, float, float]] = {
    ("fev1", True): (0.5536, -0.01303, -0.000172, 0.00014098),
    ("fvc", True): (-0.1933, 0.00064, -0.000269, 0.00018642),
    ("fev1", False): (0.4333, -0.00361, -0.000194, 0.00011496),
    ("fvc", False): (-0.3560, 0.01870, -0.000382, 0.00014815),
}


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Hold a person's body and lungs."""

    age: float
    male: bool
    height_m: float
    bmi: float
    asthma: bool
    fvc_l: float
    ratio: float


def predicted_l(name: str, patient_age: float, male: bool, height_m: float) -> float:
    """Give the predicted `fev1` or `fvc` in litres [Hankinson et al. 1999]."""
    constant, age, age_squared, height_squared = PREDICTED_L[name, male]
    return (
        constant
        + age * patient_age
        + age_squared * patient_age**2
        + height_squared * (100 * height_m) ** 2
    )


def spec(config: SimulationConfig) -> SignalSpec:
    """Give the spec: spirogram (volume in L, flow in L/s; 6 s at 50 Hz) and body (a row)."""
    spirogram = Modality(
        name="spirogram",
        channels=(Channel(name="volume", unit="L"), Channel(name="flow", unit="L/s")),
        steps=round(WINDOW_S * RATE_HZ),
        rate_hz=RATE_HZ,
    )
    body = Modality(name="body", channels=BODY, steps=1, axis="none")
    return SignalSpec(modalities=(spirogram, body), window_s=WINDOW_S)


def person(config: SimulationConfig, subject: str, rng: np.random.Generator) -> Iterator[Simulated]:
    """Give one person's recordings: three blows a session, one recording each."""
    patient = draw_patient(rng)
    modalities = spec(config)
    row = np.array([[patient.age], [patient.male], [patient.height_m], [patient.bmi]])
    for blow in range(config.sessions * BLOWS):
        volume, flow = expiration(patient, rng)
        fev1, fvc = float(volume[round(RATE_HZ)]), float(volume[-1])
        truth = Truth(0.0, WINDOW_S, LABELS[patient.asthma], {"fev1_l": fev1, "fvc_l": fvc})
        values = np.stack([volume, flow]) + rng.normal(0, [[0.005], [0.02]], (2, len(volume)))
        signals = {"spirogram": values, "body": row}
        yield make_simulated(subject, str(blow + 1), modalities, signals, [truth])


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a person of 20 to 75 years, healthy or with airway obstruction."""
    male = bool(rng.random() < 0.5)
    age, height = float(rng.uniform(20, 75)), float(rng.normal(1.77 if male else 1.64, 0.065))
    fvc = predicted_l("fvc", age, male, height)
    ratio = predicted_l("fev1", age, male, height) / fvc + float(rng.normal(0, 0.035))
    asthma = bool(rng.random() < PATIENT_SHARE)
    if asthma:
        ratio -= float(np.clip(rng.normal(LOWERED, 0.06), 0.05, 0.35))
    return Patient(
        age=age,
        male=male,
        height_m=height,
        bmi=float(np.clip(rng.normal(27 if asthma else 26, 4), 17, 45)),
        asthma=asthma,
        fvc_l=fvc * float(np.clip(rng.normal(1, 0.13), 0.7, 1.35)),
        ratio=float(np.clip(ratio, 0.4, 0.9)),
    )


def expiration(
    patient: Patient, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " step"], Float[np.ndarray, " step"]]:
    """Give volume in L and flow in L/s of one forced expiration, without noise."""
    time_s = np.arange(round(WINDOW_S * RATE_HZ)) / RATE_HZ
    # By how open the airways are and never by the label: all that a blow tells is the obstruction.
    slow_s = 1.2 + 0.8 * float(np.clip((OPEN_RATIO - patient.ratio) / LOWERED, 0, 1.5))
    left_fast, left_slow = np.exp(-1 / FAST_S), np.exp(-1 / slow_s)
    fast = np.clip((left_slow - (1 - patient.ratio)) / (left_slow - left_fast), 0.05, 0.98)
    emptied = 1 - fast * np.exp(-time_s / FAST_S) - (1 - fast) * np.exp(-time_s / slow_s)
    # Flow needs a moment to reach its peak; without it the curve would start with a corner.
    emptied = emptied * (1 - np.exp(-time_s / RISE_S))
    fvc = patient.fvc_l - abs(float(rng.normal(0, 0.05)))
    volume = fvc * emptied / emptied[-1]
    return volume, np.gradient(volume, 1 / RATE_HZ)
