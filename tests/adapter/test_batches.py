"""What a model takes: batches are cut, joined, asked, and their modalities taken away."""

from dataclasses import fields, replace

import pytest
import torch

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import FeatureBatch, Request, RequestBatch, hide_signals
from sensor2llm.adapter.builders import build_cross_attention, build_projector
from sensor2llm.adapter.signal_text import window_variables
from sensor2llm.bridge.config import PROJECTOR_KINDS, ProjectorConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.modality_encoders import MODALITY_ENCODERS
from sensor2llm.encoders.signal_encoder import SignalEncoder
from tests.models import normaliser, small_adapter, small_model, tiny_llm, windows
from tests.signals.stores import SPEC

NAMES = {"values", "scale"}


@pytest.fixture(scope="module")
def signals():
    """Give six normalised windows; some lack a modality."""
    return small_model().adapter.collate(windows(6))


def full_batch(rows: int = 5) -> FeatureBatch:
    """Give a batch in which every field is filled, and every row is another one."""
    modalities = len(SPEC.names)
    return FeatureBatch(
        labels=torch.arange(rows),
        steps=torch.randn(rows, modalities, 4, 8),
        present=torch.arange(rows * modalities).reshape(rows, modalities) % 4 != 1,
        texts=tuple(f"text {i}" for i in range(rows)),
        scale=torch.randn(rows, modalities, 6),
        template_values=tuple({"values": {"age": str(i)}} for i in range(rows)),
        requests=tuple(Request("captioning", answer=f"answer {i}") for i in range(rows)),
    )


def assert_equal(found: FeatureBatch, expected: FeatureBatch) -> None:
    for one in fields(FeatureBatch):
        mine, other = getattr(found, one.name), getattr(expected, one.name)
        assert torch.equal(mine, other) if isinstance(mine, torch.Tensor) else mine == other


def test_parts_joined_again_are_the_whole():
    whole = full_batch()
    assert_equal(
        FeatureBatch.join([whole.select([0]), whole.select([1, 2]), whole.select([3, 4])]), whole
    )
    assert FeatureBatch.join([whole]) is whole


def test_taken_rows_keep_everything_that_is_theirs():
    whole = full_batch()
    found = whole.select([3, 1])
    assert len(found) == 2
    assert found.labels.tolist() == [3, 1]
    assert torch.equal(found.steps, whole.steps[[3, 1]])
    assert torch.equal(found.present, whole.present[[3, 1]])
    assert torch.equal(found.scale, whole.scale[[3, 1]])
    assert found.texts == ("text 3", "text 1")
    assert [given["values"]["age"] for given in found.template_values] == ["3", "1"]
    assert [asked.answer for asked in found.requests] == ["answer 3", "answer 1"]


def test_fields_that_are_not_there_stay_so():
    labels = FeatureBatch(torch.arange(4))
    for found in (labels.select([1]), FeatureBatch.join([labels, labels]), labels.to("cpu")):
        assert {one.name for one in fields(found) if getattr(found, one.name) is not None} == {
            "labels"
        }


def test_windows_are_alike_where_nothing_of_the_prompt_is_their_own():
    plain = replace(full_batch(), texts=None, template_values=None, requests=None)
    assert plain.shares_prompt
    for name in ("texts", "template_values", "requests"):
        assert not replace(plain, **{name: getattr(full_batch(), name)}).shares_prompt


def test_asking_changes_nothing_but_what_is_asked():
    whole = full_batch()
    requests = [Request("regression")] * 5
    assert_equal(whole.with_requests(requests), replace(whole, requests=tuple(requests)))
    assert_equal(whole.with_requests(None), replace(whole, requests=None))


def test_every_tensor_moves():
    moved = full_batch().to("meta")
    for name in ("labels", "steps", "present", "scale"):
        assert getattr(moved, name).device.type == "meta"
    assert moved.requests == full_batch().requests


def test_what_is_hidden_is_not_present_and_the_given_batch_stays_whole():
    whole = full_batch()
    before = whole.present.clone()
    hidden = torch.zeros_like(before)
    hidden[2, 1] = hidden[3, 0] = True
    found = whole.mask_modalities(hidden)
    assert torch.equal(found.present, before & ~hidden)
    assert torch.equal(found.mask_modalities(hidden).present, found.present)
    assert torch.equal(whole.present, before)
    assert torch.equal(found.steps, whole.steps)


