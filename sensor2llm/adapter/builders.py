"""Build the parts of an adapter that fit an encoder and an LLM of known sizes."""

from jaxtyping import Float
from torch import Tensor

from sensor2llm.adapter.signal_text import count_statistics
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.extra.cross_attention import GatedCrossAttention
from sensor2llm.bridge.projectors import Projector
from sensor2llm.encoders.signal_encoder import SignalEncoder


def build_projector(
    config: ProjectorConfig, encoder: SignalEncoder, llm_width: int, target_std: float
) -> Projector:
    """Build the projector that fits between an encoder and an LLM of this embedding width."""
    modalities, steps = len(encoder.spec.modalities), encoder.config.pooled_steps
    statistics = count_statistics(encoder.spec) if config.scale else 0
    return Projector(
        config, modalities, steps, encoder.width, llm_width, target_std, statistics=statistics
    )


def build_cross_attention(
    config: ProjectorConfig, mark: Float[Tensor, "1 width"], layers: int, hidden: int
) -> GatedCrossAttention:
    """Build the gated layers for an LLM.

    Args:
        config: sizes of the bridge.
        mark: what stands where a window is; as wide as the LLM's embeddings.
        layers: decoder layers of the LLM.
        hidden: width of the LLM's hidden states.
    """
    return GatedCrossAttention(
        mark,
        layers=layers,
        width=hidden,
        media_width=config.hidden,
        hidden=config.hidden,
        heads=config.heads,
        every=config.every,
        dropout=config.dropout,
    )
