"""An artefact's folder, adapter or encoder: where it is found, and its manifest.

The manifest says what the folder holds, of which format, and what it says of itself.
"""

import inspect
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from sensor2llm.artefacts.atomic_write import repair
from sensor2llm.artefacts.hashing import hash_file
from sensor2llm.artefacts.hub import offline_if_unreachable
from sensor2llm.artefacts.types import check_types
from sensor2llm.errors import ArtefactError, ConfigError

T = TypeVar("T")
logger = logging.getLogger(__name__)
NAMED = 5
MANIFEST = "sensor2llm.json"
EVALUATION = ("metrics*.json", "predictions*.parquet", "confusion*.png", "reliability.png")
# 2: `llm_identity` is of all that changes what the LLM says, and `taught` says who taught.
FORMAT_VERSION = 2
COMMON = ("format_version", "kind", "license", "spec", "encoder", "normaliser", "label_names",
          "versions", "files", "taught")  # fmt: skip
KEYS = {
    "encoder": {*COMMON, "fingerprint", "source", "parts", "recipe"},
    "adapter": {
        *COMMON, "label_texts", "label_prior", "template", "templates", "form", "signal_text",
        "llm", "llm_identity", "projector", "llm_width", "llm_layers", "llm_hidden", "target",
        "head_width", "lora_rank", "prefix_tokens", "soft_tokens", "trained_parameters",
    },
}  # fmt: skip
"""What this release knows of a manifest, by kind."""
UPGRADE = "upgrade sensor2llm (pip install -U sensor2llm)"
RENAMED = {"uci-har-questions": "uci-har-questions-bundled"}
"""Released artefacts that have another name now."""


def released_folder() -> Path:
    """Give the folder of released artefacts: the clone's, else the installed package's."""
    package = Path(__file__).resolve().parent.parent
    clone = package.parent / "adapters"
    return clone if clone.is_dir() else package / "_data" / "adapters"


def released_names(*kinds: str) -> list[str]:
    """Give the released artefacts of these kinds (adapter, encoder), by name."""
    manifests = released_folder().glob(f"*/{MANIFEST}")
    return sorted(path.parent.name for path in manifests if kind_of(path.parent) in kinds)


def find_folder(name: str | Path, files: Mapping[str, Sequence[str]]) -> Path:
    """Find an artefact's folder: one that is there, a released name, or a hub name, in this order.

    Raises:
        ArtefactError: it is none of them, or the hub does not give it.
    """
    path, kinds = Path(name).expanduser(), " or ".join(files)
    if str(name) in RENAMED and not path.is_dir():
        logger.warning("'%s' is called %s now, and that is loaded", name, RENAMED[str(name)])
        path = Path(RENAMED[str(name)])
    for folder in (path, released_folder() / path):
        if folder.is_dir():
            repair(folder)
            return folder
    if isinstance(name, str) and is_hub_name(name):
        patterns = dict.fromkeys(pattern for some in files.values() for pattern in some)
        return _download(name, kinds, list(patterns))
    released = ", ".join(released_names(*files)) or "none"
    raise ArtefactError(
        f"no {kinds} '{name}': there is no such folder, and released are {released}; "
        "a hub name has the form OWNER/NAME"
    )