def test_hidden_signals_are_zero_and_absent_and_the_others_are_as_they_were(signals):
    hidden = torch.zeros_like(signals.present)
    hidden[0, 1] = hidden[4, 2] = True
    found = hide_signals(signals, hidden)
    for i, name in enumerate(SPEC.names):
        gone = hidden[:, i]
        assert not found.signals[name][gone].any()
        assert torch.equal(found.signals[name][~gone], signals.signals[name][~gone])
    assert torch.equal(found.present, signals.present & ~hidden)
    assert torch.equal(found.labels, signals.labels)


def test_an_asked_batch_hides_its_signals_and_keeps_its_questions(signals):
    asked = tuple(Request("captioning", answer=str(i)) for i in range(6))
    hidden = torch.zeros_like(signals.present)
    hidden[:, 0] = True
    found = RequestBatch(signals, asked).mask_modalities(hidden)
    expected = hide_signals(signals, hidden)
    assert len(found) == 6
    assert found.requests == asked
    assert torch.equal(found.signals.present, expected.present)
    assert all(torch.equal(found.signals.signals[n], expected.signals[n]) for n in SPEC.names)
    assert found.to("meta").signals.present.device.type == "meta"


def bridged(kind: str, projector: ProjectorConfig) -> SensorAdapter:
    """Build an adapter with encoders of this kind and this bridge."""
    llm = tiny_llm()
    torch.manual_seed(0)
    sizes = EncoderConfig(kind=kind, width=8, pooled_steps=4, token_width=8, patches=4)
    encoder = SignalEncoder(SPEC, sizes).requires_grad_(False)
    built = build_projector(projector, encoder, llm.width, llm.embedding_std)
    built.use_vocabulary(torch.randn(200, llm.width))
    gated = None
    if projector.kind == "cross_attention":
        mark = torch.zeros(1, llm.width)
        gated = build_cross_attention(projector, mark, layers=1, hidden=llm.width)
    return small_adapter(
        llm, encoder=encoder, projector=built, projector_config=projector, cross_attention=gated
    ).eval()


@pytest.mark.parametrize(
    ("kind", "projector", "scale"),
    [
        *((kind, "mlp", False) for kind in MODALITY_ENCODERS),
        *(("temporal_cnn", kind, scale) for kind in PROJECTOR_KINDS for scale in (False, True)),
    ],
)
def test_a_bridge_cannot_tell_hidden_features_from_a_sensor_that_is_missing(
    signals, kind: str, projector: str, scale: bool
):
    config = ProjectorConfig(kind=projector, tokens=4, hidden=16, scale=scale)
    adapter = bridged(kind, config)
    hidden = torch.zeros_like(signals.present)
    hidden[:3, 0] = hidden[3:, 2] = True
    with torch.no_grad():
        of_signals = adapter.features(hide_signals(signals, hidden))
        of_features = adapter.features(signals).mask_modalities(hidden)
        found, expected = (adapter.media(batch) for batch in (of_features, of_signals))
    assert torch.equal(of_signals.present, of_features.present)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        whole = adapter.media(adapter.features(signals))
    assert not torch.allclose(found, whole, atol=1e-3)


def test_a_prompt_tells_nothing_of_modalities_that_were_hidden(signals):
    known = window_variables(signals, SPEC, normaliser(SPEC), NAMES)
    features = FeatureBatch(signals.labels, present=signals.present, template_values=known)
    hidden = torch.zeros_like(signals.present)
    hidden[:, 0] = True
    hidden[1::2, 2] = True
    expected = window_variables(hide_signals(signals, hidden), SPEC, normaliser(SPEC), NAMES)
    assert features.mask_modalities(hidden).template_variables(SPEC) == expected
    assert features.template_variables(SPEC) == known
    assert any(a != b for a, b in zip(known, expected, strict=True))
    assert FeatureBatch(signals.labels).template_variables(SPEC) is None
