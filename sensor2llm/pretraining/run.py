"""Pretrain an encoder without labels, and fine-tune it with them; both on training people only.

split = make_split(store, SplitConfig(kind="published"))
pretrained = pretrain(store, split)
finetuned = finetune(pretrained.encoder, store, split)
finetuned.encoder.save_pretrained("encoder", manifest(store, finetuned.normaliser))
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from torch import nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.orientation import turn_free_names
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import DataError
from sensor2llm.pretraining.augment import Augmenter
from sensor2llm.pretraining.config import (
    FinetuneConfig,
    finetune_loop,
    pretrain_loop,
)
from sensor2llm.pretraining.heads import SignalClassifier
from sensor2llm.pretraining.objective_config import CroSSLConfig, ObjectiveConfig
from sensor2llm.pretraining.objectives import build_objective
from sensor2llm.signals.dataset import SignalBatch, WindowDataset
from sensor2llm.signals.splits.splits import Split, check_leak
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.transforms import Normaliser, fit_normaliser
from sensor2llm.training.config import LoopConfig, config_for_rows
from sensor2llm.training.loop import FitResult, Validation, fit
from sensor2llm.training.seeding import seeded

EVALUATION_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class TrainedEncoder:
    """A trained encoder, what its input was normalised with, and how the run went."""

    encoder: SignalEncoder
    normaliser: Normaliser
    result: FitResult


@dataclass(frozen=True, kw_only=True)
class Pretrained(TrainedEncoder):
    """A pretrained encoder with the objective's own parts: heads, decoder."""

    objective: nn.Module


@dataclass(frozen=True, kw_only=True)
class Finetuned(TrainedEncoder):
    """A fine-tuned encoder with its plain head."""

    classifier: SignalClassifier


