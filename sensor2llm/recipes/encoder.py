"""The recipe's encoder: a folder's, a released one, or a new one made in this run."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from sensor2llm.adapter_files import released_folder
from sensor2llm.encoders.signal_encoder import SignalEncoder, read_manifest
from sensor2llm.errors import ArtefactError
from sensor2llm.pretraining.run import finetune, manifest, pretrain
from sensor2llm.recipes.config import NEW, Recipe
from sensor2llm.signals.splits import Split
from sensor2llm.signals.store import WindowStore
from sensor2llm.signals.transforms import Normaliser, fit_normaliser

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
        return load_encoder(_make(recipe, store, split, resume))
    folder = find_encoder(recipe.encoder)
    check_people(folder, store, split)
    heard = load_encoder(folder)
    heard.encoder.spec.check_compatible(store.spec)
    return heard


def find_encoder(name: str) -> Path:
    """Find an encoder by folder or released name."""
    for folder in (Path(name), released_folder() / name, released_folder() / f"{name}-encoder"):
        if (folder / "sensor2llm.json").is_file():
            return folder
    raise ArtefactError(
        f"no encoder '{name}': neither a folder with sensor2llm.json nor a released name; "
        "make one with `python -m sensor2llm.pretrain_encoder`, or give new or none"
    )


def load_encoder(folder: Path) -> Heard:
    """Load an encoder folder with its normalisation."""
    stated = read_manifest(folder).get("normaliser")
    normaliser = Normaliser.from_dict(stated) if stated else None
    return Heard(SignalEncoder.from_pretrained(folder), normaliser)


def check_people(folder: Path, store: WindowStore, split: Split) -> None:
    """Refuse an encoder that was made with people who are tested here.

    Raises:
        DataError: naming the people.
    """
    from sensor2llm.errors import DataError

    recipe = read_manifest(folder).get("recipe", {})
    if read_manifest(folder).get("source") != store.source:
        return
    seen = set(recipe.get("people", {}).get("train", ()))
    leaked = sorted(seen & set(split.subjects(store)["test"]))
    if leaked:
        raise DataError(
            f"leak: the encoder '{folder}' was trained on people who are tested here "
            f"({', '.join(leaked[:5])}); use the same split for both"
        )


def _make(recipe: Recipe, store: WindowStore, split: Split, resume: bool) -> Path:
    """Pretrain and fine-tune an encoder; give its folder."""
    folder, stages = recipe.run / "encoder", recipe.stages
    key = _key(recipe, store, split)
    if resume and folder.is_dir() and read_manifest(folder).get("recipe") == key:
        return folder
    normaliser = fit_normaliser(store, split.train)
    torch.manual_seed(stages.finetune_loop.seed)
    encoder = SignalEncoder(store.spec, stages.network)
    if stages.pretrain:
        logger.info("CroSSL pretraining of the encoder")
        made = pretrain(
            store, split, stages.network, stages.crossl, stages.pretrain_loop,
            recipe.run / "pretrain", resume=resume,
        )  # fmt: skip
        encoder, normaliser = made.encoder, made.normaliser
    if stages.finetune:
        logger.info("fine-tuning the encoder with a plain head")
        encoder = finetune(
            encoder, store, split, stages.supervised, stages.finetune_loop,
            recipe.run / "finetune", normaliser=normaliser, resume=resume,
        ).encoder  # fmt: skip
    if PartialState().is_main_process:
        encoder.save_pretrained(folder, manifest(store, normaliser) | {"recipe": key})
    PartialState().wait_for_everyone()
    return folder


def _key(recipe: Recipe, store: WindowStore, split: Split) -> dict[str, Any]:
    import json

    people = {part: list(names) for part, names in split.subjects(store).items()}
    key = {"stages": asdict(recipe.stages), "people": people}
    return json.loads(json.dumps(key))
