"""The files of an adapter folder: written whole or not at all, read with errors that say what.

recipe.yaml README.md sensor2llm.json
adapter_config.json adapter_model.safetensors     exactly PEFT's; none where P = 0
lora/ prefix/                                     the same two files of LoRA and prefix tuning
bridge.safetensors                                encoder, projector, gated cross-attention
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.card import card_text
from sensor2llm.adapter.parts import (
    build_cross_attention,
    build_projector,
    read_head,
    read_prefix,
)
from sensor2llm.adapter.signal_text import SignalText
from sensor2llm.artefacts.atomic_write import replace_folder, update_folder
from sensor2llm.artefacts.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    build_settings,
    check_files,
    find_folder,
    first_line,
    hash_files,
    is_evaluation,
    push_folder,
    read_manifest,
    refuse_unknown,
    tell_unknown,
)
from sensor2llm.artefacts.types import BROKEN
from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.external import EXTERNAL
from sensor2llm.encoders.files import FILES as ENCODER_FILES
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError, UserError
from sensor2llm.llm.templates import FIELDS as TEMPLATE_FIELDS
from sensor2llm.llm.templates import PromptTemplate
from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.training.allocation import AllocationBudget, stored_numbers
from sensor2llm.training.record import versions, write_json

BRIDGE = "bridge.safetensors"
PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors")
RECIPE, CARD, TRAINING = "recipe.yaml", "README.md", "training.json"
INSIDE = ("lora", "prefix")
# All that decides anything, beside the manifest that holds the hashes.
HASHED = (*PEFT_FILES, *(f"{inside}/{name}" for inside in INSIDE for name in PEFT_FILES))
HASHED += (BRIDGE, RECIPE)
OWN = (RECIPE, CARD, TRAINING, *PEFT_FILES, *INSIDE, BRIDGE, MANIFEST)
FILES = (*HASHED, CARD, "metrics.json", "metrics_text.json", MANIFEST, "lora/*", "prefix/*")


def save_adapter(
    adapter: SensorAdapter, folder: Path, records: Mapping[str, Any] | None = None
) -> Path:
    """Write an adapter's files into a folder; other files there are left alone.

    An adapter that is there is replaced in one step, with all that was measured of it: a full disk
    or a kill leaves the old one or the new one whole.

    Args:
        adapter: what to save.
        folder: where it goes.
        records: by file name, what is kept beside it as JSON.

    Raises:
        ArtefactError: its encoder has modules of others, which no file can bring back.
    """
    if adapter.encoder is not None and adapter.encoder.config.kind == EXTERNAL:
        raise ArtefactError(
            f"'{folder}' is not written: an encoder with modules of others cannot be read again "
            "from an adapter's files; save it by itself (encoder.save_pretrained), or train the "
            "adapter on an encoder of this package's kinds"
        )
    old = not folder.exists() or (folder / MANIFEST).is_file()
    with replace_folder(folder, _is_foreign) if old else update_folder(folder) as part:
        _write_files(adapter, part)
        for name, content in (records or {}).items():
            write_json(part / name, content)
    return folder


def _is_foreign(name: str) -> bool:
    return name not in OWN and not is_evaluation(name)


def _write_files(adapter: SensorAdapter, part: Path) -> None:
    if adapter.soft_prompt is not None:
        adapter.soft_prompt.save_peft(part, adapter.llm_name)
    for name, inside in (("lora", adapter.low_rank), ("prefix", adapter.prefix)):
        if inside is not None:
            (part / name).mkdir()
            inside.save_peft(part / name, adapter.llm_name)
    if tensors := _bridge_tensors(adapter):
        save_file(tensors, part / BRIDGE)
    recipe = yaml.safe_dump(adapter.recipe, sort_keys=False, allow_unicode=True)
    (part / RECIPE).write_text(recipe, encoding="utf-8")
    manifest = _manifest(adapter)
    card = card_text(manifest, data=_data(adapter.recipe))
    (part / CARD).write_text(card, encoding="utf-8")
    files = hash_files(part, HASHED)
    for name in files:
        shutil.copymode(part / CARD, part / name)  # safetensors' own are for one's eyes only
    write_json(part / MANIFEST, manifest | {"files": files})


def _data(recipe: Mapping[str, Any]) -> list[str]:
    """Say where the windows came from; `evaluate` adds the people."""
    given = recipe.get("data")
    source = given.get("source") if isinstance(given, Mapping) else given
    return [f"Source: {source or 'simulated; see recipe.yaml'}"]


def _bridge_tensors(adapter: SensorAdapter) -> dict[str, Tensor]:
    parts = {
        "encoder": adapter.encoder,
        "projector": adapter.projector,
        "cross_attention": adapter.cross_attention,
        "head": adapter.head,
    }
    return {
        f"{name}.{key}": tensor.detach().cpu().contiguous()
        for name, module in parts.items()
        if module is not None
        for key, tensor in module.state_dict().items()
    }


def _manifest(adapter: SensorAdapter) -> dict[str, Any]:
    a = adapter
    return {
        "format_version": FORMAT_VERSION,
        "kind": "adapter",
        "spec": a.spec.to_dict(),
        "label_names": list(a.label_names),
        "label_texts": list(a.label_texts),
        "label_prior": list(a.label_prior),
        "template": a.template.to_dict(),
        "templates": {
            task: template.to_dict()
            for task, template in a.templates.items()
            if template is not a.template
        },
        "form": a.form,
        "signal_text": a.signal_text.to_dict(),
        "normaliser": None if a.normaliser is None else a.normaliser.to_dict(),
        "llm": a.llm_name,
        "llm_identity": a.llm_identity,
        "taught": [taught.to_dict() for taught in a.taught],
        "encoder": None if a.encoder is None else asdict(a.encoder.config),
        "projector": None if a.projector_config is None else asdict(a.projector_config),
        "llm_width": a.llm_width,
        "llm_layers": None if a.cross_attention is None else a.cross_attention.layers,
        "llm_hidden": None if a.cross_attention is None else a.cross_attention.width,
        "target": None if a.head is None else a.head.target.to_dict(),
        "head_width": None if a.head is None else a.head.leave.in_features,
        "lora_rank": 0 if a.low_rank is None else a.low_rank.rank,
        "prefix_tokens": 0 if a.prefix is None else a.prefix.tokens,
        "soft_tokens": a.soft_tokens,
        "trained_parameters": sum(p.numel() for p in a.parameters() if p.requires_grad),
        "versions": versions(),
    }


def load_adapter(name: str | Path) -> SensorAdapter:
    """Read an adapter from a folder, a released name or a hub name.

    Raises:
        ArtefactError: there is none, a file is missing or broken, or the format is another.
    """
    folder = find_adapter(name)
    manifest = read_manifest(folder, "adapter", "train_adapter")
    check_files(folder, manifest.get("files", {}), "adapter", "fetch or train it again")
    tell_unknown(folder, manifest)
    try:
        return _build(folder, manifest).eval()
    except UserError:
        raise
    except (*BROKEN, SafetensorError) as error:
        raise ArtefactError(
            f"the adapter in '{folder}' is broken ({first_line(error)}); fetch or train it again"
        ) from error


def _build(folder: Path, manifest: dict[str, Any]) -> SensorAdapter:
    spec = SignalSpec.from_dict(manifest["spec"])
    encoder = projector = config = crossing = head = None
    if manifest["encoder"] is not None:
        settings = build_settings(EncoderConfig, manifest["encoder"], f"the encoder in '{folder}'")
        config = build_settings(
            ProjectorConfig, manifest["projector"], f"the projector in '{folder}'"
        )
        width, layers = manifest["llm_width"], manifest.get("llm_layers")
        with AllocationBudget(stored_numbers(folder / BRIDGE)):
            encoder = SignalEncoder(spec, settings)
            projector = build_projector(config, encoder, width, target_std=1.0)
            if layers is not None:
                crossing = build_cross_attention(
                    config, torch.zeros(1, width), layers, manifest["llm_hidden"]
                )
            head = read_head(manifest)
        tensors = load_file(folder / BRIDGE)
        modules = {
            "encoder.": encoder,
            "projector.": projector,
            "cross_attention.": crossing,
            "head.": head,
        }
        for part, module in modules.items():
            if module is None:
                continue
            state = {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)}
            module.load_state_dict(state)
    recipe = folder / RECIPE
    normaliser = manifest["normaliser"]
    return SensorAdapter(
        spec=spec,
        label_names=manifest["label_names"],
        label_texts=manifest["label_texts"],
        label_prior=manifest["label_prior"],
        template=_template(folder, manifest["template"]),
        form=manifest["form"],
        llm_name=manifest["llm"],
        llm_identity=manifest["llm_identity"],
        normaliser=None if normaliser is None else Normaliser.from_dict(normaliser),
        encoder=encoder,
        projector=projector,
        projector_config=config,
        soft_prompt=SoftPrompt.load_peft(folder) if manifest["soft_tokens"] else None,
        cross_attention=crossing,
        head=head,
        low_rank=LoraWeights.load_peft(folder / "lora") if manifest.get("lora_rank") else None,
        prefix=read_prefix(folder, manifest),
        templates={
            task: _template(folder, content)
            for task, content in manifest.get("templates", {}).items()
        },
        signal_text=build_settings(
            SignalText, manifest["signal_text"], f"the signal_text in '{folder}'"
        ),
        taught=[Taught.from_dict(plain) for plain in manifest.get("taught", ())],
        recipe=read_yaml(recipe, ArtefactError, f"'{recipe}'") if recipe.exists() else None,
    )


def _template(folder: Path, content: Mapping[str, Any]) -> PromptTemplate:
    refuse_unknown(content, TEMPLATE_FIELDS, f"a prompt template in '{folder}'")
    return PromptTemplate.from_dict(content)


def find_adapter(name: str | Path) -> Path:
    """Find an adapter's folder: a folder, a name under `adapters/`, or a hub name.

    Raises:
        ArtefactError: it is none of them.
    """
    return find_folder(name, {"adapter": FILES})


def find_artefact(name: str | Path) -> Path:
    """Find the folder of an adapter or of an encoder, as `find_adapter` does.

    Raises:
        ArtefactError: there is neither.
    """
    return find_folder(name, {"adapter": FILES, "encoder": ENCODER_FILES})


def push_adapter(adapter: SensorAdapter, repo_id: str, *, private: bool) -> str:
    """Upload an adapter's files and return the commit's address."""
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(adapter, Path(folder))
        return push_folder(Path(folder), repo_id, FILES, private=private)
