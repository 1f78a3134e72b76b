"""An encoder's folder: weights, manifest, metrics and card; written, read and pushed."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sensor2llm.artefacts.atomic_write import replace_folder
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
)
from sensor2llm.artefacts.manifest import read_manifest as read_folder
from sensor2llm.artefacts.types import BROKEN
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.external import EXTERNAL
from sensor2llm.encoders.modality_encoders import load_foundation
from sensor2llm.errors import ArtefactError
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.training.allocation import AllocationBudget, stored_numbers
from sensor2llm.training.record import versions, write_json

WEIGHTS = "encoder.safetensors"
CARD = "README.md"
FILES = (WEIGHTS, MANIFEST, "metrics.json", CARD)
Encoder = TypeVar("Encoder", bound=nn.Module)
Modules = Mapping[str, nn.Module] | None


def find_encoder(name: str | Path) -> Path:
    """Find a folder, a name under `adapters/` or a hub name; ArtefactError where it is none."""
    return find_folder(name, {"encoder": FILES})


def read_manifest(name: str | Path) -> dict[str, Any]:
    """Read an encoder's manifest: spec, config, normaliser and what else was saved.

    Raises:
        ArtefactError: there is none, or it is of another kind or format.
    """
    return read_folder(find_encoder(name), "encoder", "pretrain_encoder")


def save_encoder(folder: Path, weights: Mapping[str, Tensor], stated: Mapping[str, Any]) -> None:
    """Write an encoder's folder; one that is already there stays whole until the end."""
    manifest = {"format_version": FORMAT_VERSION, "kind": "encoder", "versions": versions(),
                **stated}  # fmt: skip
    with replace_folder(folder, lambda name: name not in FILES and not is_evaluation(name)) as part:
        tensors = {name: v.detach().cpu().contiguous() for name, v in weights.items()}
        save_file(tensors, part / WEIGHTS)
        write_json(part / MANIFEST, manifest | {"files": hash_files(part, [WEIGHTS])})
        shutil.copymode(part / MANIFEST, part / WEIGHTS)  # safetensors' is for one's eyes only


def load_encoder(
    build: Callable[..., Encoder], name: str | Path, modules: Modules = None
) -> Encoder:
    """Build what a folder describes, and give it the folder's weights.

    Args:
        build: makes it of a spec, a configuration, modules of others and a foundation encoder.
        name: the folder, a released name or a hub name.
        modules: of others, where it has such.

    Raises:
        ArtefactError: there is none, it is no encoder, is truncated, or its parts do not fit.
    """
    folder = find_encoder(name)
    manifest = read_manifest(folder)
    settings = manifest.get("encoder")
    kind = settings.get("kind") if isinstance(settings, Mapping) else None
    if (kind == EXTERNAL) != (modules is not None):
        raise ArtefactError(_modules_message(folder, kind))
    check_files(folder, manifest.get("files", {}), "encoder", "fetch or train it again")
    try:
        spec = SignalSpec.from_dict(manifest["spec"])
        config = build_settings(EncoderConfig, manifest["encoder"], f"the encoder in '{folder}'")
        foundation = load_foundation(config)  # its weights are not among the stored ones
        with AllocationBudget(stored_numbers(folder / WEIGHTS)):
            encoder = build(spec, config, modules, foundation=foundation)
        encoder.load_state_dict(load_file(folder / WEIGHTS))
    except ArtefactError:
        raise
    except (*BROKEN, SafetensorError) as error:
        what, advice = "is broken", "fetch or train it again"
        if modules is not None:
            what, advice = "does not fit the modules", "build them as the saved ones were"
        raise ArtefactError(
            f"the encoder in '{folder}' {what} ({first_line(error)}); {advice}"
        ) from error
    return encoder


def push_encoder(folder: Path, fingerprint: str, repo_id: str, *, private: bool) -> str:
    """Upload an encoder's folder; see `SignalEncoder.push_to_hub`."""
    if read_manifest(folder).get("fingerprint") != fingerprint:
        raise ArtefactError(
            f"'{folder}' holds other weights than this encoder's; save_pretrained('{folder}') "
            "first, or load what is there"
        )
    if not (folder / CARD).is_file():
        raise ArtefactError(
            f"'{folder}' has no card ({CARD}), and nothing goes to the hub without one; "
            f"`python -m sensor2llm.evaluate {folder} --data STORE` writes it"
        )
    return push_folder(folder, repo_id, FILES, private=private)


def _modules_message(folder: str | Path, kind: str | None) -> str:
    if kind == EXTERNAL:
        return (
            f"the encoder in '{folder}' has modules of others; build them as the saved ones were "
            "and pass modules={modality: module} to SignalEncoder.from_pretrained"
        )
    return f"the encoder in '{folder}' is of kind {kind!r} and takes no modules; leave them out"
