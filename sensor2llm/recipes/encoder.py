"""The recipe's encoder: a folder's, a released one, the hub's, several as one, a kind's or new."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sensor2llm.artefacts.marks import is_marked
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.files import find_encoder, read_manifest
from sensor2llm.encoders.foundation.frozen import FrozenFoundation
from sensor2llm.encoders.joined import join_encoders
from sensor2llm.encoders.modality_encoders import is_kind, load_foundation
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError, DataError, UserError
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.recipes.config import NEW, Recipe, changes_of
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.normalise import merge
from sensor2llm.signals.splits.splits import Split, make_split
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.transforms import Normaliser, fit_normaliser
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.training.checkpoint import drop_checkpoints
from sensor2llm.training.devices import process_state
from sensor2llm.training.record import write_json
from sensor2llm.training.seeding import seeded

SHOWN = 4
BEHIND_A_WORD = frozenset(
    f"encoder.{name}"
    for name in ("pooled_steps", "aggregator_hidden", "aggregator_width", "tabular_layers",
                 "weights", "revision", "sha256", "by_modality")
)  # fmt: skip
"""Settings of what stands around a foundation encoder that is taken by a word."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder, what its input is normalised with, and who taught it."""

    encoder: SignalEncoder
    normaliser: Normaliser | None
    taught: tuple[Taught, ...] = ()


def get_encoder(recipe: Recipe, store: Windows, split: Split, resume: bool) -> LoadedEncoder:
    """Load the recipe's encoder, or make a new one on the training people."""
    if is_kind(recipe.encoder) and (foundation := load_foundation(_config(recipe))) is not None:
        _warn_unused(recipe, BEHIND_A_WORD.__contains__)
        return _by_word(recipe, store, split, foundation)
    if recipe.encoder == NEW or is_kind(recipe.encoder):
        _warn_unused(recipe, lambda name: name != "encoder.kind" or recipe.encoder == NEW)
        _refuse_joint(_config(recipe))
        return load_encoder(_make(recipe, store, resume))
    _warn_unused(recipe, lambda name: False)
    folders = find_encoders(recipe.encoder)
    for folder in folders:
        manifest = read_manifest(folder)
        stated, taught = manifest.get("recipe") or {}, [Taught.from_manifest(manifest)]
        check_people(taught, stated, store, split, recipe.split, f"the encoder '{folder}'")
    loaded = load_encoder(*folders)
    convert_store(store, loaded.encoder.spec, quiet=True)
    return loaded


def check_people(
    taught: Sequence[Taught],
    stated: Mapping[str, Any],
    store: Windows,
    split: Split,
    config: SplitConfig,
    what: str,
) -> None:
    """Refuse test people who taught, and name the options of a split that tests others.

    Args:
        taught: who taught what is trained on from here.
        stated: its own recipe, whose split is tried on the store.
        store: the windows.
        split: of the store, as `config` says.
        config: the recipe's split.
        what: is trained on from here, for messages: "the encoder 'mine'".

    Raises:
        DataError: test people are among those who taught it.
    """
    try:
        for people in taught:
            people.check(store, split.test, what)
    except DataError as error:
        try:
            theirs = SplitConfig(**stated["split"])
            test = make_split(store, theirs).test
            for people in taught:
                people.check(store, test, what)
        except (LookupError, TypeError, UserError):  # it states none, or one of other people
            raise error from None
        usual = asdict(config)
        options = [f"--split.{n} {v}" for n, v in asdict(theirs).items() if v != usual[n]]
        raise DataError(f"{error}, its own: {' '.join(options)}") from error


def _warn_unused(recipe: Recipe, takes: Callable[[str], bool]) -> None:
    """Name the settings of a new encoder that were changed and that this one does not take."""
    changes = changes_of(recipe).get("new_encoder", {})
    own = changes.pop("encoder", {})
    if own.get("kind") == recipe.encoder:
        del own["kind"]
    names = [*(f"encoder.{name}" for name in own), *changes]
    if unused := [f"new_encoder.{name}" for name in names if not takes(name)]:
        more = f" and {len(unused) - SHOWN} more" if len(unused) > SHOWN else ""
        shown = ", ".join(unused[:SHOWN]) + more
        logger.warning("the encoder %r does not take %s", recipe.encoder, shown)


