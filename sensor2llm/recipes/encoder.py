"""The recipe's encoder: a folder's, a released one, the hub's, or a new one made in this run."""

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sensor2llm.encoders.signal_encoder import SignalEncoder, find_encoder, read_manifest
from sensor2llm.errors import DataError
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.recipes.config import NEW, Recipe
from sensor2llm.signals.splits import Split
from sensor2llm.signals.store import WindowStore
from sensor2llm.signals.transforms import Normaliser
from sensor2llm.training.devices import process_state
from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Heard:
    """An encoder and what its input is normalised with."""

    encoder: SignalEncoder
    normaliser: Normaliser | None


def get_encoder(recipe: Recipe, store: WindowStore, split: Split, resume: bool) -> Heard:
    """Load the recipe's encoder, or make a new one on the training people.

    Raises:
        ArtefactError: there is no such encoder, or it is broken.
        SpecError: the store's channels, units or rates are not the encoder's.
        DataError: the encoder was made with people who are test people here.
    """
    if recipe.encoder == NEW:
        return load_encoder(_make(recipe, store, resume))
    folder = find_encoder(recipe.encoder)
    check_people(folder, store, split)
    heard = load_encoder(folder)
    heard.encoder.spec.check_compatible(store.spec)
    return heard


def load_encoder(folder: Path) -> Heard:
    """Load an encoder folder with its normalisation."""
    stated = read_manifest(folder).get("normaliser")
    normaliser = Normaliser.from_dict(stated) if stated else None
    return Heard(SignalEncoder.from_pretrained(folder), normaliser)


def check_people(folder: Path, store: WindowStore, split: Split) -> None:
    """Refuse an encoder that learned from people of the same data who are tested here.

    Raises:
        DataError: naming the people.
    """
    manifest = read_manifest(folder)
    if manifest.get("source") != store.source:
        return
    stated = manifest.get("recipe", {}).get("people", {})
    taught = set(stated.get("train", ())) | set(stated.get("validation", ()))
    leaked = sorted(taught & set(split.subjects(store)["test"]))
    if leaked:
        raise DataError(
            f"leak: the encoder '{folder}' was made with people who are tested here "
            f"({', '.join(leaked[:5])}); use the same split for both"
        )


def _make(recipe: Recipe, store: WindowStore, resume: bool) -> Path:
    """Make a new encoder in the run folder, or take the one that an interrupted run finished."""
    folder, stages = recipe.run / "encoder", replace(recipe.new_encoder, split=recipe.split)
    key = json.loads(json.dumps({"stages": asdict(stages), "store": str(store.path.resolve())}))
    mark = recipe.run / "encoder.json"
    if resume and folder.is_dir() and _read(mark) == key:
        return folder
    told = [stages.objective] * stages.pretrain + ["labels"] * stages.finetune
    logger.info("making the encoder: %s", ", then ".join(told))
    make_encoder(stages, store.path, folder, resume=resume)
    if process_state().is_main_process:
        write_json(mark, key)
    process_state().wait_for_everyone()
    return folder


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
