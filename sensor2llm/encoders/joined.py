"""Encoders of different data sets as one, which hears whatever sensors a window has.

    join_encoders([SignalEncoder.from_pretrained(name) for name in ("uci-har-encoder", "mine")])

Each modality keeps its encoder, weights and settings. The aggregator is new and untrained: the
bridge reads steps, and no embedding of all data sets' sensors was ever trained.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields, replace

from sensor2llm.encoders.config import OF_ALL, EncoderConfig
from sensor2llm.encoders.external import EXTERNAL
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.signals.views.side_by_side import side_by_side
from sensor2llm.training.seeding import seeded


def join_encoders(encoders: Sequence[SignalEncoder]) -> SignalEncoder:
    """Give one encoder with the modalities of all, in their order.

    Raises:
        ConfigError: width or pooled steps differ, two hear a modality of one name, or one has parts
            that cannot be told apart by modality (modules of others, one that is shared).
    """
    _check(encoders)
    specs = {str(i): encoder.spec for i, encoder in enumerate(encoders)}
    spec, _ = side_by_side(specs)
    first = encoders[0].config
    by_modality = {
        name: own
        for encoder in encoders
        for name in encoder.spec.names
        if (own := _different(encoder.config.of(name), first))
    }
    with seeded(0):  # the aggregator's weights are part of the fingerprint
        joined = SignalEncoder(spec, replace(first, by_modality=by_modality))
    for encoder in encoders:
        for name, module in zip(encoder.spec.names, encoder.modalities, strict=True):
            here = joined.modalities[spec.names.index(name)]
            here.load_state_dict(module.state_dict())
    return joined.eval()


def _different(own: EncoderConfig, first: EncoderConfig) -> dict[str, object]:
    plain = asdict(own)
    names = (f.name for f in fields(own) if f.name not in OF_ALL)
    return {name: plain[name] for name in names if plain[name] != asdict(first)[name]}


def _check(encoders: Sequence[SignalEncoder]) -> None:
    shapes = sorted({(e.config.width, e.config.pooled_steps) for e in encoders})
    if len(shapes) != 1:
        sizes = ", ".join(f"{width} and {steps}" for width, steps in shapes) or "no encoder"
        raise ConfigError(
            f"encoders that are joined need one width and one pooled_steps, got {sizes}; make them "
            "alike"
        )
    counts = Counter(name for encoder in encoders for name in encoder.spec.names)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ConfigError(
            f"two of the encoders hear {twice[0]!r}; joined encoders hear different modalities"
        )
    for encoder in encoders:
        if encoder.config.kind == EXTERNAL or encoder.backbone is not None:
            raise ConfigError(
                f"an encoder of {', '.join(encoder.spec.names)} has parts that are not one "
                "modality's; encoders with modules of others or a shared one are not joined"
            )