def is_hub_name(name: str) -> bool:
    """Say whether a name is one of the hub's, with its owner: OWNER/NAME."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name


def push_folder(folder: Path, repo_id: str, files: Sequence[str], *, private: bool) -> str:
    """Upload an artefact's files to the Hugging Face hub and return the commit's address."""
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(repo_id, private=private, exist_ok=True)
    commit = api.upload_folder(repo_id=repo_id, folder_path=folder, allow_patterns=list(files))
    return str(commit.commit_url)


def read_manifest(folder: Path, kind: str, verb: str) -> dict[str, Any]:
    """Read a folder's manifest.

    Raises:
        ArtefactError: there is none, it is broken, or it is of another kind or format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtefactError(
            f"'{folder}' is no {kind} (no {MANIFEST} in it); make one with "
            f"`python -m sensor2llm.{verb}`"
        )
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        actual, version = manifest["kind"], manifest["format_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtefactError(f"'{path}' is broken ({first_line(error)})") from error
    if actual != kind:
        names = ", ".join(released_names(kind)) or "none"
        raise ArtefactError(
            f"'{folder}' holds kind {actual!r}, expected {kind!r}; released of that kind are "
            f"{names}"
        )
    if type(version) is not int or version < 1:
        raise ArtefactError(f"'{path}' is broken (format_version {version!r})")
    if version > FORMAT_VERSION:
        raise ArtefactError(
            f"'{folder}' is of format {version}, this release reads formats up to {FORMAT_VERSION}"
            f"; keys unknown here: {_unknown(manifest, KEYS[kind]) or 'none'}; {UPGRADE}"
        )
    check_types(manifest, path)
    return manifest


def build_settings(kind: Callable[..., T], stated: Mapping[str, Any], what: str) -> T:
    """Build a dataclass from what an artefact states of it.

    Raises:
        ArtefactError: there are fields that this release does not know.
    """
    refuse_unknown(stated, inspect.signature(kind).parameters, what)
    return kind(**stated)


def refuse_unknown(stated: Iterable[str], names: Collection[str], what: str) -> None:
    """Refuse what a newer release wrote rather than leave out what it means.

    Raises:
        ArtefactError: naming the unknown keys.
    """
    if unknown := _unknown(stated, names):
        raise ArtefactError(
            f"{what} has keys that are unknown here ({unknown}): a newer release wrote it; "
            f"{UPGRADE}"
        )


def tell_unknown(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Log the keys of a manifest of a known format that this release does not know."""
    if unknown := _unknown(manifest, KEYS[manifest["kind"]]):
        logger.warning(
            "'%s' has keys that are unknown here and left out (%s): a newer release may have "
            "written it; %s", folder, unknown, UPGRADE,
        )  # fmt: skip


def _unknown(stated: Iterable[str], allowed: Collection[str]) -> str:
    """Name the keys that are not known; the first few."""
    names = sorted(set(stated) - set(allowed))
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" * (len(names) > NAMED))


def check_out(folder: Path, kind: str) -> None:
    """Refuse, before any work, to write an artefact over something else.

    Raises:
        ConfigError: other things are there, or an artefact of another kind.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if kind_of(folder) != kind:
        raise ConfigError(
            f"'{folder}' exists and is no {kind}; move it away or choose another --out"
        )


def is_evaluation(name: str) -> bool:
    """Say whether a file tells what `evaluate` measured: it goes when those weights go."""
    return any(fnmatch(name, pattern) for pattern in EVALUATION)


def hash_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Give the SHA-256 of those of a folder's files that are there, by name."""
    return {name: hash_file(folder / name) for name in names if (folder / name).is_file()}


def check_files(folder: Path, hashes: Mapping[str, str], kind: str, advice: str) -> None:
    """Refuse a folder whose files are missing, cut off, changed or another's.

    Raises:
        ArtefactError: naming the file.
    """
    for name, expected in hashes.items():
        if not (folder / name).is_file():
            raise ArtefactError(f"the {kind} in '{folder}' lacks {name}; {advice}")
        if hash_file(folder / name) != expected:
            raise ArtefactError(
                f"the {kind} in '{folder}' is broken: {name} in it is not the file that was saved "
                f"(truncated, or of another {kind}), or was edited; {advice}"
            )


def first_line(error: BaseException) -> str:
    """Give what an error says, in one line."""
    return (str(error) or type(error).__name__).splitlines()[0]


def kind_of(folder: Path) -> Any:
    """Give the kind that a folder's manifest states; None where it cannot be read."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _download(name: str, kinds: str, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        with offline_if_unreachable():
            return Path(snapshot_download(name, allow_patterns=patterns))
    except LocalEntryNotFoundError as error:
        raise ArtefactError(
            f"no {kinds} '{name}': no such folder, the hub cannot be reached, and nothing of that "
            "name was fetched before; go online (without HF_HUB_OFFLINE), or give a folder"
        ) from error
    except (OSError, ValueError) as error:
        raise ArtefactError(
            f"no {kinds} '{name}': no such folder, and the hub does not give it "
            f"({first_line(error)})"
        ) from error


def describe_adapters() -> dict[str, str]:
    """Say of each released adapter what it does, and which windows it hears."""
    return {name: _description(name) for name in released_names("adapter")}


def describe_encoders() -> dict[str, str]:
    """Say of each released encoder which windows it hears."""
    return {name: _description(name) for name in released_names("encoder")}


def _description(name: str) -> str:
    manifest = json.loads((released_folder() / name / MANIFEST).read_text(encoding="utf-8"))
    spec = manifest["spec"]
    sensors = ", ".join(modality["name"] for modality in spec["modalities"])
    length = "" if spec["window_s"] is None else f" of {spec['window_s']:g} s"
    text = f"windows{length} of {sensors}"
    if manifest["kind"] == "encoder":
        return text
    task = manifest["template"]["task"].replace("_", " ")
    labels = f" of {len(manifest['label_names'])} labels" if task == "classification" else ""
    return f"{task}{labels}: {text}; LLM {manifest['llm']}"
