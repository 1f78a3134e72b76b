"""What a study compares, as torch-free dataclasses: the YAML that `study --config` reads."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.config import (
    FinetuneConfig,
    finetune_loop,
    pretrain_loop,
    probe_loop,
)
from sensor2llm.pretraining.objective_config import Objective, check_choice
from sensor2llm.signals.config import SplitConfig
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.ray_cluster import check_request

Use = Literal["fixed", "finetuned"]
LabelsBy = Literal["block", "subject"]
Missing = Literal["none", "each", "all"]
Validation = Literal["drawn", "previous"]
FixedProbe = Literal["mlp", "linear", "knn"]
Settings = dict[str, Any]
SUPERVISED = "supervised"


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """A labelled window store and what is particular to it."""

    path: Path
    """The store's folder, made by `prepare`."""
    modalities: tuple[str, ...] | None = None
    """Modalities that take part; by default all."""
    people: tuple[str, ...] | None = None
    """People who take part; by default all."""
    split: SplitConfig = field(default_factory=lambda: SplitConfig(kind="fold"))
    """How people are divided; the study's folds set its `fold`."""
    folds: tuple[int, ...] | None = None
    """Folds of this store, in place of the study's."""
    validation: Validation = "drawn"
    """Who validates: people drawn by the split, or (split kind loso) the person before the one who
    is left out, in order; the last before the first."""
    encoder: Settings = field(default_factory=dict)
    """Changes of the study's encoder, such as `strides: [4, 4, 2]` for high rates."""
    pretrain_loop: Settings = field(default_factory=dict)
    """Changes of the study's pretraining loop."""
    finetune_loop: Settings = field(default_factory=dict)
    """Changes of the study's fine-tuning loop."""

    def __post_init__(self) -> None:
        # Lists from YAML.
        for name in ("folds", "modalities", "people"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("modalities", "people"):
            if getattr(self, name) == ():
                raise ConfigError(f"{name} of '{self.path}' is empty; leave it out to take all")
        check_choice("validation", self.validation, get_args(Validation))
        if self.validation == "previous" and self.split.kind != "loso":
            raise ConfigError(f"validation previous needs split kind loso, got {self.split.kind}")


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """One way to make an encoder: an objective with its options, or labels alone."""

    objective: Objective | None = None
    """What is pretrained for; none is the supervised baseline."""
    options: Settings = field(default_factory=dict)
    """Options of the objective; a list of values makes one method of each value."""
    encoder: Settings = field(default_factory=dict)
    """Changes of the encoder, such as `kind: deepconvlstm`."""
    pretrain_loop: Settings = field(default_factory=dict)
    """Changes of the pretraining loop, such as `epochs: 24`."""
    finetune_loop: Settings = field(default_factory=dict)
    """Changes of the fine-tuning loop."""
    use: tuple[Use, ...] = ("fixed", "finetuned")
    """fixed trains a head on the frozen encoder, finetuned both."""
    pretrain_on: dict[str, dict[str, str]] = field(default_factory=dict)
    """Stores to pretrain on in place of the one that is judged: store name to a mapping of its
    modalities to those of the judged store; all their people teach, without labels. Such a store
    is not judged itself: its `folds` are []."""
    pretrain_too: bool = True
    """With `pretrain_on`: also pretrain on the judged store's training people."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "use", tuple(self.use))
        if self.objective is not None:
            check_choice("objective", self.objective, get_args(Objective))
        for use in self.use:
            check_choice("use", use, get_args(Use))
        if self.objective is None and self.pretrain_on:
            raise ConfigError("pretrain_on needs an objective")

    def variants(self) -> Iterator[tuple[str, Settings]]:
        """Give each combination of listed option values: what differs, in words, and the options.

        Options whose own value is a list do not exist, so a list always means several methods; an
        empty one raises ConfigError.
        """
        listed = {name: v for name, v in self.options.items() if isinstance(v, list)}
        for name, settings in listed.items():
            if not settings:
                raise ConfigError(f"option {name} is an empty list; name at least one value")
        for values in itertools.product(*listed.values()):
            chosen = dict(zip(listed, values, strict=True))
            words = " ".join(f"{name}={value}" for name, value in chosen.items())
            yield words, {**self.options, **chosen}


@dataclass(frozen=True, kw_only=True)
class LabelsConfig:
    """How many of the training people's labels are used."""

    shares: tuple[float, ...] = (1.0,)
    """Shares of the labels."""
    by: tuple[LabelsBy, ...] = ("block",)
    """Share of each person's windows in one run (block), or of people (subject)."""
    draws: int = 1
    """How often a share below 1 is drawn."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", tuple(self.shares))
        object.__setattr__(self, "by", tuple(self.by))
        for by in self.by:
            check_choice("by", by, get_args(LabelsBy))
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise ConfigError(f"label shares must lie above 0 and up to 1, got {self.shares}")
        if self.draws < 1:
            raise ConfigError(f"draws must be at least 1, got {self.draws}")


@dataclass(frozen=True, kw_only=True)
class MissingConfig:
    """Which modalities are taken away, and when."""

    inference: Missing = "none"
    """Modalities taken away when judging: none, each alone, or all subsets. A device (body site)
    counts, too; the empty subset does not."""
    finetuning: Missing = "none"
    """The same when labels are learnt. The judged windows then lack these modalities too."""

    def __post_init__(self) -> None:
        check_choice("inference", self.inference, get_args(Missing))
        check_choice("finetuning", self.finetuning, get_args(Missing))


def study_pretrain_loop() -> LoopConfig:
    """Give the pretraining loop of a study: batches of 128, early stopping, at most 5 minutes."""
    return replace(pretrain_loop(), batch_size=128, learning_rate=2e-3, patience=3,
                   precision="auto", min_steps=0)  # fmt: skip


def study_finetune_loop() -> LoopConfig:
    """Give the fine-tuning loop of a study; its floor under the steps is `finetune_min_steps`."""
    return replace(finetune_loop(), batch_size=128, learning_rate=2e-3, patience=4,
                   precision="auto", min_steps=0)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A whole study: stores × methods × folds × seeds, and how each encoder is judged."""

    name: str
    """Title of the report."""
    stores: dict[str, StoreConfig]
    """Labelled stores by name."""
    methods: dict[str, MethodConfig]
    """Ways to make an encoder by name."""
    baseline: str = SUPERVISED
    """The method that others are compared with, window by window; none where it is not run."""
    folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Folds of people."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of initial weights, order and masks."""
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    """Label efficiency."""
    missing: MissingConfig = field(default_factory=MissingConfig)
    """Missing modalities."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """Kind and sizes of every encoder that a method or store does not change."""
    pretrain_loop: LoopConfig = field(default_factory=study_pretrain_loop)
    """How every objective is trained."""
    finetune_loop: LoopConfig = field(default_factory=study_finetune_loop)
    """How labels are learnt."""
    finetune_min_steps: int = 300
    """Optimiser steps that fine-tuning plans at least: few labels get more epochs."""
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    """Head, augmentation and label smoothing of fine-tuning."""
    probe_loop: LoopConfig = field(default_factory=probe_loop)
    """How the head on a fixed encoder's standardised features is trained."""
    features: Literal["concatenated", "aggregator"] = "concatenated"
    """A fixed encoder's head reads all embeddings, or the aggregator's output."""
    probe: FixedProbe = "mlp"
    """What is trained on a fixed encoder's features: the released head (mlp), logistic regression
    (linear) or nearest neighbours (knn)."""
    published: dict[str, dict[str, str]] = field(default_factory=dict)
    """Published cells to stand beside ours: method (and use) to store to what the paper says."""
    engine: Literal["local", "ray"] = "local"
    """One process a core (local), or a cluster (ray). It must see the same store paths."""
    workers: int | None = None
    """Processes at a time; by default one a core."""
    address: str | None = None
    """Address of the ray cluster; by default one starts here."""
    worker_cpus: float = 1
    """Cores that a cell has for itself on ray; its one thread takes no more, its memory may."""
    worker_gpus: float | None = None
    """GPUs that a cell has for itself on ray; half a GPU is 0.5, and without it there is none."""
    out: Path = Path("runs/study")
    """Folder of finished cells. Those that are there and still fit are not run again."""
    report: Path | None = None
    """Folder of the tables and pictures; by default `out`."""

    def __post_init__(self) -> None:
        for name in ("folds", "seeds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not getattr(self, name):
                raise ConfigError(f"a study needs {name}, got none")
        for name in ("stores", "methods"):
            if not getattr(self, name):
                raise ConfigError(f"a study needs {name}, got none")
        check_choice("features", self.features, ("concatenated", "aggregator"))
        check_choice("probe", self.probe, get_args(FixedProbe))
        check_choice("engine", self.engine, ("local", "ray"))
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers must be at least 1, got {self.workers}")
        check_request(self.worker_cpus, self.worker_gpus)
        for name, method in self.methods.items():
            self._check_stores(name, method.pretrain_on)
        for name, store in self.stores.items():
            self._check_folds(name, store)
        if all(store.folds == () for store in self.stores.values()):
            raise ConfigError("no store is judged: all have folds []")
        for cell in self.published.values():
            for published in cell:
                check_choice("store in published", published, tuple(self.stores))
        self._check_baseline()

    def _check_baseline(self) -> None:
        titles = [
            f"{name} {words}".strip()
            for name, method in self.methods.items()
            for words, _ in method.variants()
        ]
        if self.baseline not in (SUPERVISED, *titles):
            raise ConfigError(f"baseline {self.baseline!r} is no method; {', '.join(titles)} are")

    def _check_stores(self, method: str, wanted: Mapping[str, Any]) -> None:
        for store in wanted:
            if store not in self.stores:
                raise ConfigError(
                    f"{method}: pretrain_on names the store {store!r}; "
                    f"stores are {', '.join(self.stores)}"
                )
            if self.stores[store].folds != ():
                raise ConfigError(
                    f"{method}: pretrain_on names {store}, which is judged, too: its test people "
                    f"would teach; set stores.{store}.folds to []"
                )

    def _check_folds(self, name: str, store: StoreConfig) -> None:
        """Refuse folds that are not there, and one split told several times as several folds."""
        folds, split = self.folds if store.folds is None else store.folds, store.split
        if split.kind in ("published", "subject") and len(folds) > 1:
            raise ConfigError(
                f"{name}: split kind {split.kind} is the same in every fold; set folds to [0]"
            )
        for fold in folds:
            if fold < 0 or (split.kind == "fold" and fold >= split.folds):
                last = f" to {split.folds - 1}" if split.kind == "fold" else " or more"
                raise ConfigError(f"{name}: folds must be 0{last}, got {fold}")
