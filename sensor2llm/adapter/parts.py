"""The parts of an adapter, grouped: what goes into its constructor and into its folder.

    AdapterData(spec=…, label_names=…, normaliser=…)      what the windows are
    AdapterPrompt(template=…, form=…)                     how the LLM is asked
    LLMReference(name=…, identity=…)                      which LLM it is trained for
    Bridge(encoder=…, projector=…, projector_config=…)    from windows to signal tokens
    LLMTuning(soft_prompt=…, prefix=…, lora=…)            what is learned inside the LLM's input
    Provenance(recipe=…, taught=…)                        how it came about
    Trust(profile, calibration)                           when it may be trusted

Each checks itself; none of them knows the adapter or its files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from sensor2llm.adapter.check_windows import CheckWindows
from sensor2llm.adapter.signal_text import SignalText
from sensor2llm.adapter.trust import Trust
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.extra.cross_attention import GatedCrossAttention
from sensor2llm.bridge.number_head import NumberHead
from sensor2llm.bridge.projectors import Projector
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.llm.chat import check_plain
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.llm.tuning.prefix_tuning import LearnedPrefix
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.splits.taught import Taught


@dataclass(frozen=True, kw_only=True, eq=False)
class AdapterData:
    """Say what the windows and their labels are.

    Raises:
        ConfigError: a label cannot stand in a prompt, or there is not one text or prior a label.
        SpecError: the normalisation does not fit the spec.
    """

    spec: SignalSpec
    """Channels, units and rates of the windows."""
    label_names: Sequence[str]
    """The labels as the data names them."""
    label_texts: Sequence[str] | None = None
    """The labels as the LLM reads and writes them; the names where None."""
    label_prior: Sequence[float] | None = None
    """Subtracted from each label's log-likelihood; zeros where None."""
    normaliser: Normaliser | None = None
    """Applied to windows before the encoder; None for none."""
    signal_text: SignalText = field(default_factory=SignalText)
    """How a window is written where there is no encoder."""

    def __post_init__(self) -> None:
        for text in (*self.label_names, *(self.label_texts or ())):
            check_plain(text, "a label")
        if self.normaliser is not None:
            self.normaliser.check(self.spec)
        for name in ("label_texts", "label_prior"):
            entries = getattr(self, name)
            if entries is not None and len(entries) != len(self.label_names):
                raise ConfigError(
                    f"{name} needs one entry a label: {len(self.label_names)} labels, "
                    f"{len(entries)} entries"
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class AdapterPrompt:
    """Say how the LLM is asked; the templates are stored with the adapter."""

    template: PromptTemplate
    """The adapter's own prompt template."""
    templates: Mapping[str, PromptTemplate] = field(default_factory=dict)
    """Of further tasks (question_answering, captioning, regression), by task."""
    form: str = "encoded"
    """Which of the templates' forms is used."""


@dataclass(frozen=True, eq=False)
class LLMReference:
    """Name the LLM that an adapter is trained for."""

    name: str
    """`bundled`, the catalogue's or the hub's name, or a file's own, never a path."""
    identity: str
    """Hash of all that changes what the LLM says."""
    check_windows: CheckWindows | None = None
    """What it says of a few windows, on which another LLM is tried; None where it was not kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bridge:
    """Hold what turns windows into vectors for the LLM, and its last state into a number.

    Raises:
        ConfigError: the parts do not fit each other.
    """

    encoder: SignalEncoder | None = None
    """None for a text prompt with a soft prompt alone."""
    projector: Projector | None = None
    """Encoder steps to K signal tokens; needed with an encoder."""
    projector_config: ProjectorConfig | None = None
    """What `projector` was built from."""
    cross_attention: GatedCrossAttention | None = None
    """Gated layers before the LLM's own; with projector kind cross_attention."""
    head: NumberHead | None = None
    """Reads a number off the LLM's last hidden state (regression); None for none."""

    def __post_init__(self) -> None:
        if (self.encoder is None) != (self.projector is None):
            raise ConfigError("an encoder needs a projector, and a projector an encoder")
        if (self.projector is None) != (self.projector_config is None):
            raise ConfigError("projector and projector_config belong together; give both")
        gated = self.projector_config and self.projector_config.kind == "cross_attention"
        if bool(gated) != (self.cross_attention is not None):
            raise ConfigError("a projector of kind cross_attention and gated layers go together")

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Give the parts that are there, by name: what `bridge.safetensors` holds."""
        parts = {
            "encoder": self.encoder,
            "projector": self.projector,
            "cross_attention": self.cross_attention,
            "head": self.head,
        }
        return {name: module for name, module in parts.items() if module is not None}

    @property
    def llm_width(self) -> int | None:
        """Give the embedding width of the LLM that it fits; None without an encoder."""
        if self.cross_attention is not None:
            return self.cross_attention.mark.shape[-1]
        return None if self.projector is None else self.projector.out_width


@dataclass(frozen=True, kw_only=True, eq=False)
class LLMTuning:
    """Hold what is learned besides the bridge; each is None where it is not used."""

    soft_prompt: SoftPrompt | None = None
    """P learned vectors."""
    prefix: LearnedPrefix | None = None
    """Learned keys and values of every layer (prefix tuning)."""
    lora: LoraWeights | None = None
    """Low-rank changes of the LLM's linear maps; with them it is not frozen."""

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Give the parts that are there, by name."""
        parts = {"soft_prompt": self.soft_prompt, "prefix": self.prefix, "lora": self.lora}
        return {name: module for name, module in parts.items() if module is not None}


@dataclass(frozen=True, kw_only=True, eq=False)
class Provenance:
    """Say how an adapter came about."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The whole run as a plain mapping, every setting: `resolved.yaml`."""
    recipe_changes: Mapping[str, Any] | None = None
    """What of it differs from the defaults: `recipe.yaml`; the whole where None."""
    taught: Sequence[Taught] = ()
    """Who taught it and its encoder; empty where that is not known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AdapterParts:
    """Hold all of an adapter: what its files are written from and give back."""

    data: AdapterData
    prompt: AdapterPrompt
    llm: LLMReference
    bridge: Bridge = field(default_factory=Bridge)
    tuning: LLMTuning = field(default_factory=LLMTuning)
    provenance: Provenance = field(default_factory=Provenance)
    trust: Trust = field(default_factory=Trust)

    @property
    def llm_width(self) -> int | None:
        """Give the width of the LLM's vectors that it fits; None where nothing is learned."""
        soft = self.tuning.soft_prompt
        width = self.bridge.llm_width
        return int(soft.vectors.shape[-1]) if width is None and soft is not None else width

    @property
    def trained_parameters(self) -> int:
        """Count the weights that take gradients."""
        modules = nn.ModuleDict({**self.bridge.modules, **self.tuning.modules})
        return sum(p.numel() for p in modules.parameters() if p.requires_grad)
