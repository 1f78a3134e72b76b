"""SensorAdapter: everything a frozen LLM needs to hear one kind of sensor window.

    adapter = SensorAdapter(data=…, prompt=…, llm=…, bridge=…, tuning=…)
    adapter.save_pretrained("runs/har")
    adapter = SensorAdapter.from_pretrained("runs/har")     a folder, a released name or a hub name

`sensor2llm.adapter.batches` says what goes in. Notation: K signal tokens (`signal`), P soft-prompt
vectors (`soft`), `width` the LLM's embedding width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.adapter.files import push_adapter, read_adapter, write_adapter
from sensor2llm.adapter.parts import (
    AdapterData,
    AdapterParts,
    AdapterPrompt,
    Bridge,
    LLMReference,
    LLMTuning,
    Provenance,
)
from sensor2llm.adapter.signal_text import scale_statistics, window_variables
from sensor2llm.adapter.trust import Trust
from sensor2llm.bridge.temporal_pooling import token_modalities
from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.llm.catalogue.entries import CATALOGUE
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.signals.dataset import SignalBatch, collate_windows
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window

Group = TypeVar("Group", AdapterData, AdapterPrompt, Bridge, LLMTuning, Provenance)


class SensorAdapter(nn.Module):
    """Hold encoder, projector and soft prompt, and the plain facts that belong to them.

    What is in the groups stands on the adapter itself: `adapter.spec`, `adapter.encoder`, ….

    Args:
        data: spec, labels, normalisation.
        prompt: template and form; further tasks' templates.
        llm: the LLM that it is trained for.
        bridge: encoder and projector; empty for a text prompt with a soft prompt alone.
        tuning: soft prompt, prefix, LoRA.
        provenance: recipe, and who taught it.
        trust: its training windows' looks, and its calibration.
    """

    def __init__(
        self,
        *,
        data: AdapterData,
        prompt: AdapterPrompt,
        llm: LLMReference,
        bridge: Bridge | None = None,
        tuning: LLMTuning | None = None,
        provenance: Provenance | None = None,
        trust: Trust | None = None,
    ) -> None:
        super().__init__()
        bridge, tuning = bridge or Bridge(), tuning or LLMTuning()
        provenance, self.trust = provenance or Provenance(), trust or Trust()
        self.spec, self.normaliser, self.signal_text = data.spec, data.normaliser, data.signal_text
        self.label_names = tuple(data.label_names)
        self.label_texts = tuple(data.label_texts or data.label_names)
        self.label_prior = tuple(data.label_prior or (0.0,) * len(data.label_names))
        self.template, self.form = prompt.template, prompt.form
        self.templates = {prompt.template.task: prompt.template, **prompt.templates}
        self.llm_name, self.llm_identity = llm.name, llm.identity
        self.check_windows, self.cross_attention = llm.check_windows, bridge.cross_attention
        self.encoder, self.projector = bridge.encoder, bridge.projector
        self.projector_config, self.soft_prompt = bridge.projector_config, tuning.soft_prompt
        self.prefix, self.lora, self.head = tuning.prefix, tuning.lora, bridge.head
        self.recipe, self.recipe_changes = dict(provenance.recipe), provenance.recipe_changes
        self.taught = tuple(provenance.taught)

    @property
    def parts(self) -> AdapterParts:
        """Give the groups as they stand now."""

        def group(kind: type[Group]) -> Group:
            return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})

        return AdapterParts(
            data=group(AdapterData),
            prompt=group(AdapterPrompt),
            llm=LLMReference(self.llm_name, self.llm_identity, self.check_windows),
            bridge=group(Bridge),
            tuning=group(LLMTuning),
            provenance=group(Provenance),
            trust=self.trust,
        )

    @property
    def signal_tokens(self) -> int:
        """Give K, the signal tokens of a window; 0 without an encoder.

        With cross-attention it is one: the mark that says where the window stands in the text.
        """
        if self.cross_attention is not None:
            return 1
        return self.projector_config.tokens if self.projector_config else 0

    @property
    def token_owners(self) -> tuple[str, ...] | None:
        """Name the modality that each signal token hears; None where each hears all."""
        config = self.projector_config
        if config is None or not config.per_modality or self.cross_attention is not None:
            return None
        seen = token_modalities(config, len(self.spec.names))
        return tuple(self.spec.names[i] for i in seen.int().argmax(1).tolist())

    @property
    def frozen(self) -> bool:
        """Say whether the LLM computes with its own weights alone: no LoRA."""
        return self.lora is None

    def template_of(self, task: str | None = None) -> PromptTemplate:
        """Give the template of a task; the adapter's own where None.

        Raises:
            ConfigError: the adapter was not made for this task.
        """
        if task is None or task == self.template.task:
            return self.template
        if task not in self.templates:
            tasks = ", ".join(self.templates)
            raise ConfigError(f"the adapter knows no task {task!r}; its tasks are {tasks}")
        return self.templates[task]

    @property
    def window_variables(self) -> set[str]:
        """Name the template variables that each window fills itself: values, scale."""
        variables: set[str] = set()
        for template in self.templates.values():
            form = self.form if self.form in template.forms else "encoded"
            variables |= template.uses(form) if form in template.forms else set()
        return variables & {"values", "scale"}

    @property
    def soft_tokens(self) -> int:
        """Give P, the vectors of the soft prompt."""
        return 0 if self.soft_prompt is None else len(self.soft_prompt.vectors)

    def train(self, mode: bool = True) -> "SensorAdapter":
        """Switch modes; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.encoder is not None and not self.trains_encoder:
            self.encoder.eval()
        return self

    @property
    def trains_encoder(self) -> bool:
        """Say whether any of the encoder's weights take a gradient."""
        return self.encoder is not None and any(p.requires_grad for p in self.encoder.parameters())

    def collate(self, windows: Sequence[Window]) -> SignalBatch:
        """Put windows into a normalised batch.

        Raises:
            SpecError: a window does not fit the adapter's spec.
            DataError: a window's label is unknown.
        """
        return collate_windows(windows, self.spec, self.normaliser, self.label_names)

    def align(self, batch: SignalBatch, spec: SignalSpec) -> SignalBatch:
        """Put a batch of another spec into this adapter's order; what `spec` lacks is missing.

        Raises:
            SpecError: modalities that both have differ, or `spec` has one that is unknown here.
        """
        self.spec.check_compatible(spec)
        if spec.names == self.spec.names:
            return batch
        n, device = len(batch), batch.present.device
        signals, present = {}, torch.zeros(n, len(self.spec.names), dtype=torch.bool, device=device)
        for i, modality in enumerate(self.spec.modalities):
            if modality.name in spec:
                signals[modality.name] = batch.signals[modality.name]
                present[:, i] = batch.present[:, spec.names.index(modality.name)]
            else:
                shape = (n, len(modality.channels), modality.steps)
                signals[modality.name] = torch.zeros(shape, device=device)
        return replace(batch, signals=signals, present=present)

    def features(self, batch: SignalBatch) -> FeatureBatch:
        """Encode a batch, or write it as text where there is no encoder.

        A frozen encoder runs without gradients: keep its features and train on them.
        """
        values = window_variables(batch, self.spec, self.normaliser, self.window_variables)
        if self.encoder is None:
            texts = self.signal_text.rows(batch, self.spec, self.normaliser)
            return FeatureBatch(batch.labels, texts=texts, template_values=values)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_encoder):
            encoded = self.encoder.features(batch)
        takes_scale = self.projector_config is not None and self.projector_config.scale
        scale = scale_statistics(batch, self.spec) if takes_scale else None
        return FeatureBatch(
            batch.labels, encoded.steps, encoded.present, scale=scale, template_values=values
        )

    def media(self, batch: FeatureBatch) -> Float[Tensor, "batch signal out"] | None:
        """Project features to K vectors: signal tokens, or media of cross-attention."""
        if self.projector is None:
            return None
        if batch.steps is None or batch.present is None:
            raise ConfigError("this adapter has an encoder; give it encoded features, not texts")
        dtype = next(self.projector.parameters()).dtype
        scale = None if batch.scale is None else batch.scale.to(dtype)
        return self.projector(batch.steps.to(dtype), batch.present, scale)

    def signal_vectors(self, batch: FeatureBatch) -> Float[Tensor, "batch signal width"] | None:
        """Give what stands at the signal placeholders; None without an encoder."""
        if self.cross_attention is not None:
            return self.cross_attention.mark.expand(len(batch), 1, -1)
        return self.media(batch)

    def soft_vectors(self) -> Float[Tensor, "soft width"] | None:
        """Give the soft prompt; None where P is 0."""
        return None if self.soft_prompt is None else self.soft_prompt.vectors

    def llm_place(self) -> str:
        """Say where the LLM is loaded from: a name, or the recipe's folder or GGUF file.

        Raises:
            ArtefactError: the adapter was trained on a folder or file that is no longer there.
        """
        place = self.recipe.get("llm")
        if not isinstance(place, str) or place == self.llm_name:
            return self.llm_name
        if Path(place).expanduser().exists():
            return place
        if self.llm_name in CATALOGUE:
            return self.llm_name
        raise ArtefactError(
            f"the adapter is trained for the LLM '{self.llm_name}', which is not at {place} any "
            "more; say where it is (--llm FOLDER, or its GGUF file)"
        )

    def check_llm(self, name: str, identity: str) -> None:
        """Refuse another LLM than the one that the adapter is trained for.

        Raises:
            ArtefactError: naming both sides.
        """
        if identity != self.llm_identity:
            raise ArtefactError(
                f"the adapter is trained for the LLM '{self.llm_name}' ({self.llm_identity[:19]}), "
                f"not for '{name}' ({identity[:19]}); load that LLM, or try --llm-accept"
            )

    def save_pretrained(self, folder: str | Path, records: Mapping[str, Any] | None = None) -> Path:
        """Write the adapter's files; after any error the old ones stand unchanged.

        Args:
            folder: where it goes; other files there are left alone.
            records: by file name, what is kept beside it as JSON.

        Raises:
            ArtefactError: its encoder has modules of others, which no file can bring back.
        """
        return write_adapter(self.parts, Path(folder), records)

    @classmethod
    def from_pretrained(cls, name: str | Path) -> "SensorAdapter":
        """Read an adapter from a folder, a name under `adapters/` or a hub name.

        Raises:
            ArtefactError: there is none, or it is broken or of another format.
        """
        return cls(**vars(read_adapter(name))).eval()

    save, load = save_pretrained, from_pretrained

    def push_to_hub(
        self, repo_id: str, folder: str | Path | None = None, *, private: bool = True
    ) -> str:
        """Upload the adapter's files to the Hugging Face hub and return the commit's address.

        Args:
            repo_id: OWNER/NAME.
            folder: where it was saved and measured, so that metrics and card go along; its files
                are written anew where None.
            private: who sees it; a repository that is there stays as it is.

        Raises:
            ArtefactError: the folder is of other weights than these.
        """
        return push_adapter(self.parts, repo_id, Path(folder) if folder else None, private=private)
