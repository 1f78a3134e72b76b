"""Numbers of a window as text beside an encoder, and each channel's level and spread."""

import numpy as np
import pytest
import torch

from sensor2llm.adapter.signal_text import (
    SignalText,
    count_statistics,
    scale_statistics,
    window_variables,
)
from sensor2llm.errors import ConfigError
from sensor2llm.signals.dataset import collate_windows
from sensor2llm.signals.window import Window
from tests.models import normaliser, windows
from tests.signals.stores import SPEC


@pytest.fixture(scope="module")
def given():
    """Give windows, some without a modality, and their normalised batch."""
    heard = windows(16)
    return heard, collate_windows(heard, SPEC, normaliser(SPEC))


def told(batch, *names):
    return window_variables(batch, SPEC, normaliser(SPEC), names)


def test_a_row_of_values_is_told_by_channel_in_its_own_units(given):
    heard, batch = given
    lacking = 0
    for window, found in zip(heard, told(batch, "values"), strict=True):
        assert set(found["values"]) == {"age", "mass"}
        if "person" not in window.signals:
            lacking += 1
            assert set(found["values"].values()) == {"unknown"}
            continue
        for text, value in zip(found["values"].values(), window.signals["person"], strict=True):
            assert float(text) == pytest.approx(value[0], rel=5e-3)
            assert len(text.strip("-0.").replace(".", "")) <= 3
    assert lacking


def test_each_channels_mean_and_spread_are_told_with_their_unit(given):
    heard, batch = given
    for window, found in zip(heard, told(batch, "scale"), strict=True):
        lines = dict(line.split(": ", 1) for line in found["scale"].split("; "))
        assert list(lines) == list(SPEC.names)
        for modality in SPEC.modalities:
            if modality.name not in window.signals:
                assert lines[modality.name] == "missing"
                continue
            channels = lines[modality.name].split(", ")
            rows = window.signals[modality.name]
            for channel, text, row in zip(modality.channels, channels, rows, strict=True):
                name, mean, *spread, unit = text.split(" ")
                assert (name, unit) == (channel.name, channel.unit)
                assert float(mean) == pytest.approx(np.mean(row), rel=5e-3, abs=1e-6)
                if modality.axis == "none":
                    assert spread == []
                    continue
                assert spread[0] == "+-"
                assert float(spread[1]) == pytest.approx(np.std(row), rel=5e-3, abs=1e-6)


def test_only_what_is_wanted_is_told(given):
    _, batch = given
    assert told(batch) is None
    assert [set(found) for found in told(batch, "values", "scale")] == [{"values", "scale"}] * 16


def test_without_a_normaliser_numbers_are_as_they_came():
    person = np.array([[54.0], [71.25]], np.float32)
    batch = collate_windows([Window({"person": person})], SPEC)
    (found,) = window_variables(batch, SPEC, None, ["values"])
    assert found["values"] == {"age": "54", "mass": "71.2"}


def test_scale_statistics_are_each_channels_mean_and_spread(given):
    _, batch = given
    found = scale_statistics(batch, SPEC)
    assert count_statistics(SPEC) == 6
    assert found.shape == (16, 3, 6)
    for column, modality in enumerate(SPEC.modalities):
        values = batch.signals[modality.name].numpy()
        channels = values.shape[1]
        np.testing.assert_allclose(found[:, column, :channels], values.mean(2), atol=1e-6)
        np.testing.assert_allclose(found[:, column, 3 : 3 + channels], values.std(2), atol=1e-6)
        assert not found[:, column, channels:3].any()
        assert not found[:, column, 3 + channels :].any()
    assert found.dtype == torch.float32


def test_bad_options_are_said():
    with pytest.raises(ConfigError, match="unknown signal text 'factz'; choose from facts, "):
        SignalText(form="factz")
    with pytest.raises(ConfigError, match="steps of a signal text must be positive, got 0"):
        SignalText(steps=0)
