"""Run a transformers model on input embeddings, whatever its family's forward takes.

runner = ModelRunner(model)
out = runner.run(vectors, ids, cache=runner.new_cache(), places=torch.tensor([7]))
out.logits                              at the places
states = runner.run(vectors, ids, places=torch.tensor([7]), head=False).logits
runner.logits(states)                   the same, where `runner.splits_head`
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import Cache, DynamicCache
from transformers.cache_utils import DummyLayer, DynamicLayer, DynamicSlidingWindowLayer
from transformers.modeling_outputs import ModelOutput

from sensor2llm.llm.short_attention import FAMILIES
from sensor2llm.llm.tuning.hooks import decoder_layers, input_device, turn
from sensor2llm.llm.tuning.recomputation import replaced

MOST_LOGITS = 2**25
"""Logits that are computed at once; of more places, in parts."""
MOST_TRAINED_LOGITS = 2**27
"""The same where gradients are taken: the backward pass computes parts once more."""
MOST_FLOATS = {"cpu": 2**19, "cuda": 2**22}
"""Logits that are held as float32 at once beside their own type; on a CPU as many as its cache
holds: four times as fast as 2**22, of which the system has to give and take the pages each time."""


class ModelRunner:
    """Know what a model's layers hold from token to token, and what its forward takes.

    Args:
        model: a transformers causal language model.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._decoded: type[ModelOutput] = ModelOutput

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
        head: bool = True,
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
            states: whether hidden states are wanted; the last ones are right at the places alone.
            head: whether the output head is run; without it the output has in `logits` what
                `logits` takes. For models whose head can be split off, and with `places`.
        """
        options: dict[str, Any] = {} if cache is None else {self.cache_argument: cache}
        if self.embeds_by_layer:
            assert ids is not None, "layers of this family embed the tokens once more"
            options["per_layer_inputs"] = self.model.get_decoder().get_per_layer_inputs(ids)
        # A copy: some families (CTRL) scale what they are given in its place.
        options |= {"inputs_embeds": vectors.clone(), "attention_mask": mask}
        options |= {"position_ids": positions, "use_cache": cache is not None}
        options |= {"output_hidden_states": states}
        assert head or places is not None, "without its head a model is run for some places"
        with turn(self.model):
            return self.model(**options) if places is None else self._at(places, options, head)

    def _at(self, places: Int[Tensor, " place"], options: dict[str, Any], head: bool) -> Any:
        with self._last_layer_at(places, options["inputs_embeds"].shape[1]):
            if not head:
                return self._run_decoder(options, places)
            if "logits_to_keep" in self._arguments:
                return self.model(**options, logits_to_keep=places)
            output = self.model(**options)
            output.logits = output.logits[:, places]
            return output

    @contextmanager
    def _last_layer_at(self, places: Int[Tensor, " place"], length: int) -> Iterator[None]:
        """Let the last layer's feed-forward run where it is read: no layer looks at the others.

        Not where gradients are taken, since a layer that is computed once more is computed whole.
        """
        known = self.model.config.model_type in FAMILIES
        if not known or torch.is_grad_enabled() or len(places) == length:
            yield
            return
        mlp: Any = decoder_layers(self.model)[-1].mlp
        whole = mlp.forward

        def at_places(states: Float[Tensor, "batch length hidden"]) -> Tensor:
            at = places.to(states.device)
            part = whole(states[:, at])
            return part.new_zeros(states.shape).index_copy(1, at, part)

        with replaced(mlp, at_places):
            yield

    def _run_decoder(self, options: dict[str, Any], places: Int[Tensor, " place"]) -> Any:
        decoded: list[ModelOutput] = []
        decoder = self.model.get_decoder()
        hook = decoder.register_forward_hook(lambda *call: decoded.append(call[-1]))
        try:
            output = self.model(**options, logits_to_keep=places[:0])
        finally:
            hook.remove()
        self._decoded = type(decoded[0])
        # The last layer may lie on another device than the first.
        output.logits = decoded[0].last_hidden_state.to(places.device)[:, places]
        return output

    def logits(
        self, states: Float[Tensor, "batch place hidden"]
    ) -> Float[Tensor, "batch place vocabulary"]:
        """Give the logits of what the decoder gave: the family's own forward without its decoder.

        Args:
            states: of `run` without the head.
        """
        output = self._decoded(last_hidden_state=states)
        with turn(self.model), replaced(self.model.get_decoder(), lambda *_, **__: output):
            return self.model(inputs_embeds=states, use_cache=False).logits

    def fits_whole(self, batch: int, places: int) -> bool:
        """Say whether the logits of so many places are computed at once."""
        most = MOST_TRAINED_LOGITS if torch.is_grad_enabled() else MOST_LOGITS
        return batch * places * self.vocabulary <= most or not self.splits_head

    def log_probs(
        self,
        outputs: Float[Tensor, "batch place output"],
        places: Int[Tensor, "batch edge"],
        tokens: Int[Tensor, "batch edge"],
        whole: bool,
    ) -> Float[Tensor, "batch edge"]:
        """Give log-probabilities of tokens at places, over the whole vocabulary.

        Args:
            outputs: logits where they are `whole`, else what `logits` takes; they are then computed
                some places at a time, and once more in a backward pass.
            places: among those of `outputs`; 0 is the log-probability at a negative one.
            tokens: at these places.
            whole: of `fits_whole`.
        """
        if whole:
            return _log_probs(outputs, places, tokens)
        most = max(1, MOST_LOGITS // (len(outputs) * self.vocabulary))
        total = outputs.new_zeros(places.shape, dtype=torch.float32)
        for first in range(0, outputs.shape[1], most):
            part = partial(self._part, places=places - first, tokens=tokens)
            # A slice of places is not contiguous, and the output head tens of times slower on it.
            states = outputs[:, first : first + most].contiguous()
            total = total + checkpoint(part, states, use_reentrant=False, preserve_rng_state=False)
        return total

    def _part(self, states: Tensor, *, places: Tensor, tokens: Tensor) -> Tensor:
        return _log_probs(self.logits(states), places, tokens)

    @cached_property
    def splits_head(self) -> bool:
        """Say whether the output head gives the same by itself: tried once, on two tokens."""
        ids = torch.arange(2, device=input_device(self.model))
        vectors = self.model.get_input_embeddings()(ids[None])
        try:
            with torch.no_grad():
                expected = self.run(vectors, ids[None], places=ids).logits
                states = self.run(vectors, ids[None], places=ids, head=False).logits
                return torch.equal(self.logits(states), expected)
        except Exception:  # whatever a family raises means the same: not this way
            return False

    @property
    def vocabulary(self) -> int:
        """Give the number of logits at a place, or about it: rows of the embedding table."""
        return int(self.model.get_input_embeddings().num_embeddings)

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


def _log_probs(
    logits: Float[Tensor, "batch place vocabulary"],
    places: Int[Tensor, "batch edge"],
    tokens: Int[Tensor, "batch edge"],
) -> Float[Tensor, "batch edge"]:
    """Give log-probabilities of tokens at places, 0 at places that are none of these."""
    inside, at = (places >= 0) & (places < logits.shape[1]), places.clamp(0, logits.shape[1] - 1)
    rows = torch.arange(len(logits), device=logits.device)[:, None]
    most = MOST_FLOATS.get(logits.device.type, MOST_FLOATS["cuda"])
    parts = logits.flatten(0, 1).split(max(1, most // logits.shape[-1]))
    sums = torch.cat([part.float().logsumexp(-1) for part in parts]).view(logits.shape[:2])
    return (logits[rows, at, tokens].float() - sums.gather(1, at)) * inside
