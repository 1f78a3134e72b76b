"""What `sensor2llm.json` states of an adapter, and the adapter's parts from what it states."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from sensor2llm.adapter.builders import build_cross_attention, build_projector
from sensor2llm.adapter.check_windows import CheckWindows
from sensor2llm.adapter.parts import (
    AdapterData,
    AdapterParts,
    AdapterPrompt,
    Bridge,
    LLMReference,
    LLMTuning,
    Provenance,
)
from sensor2llm.adapter.signal_text import SignalText
from sensor2llm.adapter.trust import Trust
from sensor2llm.artefacts.manifest import FORMAT_VERSION, build_settings, refuse_unknown
from sensor2llm.artefacts.renamed_tensors import rename_tensors
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.number_head import NumberHead, Target
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.modality_encoders import load_foundation
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.llm.templates import FIELDS as TEMPLATE_FIELDS
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.llm.tuning.prefix_tuning import LearnedPrefix
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.training.allocation import AllocationBudget, stored_numbers
from sensor2llm.training.record import versions

BRIDGE = "bridge.safetensors"


def manifest_of(parts: AdapterParts) -> dict[str, Any]:
    """Give the manifest of an adapter, without the hashes of its files."""
    return {
        "format_version": FORMAT_VERSION,
        "kind": "adapter",
        **_licence(parts.provenance.recipe),
        **_data(parts.data),
        **_prompt(parts.prompt),
        "llm": parts.llm.name,
        "llm_identity": parts.llm.identity,
        "taught": [taught.to_dict() for taught in parts.provenance.taught],
        **_bridge(parts.bridge),
        **_tuning(parts.tuning),
        "trained_parameters": parts.trained_parameters,
        "versions": versions(),
    }


def _licence(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Give the licence of the weights; nothing where the recipe states none."""
    licence = recipe.get("license")
    return {"license": licence} if licence else {}


def _data(data: AdapterData) -> dict[str, Any]:
    return {
        "spec": data.spec.to_dict(),
        "label_names": list(data.label_names),
        "label_texts": list(data.label_texts or data.label_names),
        "label_prior": list(data.label_prior or [0.0] * len(data.label_names)),
        "signal_text": data.signal_text.to_dict(),
        "normaliser": None if data.normaliser is None else data.normaliser.to_dict(),
    }


def _prompt(prompt: AdapterPrompt) -> dict[str, Any]:
    return {
        "template": prompt.template.to_dict(),
        "templates": {
            task: template.to_dict()
            for task, template in prompt.templates.items()
            if template is not prompt.template
        },
        "form": prompt.form,
    }


def _bridge(bridge: Bridge) -> dict[str, Any]:
    layers, head = bridge.cross_attention, bridge.head
    return {
        "encoder": None if bridge.encoder is None else asdict(bridge.encoder.config),
        "projector": None if bridge.projector_config is None else asdict(bridge.projector_config),
        "llm_width": bridge.llm_width,
        "llm_layers": None if layers is None else layers.layers,
        "llm_hidden": None if layers is None else layers.width,
        "target": None if head is None else head.target.to_dict(),
        "head_width": None if head is None else head.out_proj.in_features,
    }


def _tuning(tuning: LLMTuning) -> dict[str, Any]:
    return {
        "lora_rank": 0 if tuning.lora is None else tuning.lora.rank,
        "prefix_tokens": 0 if tuning.prefix is None else tuning.prefix.tokens,
        "soft_tokens": 0 if tuning.soft_prompt is None else len(tuning.soft_prompt.vectors),
    }


def read_parts(
    folder: Path,
    manifest: Mapping[str, Any],
    recipe: Mapping[str, Any],
    changes: Mapping[str, Any] | None,
) -> AdapterParts:
    """Build an adapter's parts from its folder.

    Args:
        folder: where its tensors lie.
        manifest: what `sensor2llm.json` there states.
        recipe: the whole run.
        changes: what of it differs from the defaults.
    """
    return AdapterParts(
        data=_read_data(folder, manifest),
        prompt=_read_prompt(folder, manifest),
        llm=LLMReference(
            name=manifest["llm"],
            identity=manifest["llm_identity"],
            check_windows=CheckWindows.read(folder),
        ),
        bridge=_read_bridge(folder, manifest),
        tuning=_read_tuning(folder, manifest),
        provenance=Provenance(
            recipe=recipe,
            recipe_changes=changes,
            taught=[Taught.from_dict(plain) for plain in manifest.get("taught", ())],
        ),
        trust=Trust.read(folder, SignalSpec.from_dict(manifest["spec"])),
    )


def _read_data(folder: Path, manifest: Mapping[str, Any]) -> AdapterData:
    normaliser = manifest["normaliser"]
    return AdapterData(
        spec=SignalSpec.from_dict(manifest["spec"]),
        label_names=manifest["label_names"],
        label_texts=manifest["label_texts"],
        label_prior=manifest["label_prior"],
        normaliser=None if normaliser is None else Normaliser.from_dict(normaliser),
        signal_text=build_settings(
            SignalText, manifest["signal_text"], f"the signal_text in '{folder}'"
        ),
    )


def _read_prompt(folder: Path, manifest: Mapping[str, Any]) -> AdapterPrompt:
    return AdapterPrompt(
        template=_read_template(folder, manifest["template"]),
        templates={
            task: _read_template(folder, content)
            for task, content in manifest.get("templates", {}).items()
        },
        form=manifest["form"],
    )


def _read_template(folder: Path, content: Mapping[str, Any]) -> PromptTemplate:
    refuse_unknown(content, TEMPLATE_FIELDS, f"a prompt template in '{folder}'")
    return PromptTemplate.from_dict(content)


def _read_bridge(folder: Path, manifest: Mapping[str, Any]) -> Bridge:
    if manifest["encoder"] is None:
        return Bridge()
    settings = build_settings(EncoderConfig, manifest["encoder"], f"the encoder in '{folder}'")
    config = build_settings(ProjectorConfig, manifest["projector"], f"the projector in '{folder}'")
    width, layers = manifest["llm_width"], manifest.get("llm_layers")
    foundation = load_foundation(settings)  # its weights are not among the stored ones
    with AllocationBudget(stored_numbers(folder / BRIDGE)):
        spec = SignalSpec.from_dict(manifest["spec"])
        encoder = SignalEncoder(spec, settings, foundation=foundation)
        bridge = Bridge(
            encoder=encoder,
            projector=build_projector(config, encoder, width, target_std=1.0),
            projector_config=config,
            cross_attention=None
            if layers is None
            else build_cross_attention(
                config, torch.zeros(1, width), layers, manifest["llm_hidden"]
            ),
            head=_read_head(manifest),
        )
    tensors = load_file(folder / BRIDGE)
    for name, module in bridge.modules.items():
        start = f"{name}."
        state = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        module.load_state_dict(rename_tensors(state, module.state_dict()))
    return bridge


def _read_head(manifest: Mapping[str, Any]) -> NumberHead | None:
    target = manifest.get("target")
    if not target:
        return None
    return NumberHead(manifest["head_width"], build_settings(Target, target, "an adapter's target"))


def _read_tuning(folder: Path, manifest: Mapping[str, Any]) -> LLMTuning:
    inside = {"prefix": manifest.get("prefix_tokens"), "lora": manifest.get("lora_rank")}
    return LLMTuning(
        soft_prompt=SoftPrompt.load_peft(folder) if manifest["soft_tokens"] else None,
        prefix=LearnedPrefix.load_peft(folder / "prefix") if inside["prefix"] else None,
        lora=LoraWeights.load_peft(folder / "lora") if inside["lora"] else None,
    )