class WindowTask:
    """Rows of a store as the training loop wants them: a permutation an epoch, from the seed."""

    def __init__(
        self,
        module: nn.Module,
        train: WindowDataset,
        loop: LoopConfig,
        validate: Callable[[], Validation | None],
    ) -> None:
        self.module, self.train, self.loop, self.validate = module, train, loop, validate

    def batches(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Give an epoch's batches; the rest that fills no batch is left for another epoch."""
        rows, size = len(self.train), self.loop.batch_size
        order = np.random.default_rng([self.loop.seed, epoch]).permutation(rows)
        whole = max(rows // size, 1)
        return np.array_split(order[: whole * size], whole)

    def collate(self, rows: NDArray[np.int64]) -> SignalBatch:
        """Read windows by their position among the training windows."""
        return self.train.batch(rows)


def pretrain(
    store: Windows,
    split: Split,
    encoder: EncoderConfig | SignalEncoder | None = None,
    objective_config: ObjectiveConfig | None = None,
    loop_config: LoopConfig | None = None,
    out: Path | None = None,
    *,
    resume: bool = False,
    progress_bar: bool = True,
) -> Pretrained:
    """Pretrain an encoder on the training people's windows, labels unused; by default CroSSL.

    Normalisation is fitted on the same windows. The weights of the lowest loss on the validation
    people are kept; their masks are the same at every validation.

    Args:
        store: windows, labelled or not.
        split: training people teach, validation people choose the epoch.
        encoder: kind and sizes of a new encoder, or an encoder, which is trained in place: one of
            others' modules, or one to go on with.
        objective_config: which objective, and its options.
        loop_config: how long and how fast.
        out: run folder, or None.
        resume: go on from `out`'s checkpoint.
        progress_bar: show one on stderr.

    Raises:
        DataError: a person is in two parts of the split.
    """
    check_leak(store, split)
    loop = config_for_rows(loop_config or pretrain_loop(), len(split.train))
    chosen = objective_config or CroSSLConfig()
    with seeded(loop.seed):
        made = encoder if isinstance(encoder, SignalEncoder) else SignalEncoder(store.spec, encoder)
        normaliser = fit_normaliser(store, split.train, turn_free_names(made.spec, made.config))
        objective = build_objective(made, chosen, normaliser)
    held_out = WindowDataset(store, split.validation, normaliser)

    def check() -> Validation | None:
        generator = torch.Generator().manual_seed(loop.seed)
        losses = [objective(b, generator) for b in windows(held_out, _device(made)) if len(b) > 1]
        total = sum(float(loss.total) for loss in losses) / max(sum(x.weight for x in losses), 1)
        return Validation(-total, {"validation_loss": total}) if losses else None

    task = WindowTask(objective, WindowDataset(store, split.train, normaliser), loop, check)
    identity = _identity(store, split, made.config, chosen) | {"objective": chosen.kind}
    result = fit(task, loop, out, resume=resume, identity=identity, progress_bar=progress_bar)
    return Pretrained(
        encoder=made.eval(), normaliser=normaliser, result=result, objective=objective.eval()
    )


def finetune(
    encoder: SignalEncoder,
    store: Windows,
    split: Split,
    config: FinetuneConfig | None = None,
    loop_config: LoopConfig | None = None,
    out: Path | None = None,
    *,
    normaliser: Normaliser | None = None,
    without: Collection[str] = (),
    everyone: bool = False,
    resume: bool = False,
    progress_bar: bool = True,
) -> Finetuned:
    """Train a plain head on an encoder, and the encoder with it unless it is to stay fixed.

    A freshly built encoder makes this the supervised baseline.

    Args:
        encoder: trained in place.
        store: labelled windows; unlabelled ones are left out.
        split: training people teach, validation people choose the epoch.
        config: head, augmentation, label smoothing.
        loop_config: how long and how fast.
        out: run folder, or None.
        normaliser: what the encoder was pretrained with; by default fitted on training windows.
        without: modalities that are missing from all windows.
        everyone: also teach with the validation people. Nothing is then left to choose the epoch
            by: the last weights are kept, after a number of epochs chosen in an earlier run.
        resume: go on from `out`'s checkpoint.
        progress_bar: show one on stderr.

    Raises:
        DataError: a person is in two parts, no training window has a label, or `without` names
            every modality.
    """
    check_leak(store, split)
    if set(store.spec.names) <= set(without):
        raise DataError(f"without {', '.join(without)} there is no modality left; leave one in")
    config = config or FinetuneConfig()
    rows = np.concatenate([split.train, split.validation]) if everyone else split.train
    turn_free = turn_free_names(encoder.spec, encoder.config)
    normaliser = normaliser or fit_normaliser(store, rows, turn_free)
    train = WindowDataset(store, labelled(store, rows), normaliser, without)
    held_out = WindowDataset(store, labelled(store, split.validation), normaliser, without)
    loop = config_for_rows(loop_config or finetune_loop(), len(train))
    varied = None if config.freeze_encoder else Augmenter(store.spec, normaliser, config.augment)
    with seeded(loop.seed):
        classifier = SignalClassifier(encoder, len(store.label_names), config, varied)

    def check() -> Validation | None:
        return None if everyone or not len(held_out) else _score(classifier, held_out)

    task = WindowTask(classifier, train, loop, check)
    identity = _identity(store, split, encoder.config, config)
    identity |= {"everyone": everyone, "without": sorted(without)}
    identity |= {"start": encoder.fingerprint()} if out else {}
    result = fit(task, loop, out, resume=resume, identity=identity, progress_bar=progress_bar)
    return Finetuned(
        encoder=encoder.eval(), normaliser=normaliser, result=result, classifier=classifier.eval()
    )


def fresh_encoder(store: Windows, config: EncoderConfig | None, loop: LoopConfig) -> SignalEncoder:
    """Build an encoder whose random weights follow from the loop's seed."""
    with seeded(loop.seed):
        return SignalEncoder(store.spec, config)


def windows(dataset: WindowDataset, device: torch.device) -> Iterator[SignalBatch]:
    """Yield a data set's windows in order, by batches of at most `EVALUATION_ROWS`."""
    for start in range(0, len(dataset), EVALUATION_ROWS):
        rows = range(start, min(start + EVALUATION_ROWS, len(dataset)))
        yield dataset.batch(np.asarray(rows)).to(device)


def labelled(store: Windows, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the rows that have a label; raises DataError where there is none."""
    chosen = rows[np.asarray(store.labels)[rows] >= 0]
    if not len(chosen):
        raise DataError(f"none of the {len(rows)} windows has a label; fine-tuning needs labels")
    return chosen


@torch.no_grad()
def predict(
    classifier: SignalClassifier, dataset: WindowDataset
) -> Float[np.ndarray, "window label"]:
    """Give each window's label probabilities by the plain head."""
    classifier.eval()
    device = _device(classifier)
    parts = [classifier.logits(batch).softmax(-1).cpu() for batch in windows(dataset, device)]
    return torch.cat(parts).numpy()


def manifest(store: Windows, normaliser: Normaliser, **recipe: Any) -> dict[str, Any]:
    """Give what an encoder's folder says beside spec and configuration."""
    return {
        "normaliser": normaliser.to_dict(),
        "label_names": list(store.label_names),
        "source": store.source,
        "parts": dict(store.parts),
        "recipe": recipe,
    }


def _score(classifier: SignalClassifier, dataset: WindowDataset) -> Validation:
    guessed = predict(classifier, dataset).argmax(1)
    macro_f1 = float(f1_score(dataset.labels, guessed, average="macro", zero_division=0.0))
    return Validation(macro_f1, {"validation_macro_f1": macro_f1})


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


def _identity(store: Windows, split: Split, encoder: EncoderConfig, stage: Any) -> dict[str, Any]:
    """Give what must be equal for a checkpoint to be gone on from."""
    people = {part: list(names) for part, names in split.subjects(store).items()}
    return {
        "spec": store.spec.to_dict(),
        "data": store.fingerprint,
        "people": people,
        "encoder": encoder.identity(),
        "stage": asdict(stage),
    }
