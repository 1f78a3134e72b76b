"""Pretraining trains an encoder that is given: one of others' modules, or one to go on with."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sensor2llm.encoders.external import ExternalEncoder
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretraining.objective_config import CocoaConfig, CroSSLConfig
from sensor2llm.pretraining.run import pretrain
from sensor2llm.signals.splits.splits import split_by_subject
from sensor2llm.training.config import LoopConfig
from tests.pretraining.mixed import SMALL, build_encoder, make_store

LOOP = LoopConfig(epochs=1, batch_size=12, precision="float32")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("given"))


def trained(store, encoder, config):
    split = split_by_subject(store, seed=0)
    return pretrain(store, split, encoder, config, LOOP, progress_bar=False).encoder


def test_modules_of_others_learn(store):
    def linear(module, values):
        return module(values.transpose(1, 2))

    modules = {
        m.name: ExternalEncoder(nn.Linear(len(m.channels), 6), linear, features=6, width=8)
        for m in store.spec.modalities
    }
    encoder = SignalEncoder.from_modules(store.spec, modules, replace(SMALL, kind="temporal_cnn"))
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    found = trained(store, encoder, CroSSLConfig())
    assert found is encoder
    assert all(not torch.equal(before[name], w) for name, w in encoder.state_dict().items())


def test_crossl_teaches_the_aggregator_that_another_objective_left_alone(store):
    encoder = build_encoder()
    before = encoder.aggregator.layers[0].weight.clone()
    trained(store, encoder, CocoaConfig())
    assert torch.equal(encoder.aggregator.layers[0].weight, before)
    trained(store, encoder, CroSSLConfig())
    assert not torch.equal(encoder.aggregator.layers[0].weight, before)
