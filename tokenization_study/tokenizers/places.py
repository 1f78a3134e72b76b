"""Where tokenizer files come from that are not given as files: mistral-common's wheel, the hub."""

from importlib.util import find_spec
from pathlib import Path

from sensor2llm.artefacts.hub import offline_if_unreachable
from sensor2llm.errors import ConfigError, ModelError

MISTRAL = "mistral:"
_PATTERNS = {
    "v1": "tokenizer.model.v1*",
    "v2": "*.model.v2*",
    "v3": "*.model.v3*",
    "v7": "*.model.v7*",
    "tekken": "tekken_*.json",
}
_HUB_FILES = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.txt")


def mistral_file(name: str) -> Path:
    """Find the file of `mistral:v3` and the like in mistral-common's wheel."""
    version = name.removeprefix(MISTRAL)
    if version not in _PATTERNS:
        choices = ", ".join(MISTRAL + release for release in _PATTERNS)
        raise ConfigError(f"unknown tokenizer '{name}'; choose from {choices}")
    spec = find_spec("mistral_common")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"'{name}' needs mistral-common: pip install 'sensor2llm[mistral]'")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    paths = sorted(folder.glob(_PATTERNS[version]))
    if not paths:
        raise ModelError(f"this mistral-common carries no file for '{name}'; install another")
    return paths[-1]


def hub_file(name: str) -> Path:
    """Fetch a tokenizer's file from the Hugging Face hub, or from its cache; ModelError if none."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for file in _HUB_FILES:
        try:
            with offline_if_unreachable():
                return Path(hf_hub_download(name, file))
        except (LocalEntryNotFoundError, EntryNotFoundError):
            continue
        except Exception as error:  # the hub raises many kinds; each means: not to be had
            raise ModelError(
                f"no tokenizer '{name}': no such file, and the hub does not give it "
                f"({type(error).__name__})"
            ) from None
    raise ModelError(
        f"no tokenizer '{name}': no such file, and the hub has it not or cannot be reached; give "
        "a file, a folder, bundled or a tiktoken encoding"
    )
