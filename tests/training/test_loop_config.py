"""Few rows get as many optimiser steps as it takes; settings that give enough stay as they are."""

import logging
from dataclasses import replace

import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.config import finetune_loop, pretrain_loop
from sensor2llm.recipes.config import adapter_loop
from sensor2llm.training.config import LoopConfig, config_for_rows

FLOOR = LoopConfig(
    epochs=8, batch_size=64, learning_rate=2e-3, ema_decay=0.99, patience=3, min_steps=96
)


def steps_of(config: LoopConfig, rows: int) -> int:
    return config.epochs * max(rows // config.batch_size, 1)


@pytest.mark.parametrize("rows", [1, 7, 15, 16, 17, 46, 63, 64, 65, 127, 128, 400, 767])
@pytest.mark.parametrize("parts", [1, 4, 64])
def test_few_rows_get_the_steps_that_are_asked_for(rows, parts):
    config = replace(FLOOR, gradient_accumulation=parts)
    fitted = config_for_rows(config, rows)
    assert 96 <= steps_of(fitted, rows) < 96 + max(rows // fitted.batch_size, 1)
    assert fitted.batch_size % parts == 0
    assert fitted.batch_size <= 64


@pytest.mark.parametrize("rows", [768, 769, 5551, 100_000])
def test_enough_rows_change_nothing(rows):
    assert config_for_rows(FLOOR, rows) is FLOOR


def test_patience_average_and_learning_rate_follow():
    fitted = config_for_rows(FLOOR, 46)
    assert (fitted.batch_size, fitted.epochs) == (16, 48)
    # As many validations as epochs were asked for: patience is the same share of the run.
    assert steps_of(fitted, 46) // fitted.validate_every == FLOOR.epochs
    assert fitted.patience == FLOOR.patience
    assert 1 / (1 - fitted.ema_decay) == pytest.approx(96 / 5)
    assert fitted.learning_rate == pytest.approx(1e-3)
    assert fitted.muon_learning_rate == pytest.approx(FLOOR.muon_learning_rate / 2)


def test_what_is_chosen_stays():
    chosen = config_for_rows(replace(FLOOR, validate_every=5, ema_decay=0.5), 46)
    assert chosen.validate_every == 5
    assert chosen.ema_decay == 0.5
    assert config_for_rows(replace(FLOOR, ema_decay=0.0), 46).ema_decay == 0.0
    assert config_for_rows(replace(FLOOR, steps=8), 46) == replace(FLOOR, steps=8)
    assert config_for_rows(replace(FLOOR, min_steps=0), 46).epochs == 8


def test_it_is_said(caplog):
    with caplog.at_level(logging.INFO):
        config_for_rows(FLOOR, 46)
    (line,) = caplog.messages
    assert line == (
        "46 training rows are few: 48 epochs of batches of 16, so that there are 96 steps"
    )


@pytest.mark.parametrize("loop", [adapter_loop, pretrain_loop, finetune_loop])
def test_every_stage_has_a_floor(loop):
    assert steps_of(config_for_rows(loop(), 46), 46) >= 96


def test_a_negative_floor_is_refused():
    with pytest.raises(ConfigError, match="min_steps must not be negative, got -1"):
        LoopConfig(min_steps=-1)
