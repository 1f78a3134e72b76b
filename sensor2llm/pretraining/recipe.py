"""From a recipe and a store to an encoder's folder."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.artefacts.manifest import check_out
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.pretraining.masked_autoencoder import MaskedAutoencoder
from sensor2llm.pretraining.multimodal_nce import MultimodalNCE
from sensor2llm.pretraining.run import (
    Pretrained,
    finetune,
    fresh_encoder,
    manifest,
    pretrain,
    windows,
)
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.labels import check_labels, warn_of_spellings
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.splits.splits import Split, make_split
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.training.checkpoint import drop_checkpoints, sole_run
from sensor2llm.training.devices import process_state
from sensor2llm.training.loop import FitResult

ATTENTION = "attention.npy"
HELD_OUT_WINDOWS = 1000
"""Validation windows that an objective's own measures look at."""


def make_encoder(
    recipe: EncoderRecipe, data: Path, out: Path, *, resume: bool = False
) -> dict[str, Any]:
    """Train what the recipe says and write the encoder's folder.

    Metrics and checkpoints of the stages go to `OUT-run/` beside it.

    Args:
        recipe: stages and settings.
        data: a window store.
        out: the encoder's folder.
        resume: go on from the checkpoints of an interrupted run.

    Returns:
        A summary of plain JSON types: windows, people, parameters, each stage's result.

    Raises:
        ConfigError: `out` is there and is no encoder.
        ArtefactError: another process makes it.
        DataError: the store cannot be split so, or has no labels where they are needed.
    """
    check_out(out, "encoder")
    run = out.with_name(f"{out.name}-run")
    with sole_run(run):
        return _made(recipe, WindowStore.open(data), out, run, resume)


def _made(
    recipe: EncoderRecipe, store: WindowStore, out: Path, run: Path, resume: bool
) -> dict[str, Any]:
    split = make_split(store, recipe.split)
    if recipe.finetune:
        warn_of_spellings(store.label_names)
        check_labels(store, split)
    if not resume:
        drop_checkpoints(run)
    start, stages = time.monotonic(), {}
    encoder, normaliser = None, None
    if recipe.pretrain:
        pretrained = pretrain(
            store, split, recipe.encoder, recipe.objective_config, recipe.pretrain_loop,
            run / "pretrain", resume=resume,
        )  # fmt: skip
        encoder, normaliser = pretrained.encoder, pretrained.normaliser
        stages["pretrain"] = _summary(pretrained.result, "validation_loss")
        held_out = WindowDataset(store, split.validation[:HELD_OUT_WINDOWS], normaliser)
        stages["pretrain"] |= _own_measures(pretrained, held_out, run)
    if recipe.finetune:
        encoder = encoder or fresh_encoder(store, recipe.encoder, recipe.finetune_loop)
        tuned = finetune(
            encoder, store, split, recipe.supervised, recipe.finetune_loop, run / "finetune",
            normaliser=normaliser, everyone=recipe.everyone, resume=resume,
        )  # fmt: skip
        encoder, normaliser = tuned.encoder, tuned.normaliser
        stages["finetune"] = _summary(tuned.result, "validation_macro_f1")
    assert encoder is not None
    assert normaliser is not None
    _save(out, recipe, store, split, encoder, normaliser, stages)
    return {
        "encoder": str(out),
        "windows": len(split.train),
        "modalities": list(store.spec.names),
        "parameters": parameters(encoder),
        "seconds": round(time.monotonic() - start, 1),
        "stages": stages,
        "fingerprint": encoder.fingerprint(),
    }


def _save(
    out: Path, recipe: EncoderRecipe, store: WindowStore, split: Split, encoder: SignalEncoder,
    normaliser: Normaliser, stages: dict[str, Any],
) -> None:  # fmt: skip
    """Write the encoder's folder once, and let every process wait for it."""
    if process_state().is_main_process:
        people = {part: list(names) for part, names in split.subjects(store).items()}
        stated = manifest(store, normaliser, **asdict(recipe), people=people, stages=stages)
        taught = Taught.of(store, np.concatenate([split.train, split.validation]))
        licence = {"license": recipe.license} if recipe.license else {}
        encoder.save_pretrained(out, licence | stated | {"taught": taught.to_dict()})
    process_state().wait_for_everyone()


def summary_text(summary: Mapping[str, Any]) -> str:
    """Write a summary for people: a line a stage, then a line a fact."""
    lines = [
        f"{stage}: {', '.join(f'{name} {_rounded(value)}' for name, value in figures.items())}"
        for stage, figures in summary["stages"].items()
    ]
    facts = {name: value for name, value in summary.items() if name != "stages"}
    for name, value in facts.items():
        lines.append(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    return "\n".join(lines)


def _rounded(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def _own_measures(pretrained: Pretrained, held_out: WindowDataset, run: Path) -> dict[str, Any]:
    """Give what only one objective can say of the validation people's windows."""
    objective = pretrained.objective
    batches = windows(held_out, next(objective.parameters()).device)
    if isinstance(objective, MultimodalNCE):
        return {"recall": objective.recall(batches)}
    if isinstance(objective, MaskedAutoencoder):
        attention = [
            (objective.attention(batch), int(batch.present.all(1).sum())) for batch in batches
        ]
        whole = [(weights.cpu().numpy(), count) for weights, count in attention if count]
        if whole and process_state().is_main_process:
            weights, counts = zip(*whole, strict=True)
            with replace_file(run / ATTENTION) as part, part.open("wb") as file:
                np.save(file, np.average(weights, axis=0, weights=counts))
            return {"attention": str(run / ATTENTION)}
    return {}


def parameters(encoder: SignalEncoder) -> int:
    """Count an encoder's weights."""
    return sum(p.numel() for p in encoder.parameters())


def _summary(result: FitResult, name: str) -> dict[str, Any]:
    values = [line[name] for line in result.history if name in line]
    best = (min if name.endswith("loss") else max)(values) if values else None
    return {
        name: best,
        "steps": result.steps,
        "best_step": result.best_step,
        "windows_per_s": round(result.rows_per_s, 1),
        "ended": result.ended,
    }
