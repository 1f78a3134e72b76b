"""The words of foundation encoders, and what each stands for. Torch-free.

A package adds its own under the entry-point group `sensor2llm.encoders`: a name, and either a
`Foundation` or, for an encoder that is trained here, what builds one of a modality
(`sensor2llm.encoders.modality_encoders`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from sensor2llm.artefacts.manifest import describe_encoders
from sensor2llm.errors import ConfigError, one_line

PLUGINS = "sensor2llm.encoders"


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """Say where a pretrained encoder's weights lie and how it is built of them."""

    what: str
    """What it is, in a few words."""
    hub: str
    """Where its weights lie: OWNER/NAME of the Hugging Face hub."""
    package: str
    """The module that its code is imported from."""
    install: str
    """What pip installs where that is missing."""
    build: Callable[[Path], Any]
    """From a folder with config.json and model.safetensors to a torch module that maps (batch,
    channel, step) to (batch, out_step, `features`) and has that number as an attribute."""


def _build_mantis(folder: Path) -> Any:
    from sensor2llm.encoders.foundation.mantis import Mantis

    return Mantis.read(folder)


def _build_chronos2(folder: Path) -> Any:
    from sensor2llm.encoders.foundation.chronos2 import Chronos2

    return Chronos2.read(folder)


FOUNDATIONS = {
    "mantis": Foundation(
        what="Mantis-8M, trained to tell series apart (MIT)",
        hub="paris-noah/Mantis-8M",
        package="mantis",
        install="sensor2llm[mantis]",
        build=_build_mantis,
    ),
    "chronos2": Foundation(
        what="Chronos-2, trained to forecast (Apache-2.0)",
        hub="amazon/chronos-2",
        package="chronos",
        install="sensor2llm[chronos]",
        build=_build_chronos2,
    ),
}


def load_plugin(kind: str) -> Any:
    """Load what a package registered under this name; None where there is nothing.

    Raises:
        ConfigError: the package cannot be imported.
    """
    if kind not in (plugins := entry_points(group=PLUGINS)).names:
        return None
    try:
        return plugins[kind].load()
    except Exception as error:
        raise ConfigError(
            f"the encoder {kind!r} is registered as {plugins[kind].value}, which cannot be "
            f"imported ({one_line(error, 120)}); mend that package or choose another encoder"
        ) from error


def plugin_names() -> list[str]:
    """Give the names that packages registered."""
    return sorted(entry_points(group=PLUGINS).names)


def describe_kinds() -> dict[str, str]:
    """Say what `--encoder` takes by name: released encoders, foundation encoders, plugins."""
    words = {
        name: f"{kind.what}; weights: {kind.hub}; pip install '{kind.install}'"
        for name, kind in FOUNDATIONS.items()
    }
    plugins = {name: "registered by a package" for name in plugin_names()}
    return {**describe_encoders(), **words, **plugins}
