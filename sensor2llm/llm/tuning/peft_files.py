"""PEFT's two files of an adapter: a configuration of a stated type, and tensors.

PEFT is not imported: it takes seconds, and what it writes is JSON and safetensors.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sensor2llm.errors import ArtefactError

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
# What PEFT of this version writes of every kind.
EVERY_KIND = {
    "auto_mapping": None,
    "inference_mode": True,
    "modules_to_save": None,
    "peft_version": "0.21.2",
    "revision": None,
    "task_type": "CAUSAL_LM",
}


def write_peft_files(
    folder: Path | str, llm_name: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write an adapter_config.json and an adapter_model.safetensors as PEFT does.

    Args:
        folder: where to; made if it is not there.
        llm_name: `bundled` or a hub name, never a path.
        config: `peft_type` and the settings of that type, all of them.
        tensors: by PEFT's names.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = EVERY_KIND | {"base_model_name_or_path": llm_name} | dict(config)
    text = json.dumps(content, indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(plain, folder / WEIGHTS_FILE, metadata={"format": "pt"})


def read_peft_config(path: Path, kind: str, what: str) -> dict[str, Any]:
    """Read an adapter_config.json; raises ArtefactError unless it is one of that PEFT type."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        stated = config["peft_type"]
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing; expected the files of {what}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path} is no PEFT configuration ({error})") from error
    if stated != kind:
        raise ArtefactError(f"{path} is of PEFT type {stated}; expected {kind}")
    return config


def read_peft_tensors(path: Path, what: str) -> dict[str, Tensor]:
    """Read an adapter_model.safetensors; raises ArtefactError where it is missing or broken."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing; expected the tensors of {what}") from error
    except SafetensorError as error:
        raise ArtefactError(f"{path} is broken ({error}); copy the adapter again") from error


def read_peft_tensor(path: Path, what: str, key: str) -> Tensor:
    """Read an adapter_model.safetensors of one tensor; raises ArtefactError for anything else."""
    tensors = read_peft_tensors(path, what)
    if set(tensors) != {key}:
        raise ArtefactError(f"{path} holds {sorted(tensors)}; expected {key} and nothing else")
    return tensors[key]
