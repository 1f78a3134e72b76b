"""Small adapters on tiny language models."""

import functools
from dataclasses import fields

import torch

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.builders import build_projector
from sensor2llm.adapter.parts import (
    AdapterData,
    AdapterPrompt,
    Bridge,
    LLMReference,
    LLMTuning,
    Provenance,
)
from sensor2llm.adapter.signal_text import SignalText
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.spec import SignalSpec
from tests.llm.tiny import tiny_folder
from tests.signals.stores import SPEC, make_windows

LABELS = ("rest", "walk", "walk upstairs", "walk downstairs")
# The instruction comes before the slots, so that there is a prefix to cache.
FORMS = {
    "encoded": {"user": "Choose walking or sitting.\n{{ soft }}{{ signal }}\nWhich activity?"},
    "written": {"user": "{{ soft }}\n{{ numbers }}\nWhich activity?"},
    "bare": {"user": "Which of {{ labels | join(', ') }}?"},
}
VARIABLES = {name: name for name in ("soft", "signal", "numbers", "labels")}
TEMPLATE = PromptTemplate(
    name="small",
    version=1,
    task="classification",
    description="Which activity is it?",
    variables=VARIABLES,
    forms=FORMS,
)


@functools.cache
def tiny_llm(family: str = "llama", chat: bool = True) -> FrozenLLM:
    return FrozenLLM.load(str(tiny_folder(family, chat)), dtype="float32", device="cpu")


def small_adapter(llm: FrozenLLM, *, spec: SignalSpec = SPEC, soft: int = 3, **changes):
    """Build an adapter with an encoder, two signal tokens and a soft prompt; weights by a seed."""
    torch.manual_seed(0)
    encoder = SignalEncoder(spec, EncoderConfig(width=8, pooled_steps=4)).requires_grad_(False)
    config = ProjectorConfig(tokens=2, hidden=16)
    prompt = SoftPrompt.start(SoftPromptConfig(tokens=soft), llm) if soft else None
    given = {
        "spec": spec,
        "label_names": LABELS,
        "template": TEMPLATE,
        "llm_name": llm.name,
        "llm_identity": llm.identity,
        "normaliser": normaliser(spec),
        "encoder": encoder,
        "projector": build_projector(config, encoder, llm.width, llm.embedding_std),
        "projector_config": config,
        "soft_prompt": prompt,
        "recipe": {"llm": {"name": llm.name}, "data": {"source": "made up"}},
    }
    return adapter_of(**(given | changes))


def adapter_of(llm_name: str, llm_identity: str, **parts) -> SensorAdapter:
    """Build an adapter from its parts by their own names, each put into its group."""
    groups = {"data": AdapterData, "prompt": AdapterPrompt, "bridge": Bridge, "tuning": LLMTuning,
              "provenance": Provenance}  # fmt: skip
    built = {
        name: group(**{f.name: parts.pop(f.name) for f in fields(group) if f.name in parts})
        for name, group in groups.items()
    }
    assert not parts, parts
    return SensorAdapter(llm=LLMReference(name=llm_name, identity=llm_identity), **built)


def text_adapter(llm: FrozenLLM, *, soft: int = 3):
    """Build an adapter without an encoder: numbers in the prompt, and a soft prompt."""
    return small_adapter(
        llm,
        soft=soft,
        form="written" if soft else "zero",
        encoder=None,
        projector=None,
        projector_config=None,
        signal_text=SignalText(form="fixed", steps=2),
    )


def small_model(family: str = "llama", chat: bool = True, **options) -> SensorLanguageModel:
    llm = tiny_llm(family, chat)
    return SensorLanguageModel(small_adapter(llm), llm, **options).eval()


def normaliser(spec: SignalSpec) -> Normaliser:
    return Normaliser(
        mean={m.name: torch.full((len(m.channels),), 3.0).numpy() for m in spec.modalities},
        scale={m.name: torch.full((len(m.channels),), 2.0).numpy() for m in spec.modalities},
    )


def windows(n: int = 8):
    """Give labelled windows, some of them without a modality."""
    return list(make_windows(people=2, each=8, labels=LABELS))[:n]
