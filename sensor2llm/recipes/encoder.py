"""The recipe's encoder: a folder's, a released one, the hub's, several as one, or a new one."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sensor2llm.encoders.joined import join_encoders
from sensor2llm.encoders.signal_encoder import SignalEncoder, find_encoder, read_manifest
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.recipes.config import NEW, Recipe
from sensor2llm.signals.fitting import fitted
from sensor2llm.signals.normalise import merge
from sensor2llm.signals.splits import Split
from sensor2llm.signals.store import Windows
from sensor2llm.signals.transforms import Normaliser
from sensor2llm.training.checkpoint import drop_checkpoints
from sensor2llm.training.devices import process_state
from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Heard:
    """An encoder and what its input is normalised with."""

    encoder: SignalEncoder
    normaliser: Normaliser | None


def get_encoder(recipe: Recipe, store: Windows, split: Split, resume: bool) -> Heard:
    """Load the recipe's encoder, or make a new one on the training people.

    Raises:
        ArtefactError: there is no such encoder, or it is broken.
        SpecError: the store's windows cannot be brought to what the encoder hears.
        DataError: the encoder was made with people who are test people here.
    """
    if recipe.encoder == NEW:
        return load_encoder(_make(recipe, store, resume))
    folders = find_encoders(recipe.encoder)
    for folder in folders:
        check_people(folder, store, split)
    heard = load_encoder(*folders)
    fitted(store, heard.encoder.spec, quiet=True)
    return heard


def find_encoders(name: str) -> list[Path]:
    """Find the encoder of a recipe, or each of those that are joined by `+`.

    Raises:
        ArtefactError: one of them is not there.
    """
    if "+" not in name or Path(name).is_dir():
        return [find_encoder(name)]
    return [find_encoder(part.strip()) for part in name.split("+")]


def load_encoder(*folders: Path) -> Heard:
    """Load an encoder's folder with its normalisation; several become one.

    Raises:
        ConfigError: they cannot be joined, or only some of them normalise what they hear.
    """
    stated = [read_manifest(folder).get("normaliser") for folder in folders]
    encoders = [SignalEncoder.from_pretrained(folder) for folder in folders]
    known = [Normaliser.from_dict(plain) for plain in stated if plain]
    if known and len(known) < len(folders):
        raise ConfigError("one of the joined encoders has no normalisation; pretrain it again")
    normaliser = merge(known) if known else None
    return Heard(encoders[0] if len(encoders) == 1 else join_encoders(encoders), normaliser)


def check_people(folder: Path, store: Windows, split: Split) -> None:
    """Refuse an encoder that learned from people of the same data who are tested here.

    Raises:
        DataError: naming the people.
    """
    manifest = read_manifest(folder)
    stated = manifest.get("recipe", {}).get("people", {})
    people = [*stated.get("train", ()), *stated.get("validation", ())]
    taught = set(_sources(people, manifest.get("source"), manifest.get("parts", {})))
    tested = split.subjects(store)["test"]
    origins = _sources(tested, store.source, store.parts)
    leaked = [who for who, origin in zip(tested, origins, strict=True) if origin in taught]
    if leaked:
        raise DataError(
            f"leak: the encoder '{folder}' was made with people who are tested here "
            f"({', '.join(sorted(leaked)[:5])}); use the same split for both"
        )


def _sources(
    people: Iterable[str], source: str | None, parts: Mapping[str, str]
) -> list[tuple[str | None, str]]:
    """Give each person's data set and name there; of data sets side by side, its own."""
    if not parts:
        return [(source, person) for person in people]
    named = (person.split("/", 1) for person in people)
    return [(parts.get(name), person) for name, person in named]


def _make(recipe: Recipe, store: Windows, resume: bool) -> Path:
    """Make a new encoder in the run folder, or take the one that an interrupted run finished."""
    folder, stages = recipe.run / "encoder", replace(recipe.new_encoder, split=recipe.split)
    key = json.loads(json.dumps({"stages": asdict(stages), "store": str(store.path.resolve())}))
    mark = recipe.run / "encoder.json"
    if resume and folder.is_dir() and _read(mark) == key:
        return folder
    told = [stages.objective] * stages.pretrain + ["labels"] * stages.finetune
    logger.info("making the encoder: %s", ", then ".join(told))
    if not resume:
        drop_checkpoints(recipe.run)
    if process_state().is_main_process:
        mark.unlink(missing_ok=True)  # it would vouch for another encoder after a kill
    make_encoder(stages, store.path, folder, resume=resume)
    if process_state().is_main_process:
        write_json(mark, key)
    process_state().wait_for_everyone()
    return folder


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
