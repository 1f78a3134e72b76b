from dataclasses import asdict, fields

import pytest

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ConfigError


def test_lists_from_json_become_tuples():
    assert EncoderConfig(kernels=[5, 3, 3], strides=[1, 1, 1]) == EncoderConfig(
        kernels=(5, 3, 3), strides=(1, 1, 1)
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"width": 6}, "width must be a positive multiple of 4, got 6"),
        ({"kernels": (3, 3)}, "kernels must be three positive numbers"),
        ({"strides": (0, 1, 1)}, "strides must be three positive numbers"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"pooled_steps": 0}, "pooled_steps must be positive, got 0"),
        ({"patches": 0}, "patches must be positive, got 0"),
        ({"tabular_layers": -1}, "tabular_layers must be positive, got -1"),
        (
            {"token_width": 20, "heads": 4},
            r"token_width must be a positive multiple of twice the heads \(4\), got 20",
        ),
        ({"resnet_kernel": 8}, "resnet_kernel must be a positive odd number, got 8"),
        ({"shared": True}, "shared needs the encoder patch_transformer, got 'temporal_cnn'"),
    ],
)
def test_options_out_of_range_are_refused(option, message):
    with pytest.raises(ConfigError, match=message):
        EncoderConfig(**option)


def test_fields_that_came_later_do_not_count_while_they_have_their_default():
    assert EncoderConfig().identity() == {
        "kind": "temporal_cnn", "width": 96, "kernels": (24, 16, 8), "strides": (2, 2, 1),
        "dropout": 0.1, "aggregator_hidden": 64, "aggregator_width": 32, "pooled_steps": 16,
    }  # fmt: skip


def test_every_field_that_is_not_the_default_counts():
    changed = {
        "kind": "resnet", "width": 64, "kernels": (3, 3, 3), "strides": (1, 1, 1), "dropout": 0.0,
        "aggregator_hidden": 8, "aggregator_width": 8, "pooled_steps": 4, "patches": 5,
        "layers": 3, "heads": 1, "token_width": 64, "feedforward": 3, "lstm_stride": 1,
        "lstm_input_steps": 64,
        "resnet_kernel": 15, "resnet_blocks": 1, "tabular_layers": 2, "inception_modules": 3,
        "inception_kernel": 16, "inception_stride": 1, "sha256": "0f",
        "orientation": "turn_free", "faint": True,
        "by_modality": {"bvp": {"strides": (4, 4, 2)}},
    }  # fmt: skip
    names = {*changed, "shared", "fusion", "spectrum", "weights", "revision"}
    assert names == {field.name for field in fields(EncoderConfig)}
    assert EncoderConfig(**changed).identity() == changed
    joint = EncoderConfig(kind="patch_transformer", shared=True, fusion="joint").identity()
    assert (joint["shared"], joint["fusion"]) == (True, "joint")


def test_where_weights_lay_does_not_count_their_hash_does():
    mantis = EncoderConfig(kind="mantis", weights="a/b", revision="main", sha256="0f")
    assert mantis.identity() == EncoderConfig(kind="mantis", sha256="0f").identity()


def test_what_a_manifest_says_builds_the_same_configuration():
    config = EncoderConfig(kind="resnet", resnet_kernel=15)
    assert EncoderConfig(**asdict(config)) == config
    assert EncoderConfig(**config.identity()) == config
