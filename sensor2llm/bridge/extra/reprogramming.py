"""Say a window in the language model's own words: attention over prototypes of its vocabulary.

    body = Reprogramming(config, modalities, steps, in_width, llm.width)
    body.use_vocabulary(llm.embed(sample_words(llm.vocabulary)[None])[0])

The steps are first mixed into K vectors, each of which starts as the average of a stretch of the
window: the patches. A patch is a query. Keys and values are prototypes, learned mixtures of the
LLM's word vectors: E' = W E [Time-LLM, sec. 3.1]. The step that tells the window's scale, where
there is one, comes last, so it starts in the last patch.

Two things differ from Time-LLM. W has a column for each of `VOCABULARY_SAMPLE` words, evenly
spaced in the vocabulary, as a column for each of 150,000 words would be larger than many LLMs that
are steered here. And prototypes are normalised: word vectors have a standard deviation of some
hundredths, and attention over keys as small would start uniform, whatever the window.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.temporal_pooling import LearnedTemporalPooling, segments, token_modalities
from sensor2llm.errors import ModelError

VOCABULARY_SAMPLE = 2048


def sample_words(vocabulary: int) -> Int[Tensor, " word"]:
    """Give `VOCABULARY_SAMPLE` ids, evenly spaced from the first word to the last.

    A smaller vocabulary gives words more than once, so that W has one shape for every LLM and a
    saved bridge can be read without its LLM.
    """
    return torch.arange(VOCABULARY_SAMPLE) * (vocabulary - 1) // (VOCABULARY_SAMPLE - 1)


class Reprogramming(nn.Module):
    """K patches of the window, each a mixture of prototypes of the LLM's vocabulary.

    The words' vectors belong to the LLM: they are frozen, and they are not saved with the bridge.
    """

    vocabulary: Tensor | None

    def __init__(
        self, config: ProjectorConfig, modalities: int, steps: int, in_width: int, out_width: int
    ) -> None:
        super().__init__()
        seen = token_modalities(config, modalities)
        width, self.heads, self.dropout = config.hidden, config.heads, config.dropout
        self.mix = LearnedTemporalPooling(seen, steps, segments(seen, steps))
        self.query = _linear(in_width * int(seen[0].sum()), width)
        self.token = nn.Parameter(torch.randn(config.tokens, width))
        self.words = _linear(VOCABULARY_SAMPLE, config.prototypes)
        self.norm_prototypes = nn.LayerNorm(out_width)
        self.key = _linear(out_width, width)
        self.value = _linear(out_width, width)
        self.out_proj = nn.Linear(width, out_width)
        self.out_width = out_width
        self.register_buffer("vocabulary", None, persistent=False)

    def use_vocabulary(self, embeddings: Float[Tensor, "word width"]) -> None:
        """Set the word vectors; of more or fewer than `VOCABULARY_SAMPLE`, an even sample.

        Raises:
            ModelError: for vectors of another width than the language model's.
        """
        if embeddings.shape[1] != self.out_width:
            raise ModelError(
                f"word vectors are {embeddings.shape[1]} wide, but the projector was built for "
                f"{self.out_width}; use the language model that it was trained with"
            )
        rows = sample_words(len(embeddings)).to(embeddings.device)
        self.vocabulary = embeddings.detach()[rows].to(self.token)

    def prototypes(self) -> Float[Tensor, "prototype width"]:
        """Mix the word vectors into prototypes, normalised.

        Raises:
            ModelError: before `use_vocabulary`.
        """
        if self.vocabulary is None:
            raise ModelError(
                "the reprogramming projector needs the language model's embeddings; give them "
                "with use_vocabulary"
            )
        return self.norm_prototypes(self.words.weight @ self.vocabulary)

    def forward(
        self, steps: Float[Tensor, "batch modality step feature"]
    ) -> Float[Tensor, "batch token width"]:
        """Let each patch choose among the prototypes."""
        prototypes = self.prototypes()
        queries = self._split(self.query(self.mix(steps)) + self.token)
        chosen = nn.functional.scaled_dot_product_attention(
            queries,
            self._split(self.key(prototypes)[None]).expand(len(steps), -1, -1, -1),
            self._split(self.value(prototypes)[None]).expand(len(steps), -1, -1, -1),
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out_proj(chosen.transpose(1, 2).flatten(2))

    def _split(
        self, vectors: Float[Tensor, "batch vector hidden"]
    ) -> Float[Tensor, "batch head vector part"]:
        return vectors.unflatten(2, (self.heads, -1)).transpose(1, 2)


def _linear(in_width: int, out_width: int) -> nn.Linear:
    """Build a map that keeps the scale, so that attention starts neither uniform nor one-hot."""
    made = nn.Linear(in_width, out_width, bias=False)
    nn.init.normal_(made.weight, std=in_width**-0.5)
    return made
