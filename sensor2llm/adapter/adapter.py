"""SensorAdapter: everything a frozen LLM needs to hear one kind of sensor window.

    adapter = SensorAdapter(spec=…, label_names=…, encoder=…, projector=…, soft_prompt=…, …)
    adapter.save("runs/har")
    adapter = SensorAdapter.load("runs/har")        a folder, a released name or a hub name

`sensor2llm.adapter.batches` says what goes in. Notation: K signal tokens (`signal`), P soft-prompt
vectors (`soft`), `width` the LLM's embedding width. An adapter knows its LLM only by name and
identity; `sensor2llm.model.model` brings the two together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.adapter.signal_text import SignalText, scale_statistics, window_variables
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.extra.cross_attention import GatedCrossAttention
from sensor2llm.bridge.number_head import NumberHead
from sensor2llm.bridge.projectors import Projector
from sensor2llm.bridge.temporal_pooling import token_modalities
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.llm.chat import check_plain
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.llm.tuning.prefix_tuning import LearnedPrefix
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.signals.dataset import SignalBatch, collate_windows
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.window import Window


class SensorAdapter(nn.Module):
    """Hold encoder, projector and soft prompt, and the plain facts that belong to them.

    Args:
        spec: channels, units and rates of the windows.
        label_names: the labels as the data names them.
        label_texts: the labels as the LLM reads and writes them; the names where None.
        template: the prompt template; it is stored with the adapter.
        templates: of further tasks (question_answering, captioning, regression), by task.
        form: which of the templates' forms is used.
        llm_name: `bundled` or a hub name, never a path.
        llm_identity: of the LLM that the adapter is trained for.
        normaliser: applied to windows before the encoder; None for none.
        encoder: signal encoder; None for a text prompt with a soft prompt alone.
        projector: encoder steps to K signal tokens; needed with an encoder.
        projector_config: what `projector` was built from.
        soft_prompt: P learned vectors; None for P = 0.
        cross_attention: gated layers before the LLM's own; with projector kind cross_attention.
        prefix: learned keys and values of every layer (prefix tuning); None for none.
        lora: low-rank changes of the LLM's linear maps (LoRA); None for none.
        head: reads a number off the LLM's last hidden state (regression); None for none.
        signal_text: how a window is written where there is no encoder.
        label_prior: subtracted from each label's log-likelihood; zeros where None.
        recipe: the whole run as a plain mapping.
        taught: who taught it and its encoder; empty where that is not known.

    Raises:
        ConfigError: the parts do not fit each other.
    """

    def __init__(
        self,
        *,
        spec: SignalSpec,
        label_names: Sequence[str],
        template: PromptTemplate,
        llm_name: str,
        llm_identity: str,
        label_texts: Sequence[str] | None = None,
        form: str = "encoded",
        normaliser: Normaliser | None = None,
        encoder: SignalEncoder | None = None,
        projector: Projector | None = None,
        projector_config: ProjectorConfig | None = None,
        soft_prompt: SoftPrompt | None = None,
        cross_attention: GatedCrossAttention | None = None,
        prefix: LearnedPrefix | None = None,
        lora: LoraWeights | None = None,
        head: NumberHead | None = None,
        templates: Mapping[str, PromptTemplate] | None = None,
        signal_text: SignalText | None = None,
        label_prior: Sequence[float] | None = None,
        recipe: Mapping[str, Any] | None = None,
        taught: Sequence[Taught] = (),
    ) -> None:
        super().__init__()
        self.spec, self.template, self.form = spec, template, form
        self.label_names = tuple(label_names)
        self.label_texts = tuple(self.label_names if label_texts is None else label_texts)
        self.llm_name, self.llm_identity = llm_name, llm_identity
        self.normaliser, self.recipe = normaliser, dict(recipe or {})
        self.taught = tuple(taught)
        self.encoder, self.projector = encoder, projector
        self.projector_config, self.soft_prompt = projector_config, soft_prompt
        self.cross_attention, self.prefix, self.lora = cross_attention, prefix, lora
        self.head = head
        self.templates = {template.task: template, **(templates or {})}
        self.signal_text = signal_text or SignalText()
        self.label_prior = tuple(label_prior or (0.0,) * len(self.label_names))
        self._check()

    def _check(self) -> None:
        for text in (*self.label_names, *self.label_texts):
            check_plain(text, "a label")
        if self.normaliser is not None:
            self.normaliser.check(self.spec)
        if (self.encoder is None) != (self.projector is None):
            raise ConfigError("an encoder needs a projector, and a projector an encoder")
        if (self.projector is None) != (self.projector_config is None):
            raise ConfigError("projector and projector_config belong together; give both")
        crossing = self.projector_config and self.projector_config.kind == "cross_attention"
        if bool(crossing) != (self.cross_attention is not None):
            raise ConfigError("a projector of kind cross_attention and gated layers go together")
        for name in ("label_texts", "label_prior"):
            if len(getattr(self, name)) != len(self.label_names):
                raise ConfigError(
                    f"{name} needs one entry a label: {len(self.label_names)} labels, "
                    f"{len(getattr(self, name))} entries"
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
    def llm_width(self) -> int | None:
        """Give the LLM's embedding width; None without an encoder."""
        if self.cross_attention is not None:
            return self.cross_attention.mark.shape[-1]
        return None if self.projector is None else self.projector.out_width

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
            known = ", ".join(self.templates)
            raise ConfigError(f"the adapter knows no task {task!r}; its tasks are {known}")
        return self.templates[task]

    @property
    def window_variables(self) -> set[str]:
        """Name the template variables that each window fills itself: values, scale."""
        found: set[str] = set()
        for template in self.templates.values():
            form = self.form if self.form in template.forms else "encoded"
            found |= template.uses(form) if form in template.forms else set()
        return found & {"values", "scale"}

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
        given = window_variables(batch, self.spec, self.normaliser, self.window_variables)
        if self.encoder is None:
            texts = self.signal_text.rows(batch, self.spec, self.normaliser)
            return FeatureBatch(batch.labels, texts=texts, given=given)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_encoder):
            found = self.encoder.features(batch)
        takes_scale = self.projector_config is not None and self.projector_config.scale
        scale = scale_statistics(batch, self.spec) if takes_scale else None
        return FeatureBatch(batch.labels, found.steps, found.present, scale=scale, given=given)

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
        """Say where the LLM is loaded from: `bundled`, a hub name, or the recipe's folder.

        Raises:
            ArtefactError: the adapter was trained on a folder that is no longer there.
        """
        given = self.recipe.get("llm")
        if not isinstance(given, str) or given == self.llm_name:
            return self.llm_name
        if Path(given).expanduser().is_dir():
            return given
        raise ArtefactError(
            f"the adapter is trained for the LLM folder '{self.llm_name}', which is not at "
            f"{given} any more; say where it is (--llm FOLDER)"
        )

    def check_llm(self, name: str, identity: str) -> None:
        """Refuse another LLM than the one that the adapter is trained for.

        Raises:
            ArtefactError: naming both sides.
        """
        if identity != self.llm_identity:
            raise ArtefactError(
                f"the adapter is trained for the LLM '{self.llm_name}' ({self.llm_identity[:19]}), "
                f"not for '{name}' ({identity[:19]}); load that LLM, or train an adapter for this"
            )

    def save(self, folder: str | Path) -> Path:
        """Write the adapter's files; after any error the old ones stand unchanged."""
        from sensor2llm.adapter.files import save_adapter

        return save_adapter(self, Path(folder))

    @classmethod
    def load(cls, name: str | Path) -> "SensorAdapter":
        """Read an adapter from a folder, a name under `adapters/` or a hub name.

        Raises:
            ArtefactError: there is none, or it is broken or of another format.
        """
        from sensor2llm.adapter.files import load_adapter

        return load_adapter(name)

    def push_to_hub(self, repo_id: str, *, private: bool = True) -> str:
        """Upload the adapter's files to the Hugging Face hub and return the commit's address."""
        from sensor2llm.adapter.files import push_adapter

        return push_adapter(self, repo_id, private=private)