def _refuse_joint(config: EncoderConfig) -> None:
    """Refuse an encoder whose features still tell of a sensor after it was taken away."""
    if config.fusion == "joint":
        raise ConfigError(
            "a joint encoder mixes its sensors, and an adapter takes sensors away one by one; "
            "make the encoder with fusion late"
        )


def _config(recipe: Recipe) -> EncoderConfig:
    """Give a new encoder's settings, of the kind that the recipe names by a word."""
    settings = recipe.new_encoder.encoder
    return settings if recipe.encoder == NEW else replace(settings, kind=recipe.encoder)


def _by_word(
    recipe: Recipe, store: Windows, split: Split, foundation: FrozenFoundation
) -> LoadedEncoder:
    """Take a foundation encoder as it is, its features unchanged."""
    config = replace(_config(recipe), width=foundation.features)
    with seeded(recipe.loop.seed):  # the aggregator's weights are part of the fingerprint
        encoder = SignalEncoder(store.spec, config, foundation=foundation).eval()
    if recipe.train_encoder and not any(True for _ in encoder.modalities.parameters()):
        raise ConfigError(
            f"train_encoder has nothing to train: the encoder {recipe.encoder!r} stays as others "
            "made it; leave train_encoder out"
        )
    return LoadedEncoder(encoder, fit_normaliser(store, split.train))


def find_encoders(name: str) -> list[Path]:
    """Find the encoder of a recipe, or each of those that are joined by `+`."""
    if "+" not in name or Path(name).is_dir():
        return [find_encoder(name)]
    return [find_encoder(part.strip()) for part in name.split("+")]


def load_encoder(*folders: Path) -> LoadedEncoder:
    """Load an encoder's folder with its normalisation; several become one."""
    manifests = [read_manifest(folder) for folder in folders]
    stated = [manifest.get("normaliser") for manifest in manifests]
    encoders = [SignalEncoder.from_pretrained(folder) for folder in folders]
    for encoder in encoders:
        _refuse_joint(encoder.config)
    normalisers = []
    for encoder, plain in zip(encoders, stated, strict=True):
        if plain:
            normalisers.append(Normaliser.from_dict(plain))
            normalisers[-1].check(encoder.spec)
    if normalisers and len(normalisers) < len(folders):
        raise ConfigError("one of the joined encoders has no normalisation; pretrain it again")
    normaliser = merge(normalisers) if normalisers else None
    encoder = encoders[0] if len(encoders) == 1 else join_encoders(encoders)
    return LoadedEncoder(encoder, normaliser, tuple(map(Taught.from_manifest, manifests)))


def _stages(recipe: Recipe) -> EncoderRecipe:
    """Give the new encoder's recipe: with the adapter's split, and licence where it has none."""
    licence = recipe.new_encoder.license or recipe.license
    return replace(recipe.new_encoder, encoder=_config(recipe), split=recipe.split, license=licence)


def _make(recipe: Recipe, store: Windows, resume: bool) -> Path:
    """Make a new encoder in the run folder, or take the one that an interrupted run finished."""
    folder, stages = recipe.run / "encoder", _stages(recipe)
    key = json.loads(json.dumps({"stages": asdict(stages), "data": store.fingerprint}))
    mark = recipe.run / "encoder.json"
    if resume and folder.is_dir() and is_marked(mark, key, f"the encoder in {folder}"):
        return folder
    names = [stages.objective] * stages.pretrain + ["labels"] * stages.finetune
    logger.info("making the encoder: %s", ", then ".join(names))
    if not resume:
        drop_checkpoints(recipe.run)
    if process_state().is_main_process:
        mark.unlink(missing_ok=True)  # it would vouch for another encoder after a kill
    make_encoder(stages, store.path, folder, resume=resume)
    if process_state().is_main_process:
        write_json(mark, key)
    process_state().wait_for_everyone()
    return folder
