"""Claims about facts, and whether a reading makes them true."""

import pytest

from sensor2llm.tasks.dialogue.fact_claims import read_claim


@pytest.mark.parametrize(
    ("text", "fact", "value", "holds"),
    [
        ("more than 100 steps a minute", "step_rate", 1.9, True),
        ("more than 120 steps a minute", "step_rate", 1.9, False),
        ("fewer than 2 steps a second", "step_rate", 1.9, True),
        ("is the main frequency above 3 hz", "dominant_frequency", 3.5, True),
        ("is it vigorous", "intensity", "vigorous", True),
        ("is it strong", "intensity", "moderate", True),
        ("is he motionless", "intensity", "light", False),
        ("hardly any movement right", "intensity", "still", True),
        ("he is barely moving", "intensity", "vigorous", False),
        ("does gravity go along x", "orientation", "-x", True),
        ("is the z axis vertical", "orientation", "+x", False),
        ("any footsteps", "step_rate", 0.0, False),
        ("no steps right", "step_rate", 0.0, True),
        ("is anything missing", "missing", ("gyro",), True),
        ("are all sensors there", "missing", ("gyro",), False),
        ("are all sensors there", "missing", (), True),
        ("is it rising", "trend", "falling", False),
    ],
)
def test_claims(text, fact, value, holds):
    assert read_claim(text, fact).holds(value) is holds
