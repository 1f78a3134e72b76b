"""Run a transformers model on input embeddings, whatever its family's forward takes.

runner = ModelRunner(model)
out = runner.run(vectors, ids, cache=runner.new_cache(), places=torch.tensor([7]))
out.logits                              at the places
"""

import inspect
from functools import cached_property
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import DummyLayer, DynamicLayer, DynamicSlidingWindowLayer


class ModelRunner:
    """Know what a model's layers hold from token to token, and what its forward takes.

    Args:
        model: a transformers causal language model.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def run(
        self,
        vectors: Float[Tensor, "batch length width"],
        ids: Int[Tensor, "batch length"] | None = None,
        *,
        mask: Tensor | None = None,
        positions: Int[Tensor, "batch length"] | None = None,
        cache: Cache | None = None,
        places: Int[Tensor, " place"] | None = None,
        states: bool = False,
    ) -> Any:
        """Run the model's forward on input embeddings.

        Args:
            vectors: embeddings of the positions that are computed.
            ids: their tokens; families whose layers embed them once more need them.
            mask: of padding, or an additive one.
            positions: position ids; counted from what is cached where None.
            cache: what is computed already; it is appended to.
            places: where logits are wanted; an index tensor, because what a count gives is a slice
                that is not contiguous, and the output head is many times slower on it.
            states: whether hidden states are wanted.
        """
        options: dict[str, Any] = {} if cache is None else {self.cache_argument: cache}
        selects = "logits_to_keep" in self._arguments
        if places is not None and selects:
            options["logits_to_keep"] = places
        if self.embeds_by_layer:
            assert ids is not None, "layers of this family embed the tokens once more"
            options["per_layer_inputs"] = self.model.get_decoder().get_per_layer_inputs(ids)
        output = self.model(
            # A copy: some families (CTRL) scale what they are given in its place.
            inputs_embeds=vectors.clone(),
            attention_mask=mask,
            position_ids=positions,
            use_cache=cache is not None,
            output_hidden_states=states,
            **options,
        )
        if places is not None and not selects:
            output.logits = output.logits[:, places]
        return output

    def new_cache(self) -> Cache:
        """Give an empty cache: keys and values, or the states that layers of this family hold."""
        # Windows are the mask's business: whole keys and values can be taken over by a Prefix.
        return DynamicCache(config=self.model.config) if self.recurrent else DynamicCache()

    @cached_property
    def recurrent(self) -> bool:
        """Say whether layers hold other states than keys and values of each position."""
        # A dummy reads the keys and values of another layer.
        plain = {DynamicLayer, DynamicSlidingWindowLayer, DummyLayer}
        return not {type(layer) for layer in self._cache_layers} <= plain

    @cached_property
    def window(self) -> int | None:
        """Give the fewest positions that a layer sees; None: every layer sees all."""
        windows = [
            layer.sliding_window
            for layer in self._cache_layers
            if getattr(layer, "is_sliding", False)
        ]
        return min(windows, default=None)

    @property
    def _cache_layers(self) -> list[Any]:
        try:
            return list(DynamicCache(config=self.model.config).layers)
        except (AttributeError, KeyError, TypeError, ValueError):
            return []  # a family without such a cache; what it takes is tried

    @property
    def embeds_by_layer(self) -> bool:
        """Say whether layers embed the tokens once more (Gemma 3n, Gemma 4)."""
        return bool(getattr(self.model.config.get_text_config(), "hidden_size_per_layer_input", 0))

    @property
    def takes_cache(self) -> bool:
        """Say whether the model's forward takes a cache; some swallow it without a word."""
        return self.cache_argument in self._arguments

    @property
    def cache_argument(self) -> str:
        """Name the argument of the model's forward that takes a cache: transformers renamed it."""
        return "cache" if "cache" in self._arguments else "past_key_values"

    @cached_property
    def _arguments(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.model.forward).parameters)
