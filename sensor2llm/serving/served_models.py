"""The adapters that a server or an assistant's tools hold: loaded once, found by name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from sensor2llm.adapter.files import find_adapter
from sensor2llm.archive.labelling import check_risk
from sensor2llm.artefacts.manifest import read_manifest
from sensor2llm.errors import ConfigError, listed
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.serving.measured import measured_line
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.tasks.dialogue.answerer import Answerer
from sensor2llm.tasks.loading import blank_window, load_model

LIMITS = (
    "not a medical device; it knows its labels only, and a window of anything else still gets one "
    "of them"
)

LONGEST = 512
"""Characters of texts whose tokens are remembered: whoever asks chooses them."""


@dataclass(frozen=True)
class ServedModel:
    """Hold one adapter with its LLM, by the name that requests say."""

    name: str
    folder: Path
    model: SensorLanguageModel
    abstain: float | None = None
    """Share of wrong labels that is taken: what is less sure, or unlike training, is unknown."""

    @cached_property
    def answerer(self) -> Answerer:
        """Give what answers questions about its windows."""
        return Answerer(self.model, abstain=self.abstain)

    @cached_property
    def tokens_per_window(self) -> int:
        """Count the positions that a window takes in a prompt."""
        return self.model.tokens_per_window

    @cached_property
    def count_tokens(self) -> Callable[[str], int]:
        """Count a text's tokens; short ones, which are asked of many windows, are remembered."""

        def count(text: str) -> int:
            return len(self.model.llm.encode(text))

        remembered = lru_cache(256)(count)
        return lambda text: (remembered if len(text) <= LONGEST else count)(text)

    def warm_up(self, batch_size: int) -> None:
        """Hear a whole batch of nothing, and read a question: who asks first need not wait."""
        self.answerer.hear_all([blank_window(self.spec)] * batch_size)
        self.answerer.route("What is it?", [])

    @property
    def spec(self) -> SignalSpec:
        """Describe its windows."""
        return self.model.adapter.spec


def load_models(
    names: Iterable[str],
    llm: str | None = None,
    *,
    llm_accept: bool = False,
    abstain: float | None = None,
) -> dict[str, ServedModel]:
    """Load adapters with their LLMs, each under the last part of its name.

    Raises:
        ConfigError: two have one name, or one is to abstain and is not calibrated.
        ArtefactError: one cannot be loaded.
    """
    check_risk(abstain)
    models: dict[str, ServedModel] = {}
    for place in names:
        folder = find_adapter(place)
        name = Path(place).resolve().name if Path(place).is_dir() else place.rsplit("/", 1)[-1]
        if name in models:
            raise ConfigError(f"two adapters are called {name!r}; rename one folder")
        model = load_model(folder, llm, llm_accept=llm_accept)
        models[name] = ServedModel(name, folder, model, abstain)
        _check_abstains(models[name])
    return models


def _check_abstains(served: ServedModel) -> None:
    try:
        served.model.adapter.trust.least_confidence(served.abstain)
    except ConfigError as error:
        raise ConfigError(f"{served.name}: {error}") from None


def choose_model(models: Mapping[str, ServedModel], name: str | None) -> ServedModel:
    """Give the model that is named, or the only one.

    Raises:
        ConfigError: there is none of that name, or several and none is named.
    """
    if name is None and len(models) == 1:
        return next(iter(models.values()))
    if name is None or name not in models:
        wrong = "no model is named" if name is None else f"there is no model {name!r}"
        raise ConfigError(f"{wrong}; choose from {listed(models)}")
    return models[name]


def describe_adapter(name: str, folder: Path) -> dict[str, Any]:
    """Say what an adapter hears, what it answers, and what was measured; no weight is read."""
    manifest = read_manifest(folder, "adapter", "train_adapter")
    spec = SignalSpec.from_dict(manifest["spec"])
    return {
        "name": name,
        "llm": manifest["llm"],
        "labels": list(manifest["label_names"]),
        "sensors": [
            {
                "name": m.name,
                "channels": list(m.channel_names),
                "units": list(m.units),
                "rate_hz": m.rate_hz,
                "steps": m.steps,
                "axis": m.axis,
            }
            for m in spec.modalities
        ],
        "window": spec.length_text,
        "measured": measured_line(folder),
        "limits": LIMITS,
    }
