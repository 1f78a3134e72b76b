"""The cells of a study: one a store, method, fold and seed. Each is made and judged by itself."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from itertools import combinations
from typing import Any, Literal, get_args, get_origin

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.config import EncoderRecipe, probe_loop
from sensor2llm.pretraining.objective_config import ObjectiveConfig
from sensor2llm.studies.config import (
    LabelsBy,
    Missing,
    MissingConfig,
    Settings,
    StudyConfig,
    Use,
)
from sensor2llm.training.config import LoopConfig

FORMAT = 1
LATER = ("min_steps", "gravity_loss", "rate_loss")
"""Settings of loops and augmentation that came after the first studies; 0 is as it was before."""
NUMBERS: dict[Any, tuple[type, str]] = {int: (int, "a whole number"), float: (float, "a number")}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One encoder to be made and judged."""

    store: str
    method: str
    """The method's name in the study."""
    variant: str
    """Which of the method's listed options, in words; empty where nothing is listed."""
    options: Settings
    fold: int
    seed: int

    @property
    def title(self) -> str:
        """Give the method with its variant, as tables name it."""
        return f"{self.method} {self.variant}".strip()

    @property
    def key(self) -> str:
        """Give a name for files."""
        words = f"{self.store}-{self.title}-seed{self.seed}-fold{self.fold}"
        return re.sub(r"[^A-Za-z0-9_.=-]+", "_", words)


@dataclass(frozen=True, kw_only=True)
class EvaluationProtocol:
    """One way in which a cell's encoder is judged."""

    use: Use
    share: float = 1.0
    by: LabelsBy = "block"
    draw: int = 0
    without: tuple[str, ...] = ()
    """Modalities that are missing when labels are learnt, and afterwards."""


def cells(study: StudyConfig) -> list[Cell]:
    """List a study's cells, fold by fold, so that an interrupted study has whole folds."""
    planned: list[Cell] = []
    for seed in study.seeds:
        folds = {fold for store in study.stores for fold in store_folds(study, store)}
        for fold in sorted(folds):
            for name, method in study.methods.items():
                for variant, options in method.variants():
                    planned += [
                        Cell(store=store, method=name, variant=variant, options=options,
                             fold=fold, seed=seed)
                        for store in judged_stores(study)
                        if fold in store_folds(study, store)
                    ]  # fmt: skip
    by_key: dict[str, Cell] = {}
    for cell in planned:
        other = by_key.setdefault(cell.key, cell)
        if other is not cell:
            raise ConfigError(
                f"{cell.title!r} and {other.title!r} on {cell.store} would both be written as "
                f"{cell.key}; name methods, stores, folds and seeds so that they differ"
            )
    return planned


def check_cells(study: StudyConfig) -> None:
    """Build every cell's settings, so that a wrong one ends the study before it begins."""
    for cell in cells(study):
        encoder_config(study, cell)
        loops(study, cell)
        objective_config(study, cell)


def judged_stores(study: StudyConfig) -> list[str]:
    """List the stores that encoders are judged on: all but those with no folds of their own."""
    return [name for name, store in study.stores.items() if store.folds != ()]


def store_folds(study: StudyConfig, store: str) -> tuple[int, ...]:
    """Give the folds of a store."""
    own = study.stores[store].folds
    return study.folds if own is None else own


def stores_of(study: StudyConfig, cell: Cell) -> list[str]:
    """List the stores that a cell's result follows from, the judged one first."""
    return [cell.store, *study.methods[cell.method].pretrain_on]


def judgements(
    study: StudyConfig, cell: Cell, subsets: list[tuple[str, ...]]
) -> list[EvaluationProtocol]:
    """List how a cell is judged; `subsets` of modalities are left out when labels are learnt."""
    method = study.methods[cell.method]
    uses: tuple[Use, ...] = method.use if method.objective else ("finetuned",)
    protocols = []
    for use in uses:
        for share, by, draw in _draws(study):
            protocols += [
                EvaluationProtocol(use=use, share=share, by=by, draw=draw, without=without)
                for without in ((), *subsets)
            ]
    return protocols


def _draws(study: StudyConfig) -> Iterator[tuple[float, LabelsBy, int]]:
    for share in study.labels.shares:
        if share == 1:
            yield 1.0, "block", 0
            continue
        for by in study.labels.by:
            for draw in range(study.labels.draws):
                yield share, by, draw


def missing_subsets(
    names: tuple[str, ...], sites: tuple[str, ...], kind: Missing
) -> list[tuple[str, ...]]:
    """List sets of modalities, each on a body site, to take away; something always stays."""
    if kind == "all":
        sizes = range(1, len(names))
        return [chosen for size in sizes for chosen in combinations(names, size)]
    if kind == "none":
        return []
    subsets: list[tuple[str, ...]] = [(name,) for name in names] if len(names) > 1 else []
    pairs = list(zip(names, sites, strict=True))
    for site in dict.fromkeys(sites):
        of_site = tuple(name for name, where in pairs if where == site)
        if 1 < len(of_site) < len(names):
            subsets.append(of_site)
    return subsets


