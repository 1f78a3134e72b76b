"""PEFT's two files of an adapter: a configuration of a stated type, and tensors."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sensor2llm.errors import ArtefactError

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"


def read_peft_config(path: Path, kind: str, what: str) -> dict[str, Any]:
    """Read an adapter_config.json of one PEFT type.

    Raises:
        ArtefactError: it is missing, no configuration of PEFT's, or of another type.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        found = config["peft_type"]
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing; expected the files of {what}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path} is no PEFT configuration ({error})") from error
    if found != kind:
        raise ArtefactError(f"{path} is of PEFT type {found}; expected {kind}")
    return config


def read_peft_tensors(path: Path, what: str) -> dict[str, Tensor]:
    """Read an adapter_model.safetensors.

    Raises:
        ArtefactError: it is missing or broken.
    """
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing; expected the tensors of {what}") from error
    except SafetensorError as error:
        raise ArtefactError(f"{path} is broken ({error}); copy the adapter again") from error
