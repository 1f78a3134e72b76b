"""Measure an encoder's folder by probes on the people of one part of a store."""

from pathlib import Path
from typing import Any

from sensor2llm.encoders.signal_encoder import SignalEncoder, read_manifest
from sensor2llm.pretraining.config import ProbeConfig, ProbeKind
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.store import WindowStore
from sensor2llm.tasks.evaluation import data_facts, recipe_split
from sensor2llm.tasks.metrics import Predictions, measure
from sensor2llm.tasks.probe import ProbeResult, probe


def evaluate_encoder(
    folder: str | Path,
    store: WindowStore,
    *,
    part: str = "test",
    finetuned: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure an encoder's folder with probes: a linear one, an MLP, and the fine-tuned encoder.

    Args:
        folder: what `pretrain_encoder` wrote.
        store: labelled windows.
        part: validation or test.
        finetuned: also fine-tune a copy of the encoder, which takes minutes.
        seed: of the bootstrap.

    Returns:
        The linear probe's metrics as plain JSON, and in `probes` those of every probe.
    """
    manifest, encoder = read_manifest(folder), SignalEncoder.from_pretrained(folder)
    encoder.spec.check_compatible(store.spec)
    split = recipe_split(manifest.get("recipe") or {}, store)
    normaliser = Normaliser.from_dict(manifest["normaliser"])
    kinds: tuple[ProbeKind, ...] = ("linear", "mlp", *(("finetuned",) if finetuned else ()))
    found = probe(encoder, store, split, normaliser, ProbeConfig(kinds=kinds), part)
    probes = {kind: _probe_metrics(result, store, seed) for kind, result in found.items()}
    facts = {"split": part, "encoder": encoder.fingerprint(), "data": data_facts(store, split)}
    return {**probes["linear"], **facts, "probes": probes}


def _probe_metrics(result: ProbeResult, store: WindowStore, seed: int) -> dict[str, Any]:
    predictions = Predictions(
        labels=store.label_names,
        true=result.labels,
        predicted=result.probabilities.argmax(1),
        subjects=store.subjects[result.rows],
        probabilities=result.probabilities,
    )
    released = {"f1_crossl_released": result.metrics["f1_crossl_released"]}
    return {**measure(predictions, seed=seed).to_dict(), **released, "chosen": result.chosen}