def encoder_config(study: StudyConfig, cell: Cell) -> EncoderConfig:
    """Give a cell's encoder: the study's, changed by its store, then by its method."""
    changes = {**study.stores[cell.store].encoder, **study.methods[cell.method].encoder}
    config: EncoderConfig = changed(study.encoder, changes, f"encoder of {cell.title}")
    if config.fusion == "joint" and study.missing != MissingConfig():
        raise ConfigError(
            f"{cell.title}: missing takes embeddings away, and those of a joint encoder tell of "
            "each other's sensors; leave missing out"
        )
    return config


def loops(study: StudyConfig, cell: Cell) -> tuple[LoopConfig, LoopConfig]:
    """Give a cell's pretraining and fine-tuning loops: the study's, its store's, its method's."""
    pretraining, finetuning = study.pretrain_loop, study.finetune_loop
    for part in (study.stores[cell.store], study.methods[cell.method]):
        pretraining = changed(pretraining, part.pretrain_loop, "pretrain_loop")
        finetuning = changed(finetuning, part.finetune_loop, "finetune_loop")
    return replace(pretraining, seed=cell.seed), replace(finetuning, seed=cell.seed)


def objective_config(study: StudyConfig, cell: Cell) -> ObjectiveConfig | None:
    """Give a cell's objective with its options; none for labels alone."""
    kind = study.methods[cell.method].objective
    if kind is None:
        if cell.options:
            raise ConfigError(f"{cell.title}: options need an objective")
        return None
    # Every objective's defaults are a field of the recipe, under its name.
    config: ObjectiveConfig = changed(
        getattr(EncoderRecipe(), kind), cell.options, f"options of {kind}"
    )
    return config


def changed(config: Any, changes: Settings, what: str) -> Any:
    """Give a config with some fields changed, nested ones by a mapping.

    Raises:
        ConfigError: a field that there is not, or a value of another kind than the field's.
    """
    types = {field.name: field.type for field in fields(config)}
    values = {}
    for name, value in changes.items():
        if name not in types:
            raise ConfigError(f"{what}: unknown field {name!r}; fields are {', '.join(types)}")
        old = getattr(config, name)
        if is_dataclass(old) and isinstance(value, Mapping):
            values[name] = changed(old, dict(value), f"{what}, {name}")
        else:
            values[name] = _checked(value, types[name], old, f"{what}: {name}")
    try:
        return replace(config, **values)
    except TypeError as error:  # a list of what its own check cannot compare
        raise ConfigError(f"{what}: {error}") from error


def _checked(value: Any, kind: Any, old: Any, what: str) -> Any:
    """Refuse a value that a person's YAML meant otherwise, such as `6 epochs` for 6."""
    if kind in NUMBERS:
        number, words = NUMBERS[kind]
        fits = isinstance(value, (int, number)) and not isinstance(value, bool)
        if not fits:
            raise ConfigError(f"{what} must be {words}, got {value!r}")
        return value
    if kind is bool and not isinstance(value, bool):
        raise ConfigError(f"{what} must be true or false, got {value!r}")
    if kind is str and not isinstance(value, str):
        raise ConfigError(f"{what} must be a word, got {value!r}")
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if value not in choices:
            raise ConfigError(f"{what} must be one of {', '.join(choices)}, got {value!r}")
    if is_dataclass(old) and not isinstance(value, type(old)):
        raise ConfigError(f"{what} has fields of its own, got {value!r}")
    return value


def digest(study: StudyConfig, cell: Cell) -> str:
    """Give a hash of all settings that a cell's results follow from."""
    text = json.dumps(digested(study, cell), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digested(study: StudyConfig, cell: Cell) -> Settings:
    """Give all settings that a cell's results follow from; where a store lies is not one.

    A setting that came after the first studies is left out while it has its default, so that
    finished cells stay finished when the configuration grows. Such a default never changes.
    """
    pretraining, finetuning = loops(study, cell)
    method, store = study.methods[cell.method], study.stores[cell.store]
    settings = {
        "format": FORMAT,
        "cell": asdict(cell),
        "method": {"objective": method.objective, "on": method.pretrain_on,
                   "too": method.pretrain_too, "use": method.use},
        "split": asdict(store.split),
        "encoder": encoder_config(study, cell).identity(),
        "loops": [asdict(pretraining, dict_factory=_settings),
                  asdict(finetuning, dict_factory=_settings), study.finetune_min_steps],
        "finetune": asdict(study.finetune, dict_factory=_settings),
        "features": study.features,
        "labels": asdict(study.labels),
        "missing": asdict(study.missing),
    }  # fmt: skip
    return settings | _later(study, cell)


def _settings(pairs: Iterable[tuple[str, Any]]) -> Settings:
    """Give a configuration's settings, as `asdict` names them, without later ones that are 0."""
    return {name: value for name, value in pairs if value or name not in LATER}


def _later(study: StudyConfig, cell: Cell) -> Settings:
    """Give the settings of `digested` that are there only where they differ from their default."""
    settings: Settings = {}
    if study.probe_loop != probe_loop():
        settings["probe_loop"] = asdict(study.probe_loop)
    if study.probe != "mlp":
        settings["probe"] = study.probe
    if study.stores[cell.store].validation != "drawn":
        settings["validation"] = study.stores[cell.store].validation
    for name in stores_of(study, cell):
        store = study.stores[name]
        chosen = {"modalities": store.modalities, "people": store.people}
        if any(chosen.values()):
            settings.setdefault("chosen", {})[name] = chosen
    return settings
