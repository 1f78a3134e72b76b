"""The files of an adapter folder: written whole or not at all, read with errors that say what.

recipe.yaml                                       what differs from the defaults
resolved.yaml                                     the whole run, every setting
README.md sensor2llm.json
adapter_config.json adapter_model.safetensors     exactly PEFT's; none where P = 0
lora/ prefix/                                     the same two files of LoRA and prefix tuning
bridge.safetensors                                encoder, projector, gated cross-attention
training_data.safetensors                         check windows, on which another LLM is tried; what
                                                  training windows look like; calibration
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from sensor2llm.adapter.card import card_text
from sensor2llm.adapter.check_windows import FILE as TRAINING_DATA
from sensor2llm.adapter.manifest import BRIDGE, manifest_of, read_parts
from sensor2llm.adapter.parts import AdapterParts, Bridge, LLMTuning, Provenance
from sensor2llm.artefacts.atomic_write import replace_folder, update_folder
from sensor2llm.artefacts.manifest import (
    MANIFEST,
    check_files,
    find_folder,
    first_line,
    hash_files,
    is_evaluation,
    push_folder,
    read_manifest,
    tell_unknown,
)
from sensor2llm.artefacts.types import BROKEN
from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.encoders.external import EXTERNAL
from sensor2llm.encoders.files import FILES as ENCODER_FILES
from sensor2llm.errors import ArtefactError, UserError
from sensor2llm.training.record import write_json

PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors")
RECIPE, RESOLVED = "recipe.yaml", "resolved.yaml"
CARD, TRAINING = "README.md", "training.json"
RUN = (
    "# python -m sensor2llm.train_adapter --config recipe.yaml"
    "    (resolved.yaml has every setting)\n"
)
INSIDE = ("lora", "prefix")
# All that decides anything, beside the manifest that holds the hashes.
HASHED = (*PEFT_FILES, *(f"{inside}/{name}" for inside in INSIDE for name in PEFT_FILES))
HASHED += (BRIDGE, TRAINING_DATA, RECIPE, RESOLVED)
OWN = (RECIPE, RESOLVED, CARD, TRAINING, *PEFT_FILES, *INSIDE, BRIDGE, TRAINING_DATA, MANIFEST)
FILES = (*HASHED, CARD, "metrics*.json", MANIFEST, "lora/*", "prefix/*")


def write_adapter(
    parts: AdapterParts, folder: Path, records: Mapping[str, Any] | None = None
) -> Path:
    """Write an adapter's files into a folder; other files there are left alone.

    An adapter that is there is replaced in one step, with all that was measured of it: a full disk
    or a kill leaves the old one or the new one whole.

    Args:
        parts: of the adapter.
        folder: where it goes.
        records: by file name, what is kept beside it as JSON.

    Raises:
        ArtefactError: its encoder has modules of others, which no file can bring back.
    """
    encoder = parts.bridge.encoder
    if encoder is not None and encoder.config.kind == EXTERNAL:
        raise ArtefactError(
            f"'{folder}' is not written: an encoder with modules of others cannot be read again "
            "from an adapter's files; save it by itself (encoder.save_pretrained), or train the "
            "adapter on an encoder of this package's kinds"
        )
    old = not folder.exists() or (folder / MANIFEST).is_file()
    with replace_folder(folder, _is_foreign) if old else update_folder(folder) as part:
        _write_files(parts, part)
        for name, content in (records or {}).items():
            write_json(part / name, content)
    return folder


def _is_foreign(name: str) -> bool:
    return name not in OWN and not is_evaluation(name)


def _write_files(parts: AdapterParts, part: Path) -> None:
    _write_tuning(parts.tuning, part, parts.llm.name)
    if tensors := _bridge_tensors(parts.bridge):
        save_file(tensors, part / BRIDGE)
    _write_training_data(parts, part)
    _write_recipe(parts.provenance, part)
    manifest = manifest_of(parts)
    card = card_text(manifest, data=_data(parts.provenance.recipe))
    (part / CARD).write_text(card, encoding="utf-8")
    files = hash_files(part, HASHED)
    for name in files:
        shutil.copymode(part / CARD, part / name)  # safetensors' own are for one's eyes only
    write_json(part / MANIFEST, manifest | {"files": files})


def _write_training_data(parts: AdapterParts, part: Path) -> None:
    check = parts.llm.check_windows
    if tensors := (check.to_tensors() if check else {}) | parts.trust.to_tensors():
        save_file(tensors, part / TRAINING_DATA)


def rewrite_training_data(parts: AdapterParts, folder: Path) -> Path:
    """Write what was added to an adapter of which no weight changed; all else stays as it is."""
    manifest = read_manifest(folder, "adapter", "train_adapter")
    with update_folder(folder) as part:
        _write_training_data(parts, part)
        shutil.copymode(folder / MANIFEST, part / TRAINING_DATA)
        files = manifest.get("files", {}) | hash_files(part, (TRAINING_DATA,))
        write_json(part / MANIFEST, manifest | {"files": files})
    return folder


def _write_recipe(provenance: Provenance, part: Path) -> None:
    recipe, changes = provenance.recipe, provenance.recipe_changes
    changes = recipe if changes is None else changes
    for name, head, content in ((RECIPE, RUN, changes), (RESOLVED, "", recipe)):
        text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
        (part / name).write_text(head + text, encoding="utf-8")


def _write_tuning(tuning: LLMTuning, part: Path, llm: str) -> None:
    if tuning.soft_prompt is not None:
        tuning.soft_prompt.save_peft(part, llm)
    for name, inside in (("lora", tuning.lora), ("prefix", tuning.prefix)):
        if inside is not None:
            (part / name).mkdir()
            inside.save_peft(part / name, llm)


def _data(recipe: Mapping[str, Any]) -> list[str]:
    """Say where the windows came from; `evaluate` adds the people."""
    data = recipe.get("data")
    source = data.get("source") if isinstance(data, Mapping) else data
    return [f"Source: {source or f'simulated; see {RESOLVED}'}"]


def _bridge_tensors(bridge: Bridge) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": tensor.detach().cpu().contiguous()
        for name, module in bridge.modules.items()
        for key, tensor in module.state_dict().items()
    }


def read_adapter(name: str | Path) -> AdapterParts:
    """Read an adapter's parts from a folder, a released name or a hub name.

    Raises:
        ArtefactError: there is none, a file is missing or broken, or the format is another.
    """
    folder = find_adapter(name)
    manifest = read_manifest(folder, "adapter", "train_adapter")
    check_files(folder, manifest.get("files", {}), "adapter", "fetch or train it again")
    tell_unknown(folder, manifest)
    try:
        changes = _read_recipe(folder / RECIPE)
        recipe = _read_recipe(folder / RESOLVED)  # none beside the whole ones of before
        recipe = (changes or {}) if recipe is None else recipe
        return read_parts(folder, manifest, recipe, changes)
    except UserError:
        raise
    except (*BROKEN, SafetensorError) as error:
        raise ArtefactError(
            f"the adapter in '{folder}' is broken ({first_line(error)}); fetch or train it again"
        ) from error


def _read_recipe(path: Path) -> Any:
    return read_yaml(path, ArtefactError, f"'{path}'") if path.exists() else None


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


def push_adapter(parts: AdapterParts, repo_id: str, folder: Path | None, *, private: bool) -> str:
    """Upload an adapter's files and return the commit's address.

    Args:
        parts: of the adapter.
        repo_id: OWNER/NAME.
        folder: where it was saved and measured; its files are written anew where None.
        private: who sees it.

    Raises:
        ArtefactError: the folder is of other weights.
    """
    with tempfile.TemporaryDirectory() as temporary:
        new = write_adapter(parts, Path(temporary))
        if folder is not None and _weights(folder) != _weights(new):
            raise ArtefactError(
                f"'{folder}' holds other weights than this adapter's; save_pretrained('{folder}') "
                "first, or load what is there"
            )
        return push_folder(folder or new, repo_id, FILES, private=private)


def _weights(folder: Path) -> dict[str, str]:
    """Give the hashes of the files of tensors."""
    stated = read_manifest(folder, "adapter", "train_adapter").get("files", {})
    return {name: value for name, value in stated.items() if name.endswith(".safetensors")}
