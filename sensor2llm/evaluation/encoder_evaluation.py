"""Measure an encoder, its own folder's or an adapter's, by probes on the people of one part."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.files import find_artefact
from sensor2llm.encoders.files import WEIGHTS, read_manifest
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError, SpecError
from sensor2llm.evaluation.embedding import (
    MOST_WINDOWS,
    Shares,
    modality_changes,
    modality_shares,
    selectivity,
    spread,
    subject_probe,
)
from sensor2llm.evaluation.evaluation import checked_split, data_facts
from sensor2llm.evaluation.probe import ProbeResult, probe
from sensor2llm.pretraining.config import ProbeConfig, ProbeKind
from sensor2llm.pretraining.run import labelled
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.splits.taught import Taught
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.tasks.metrics import Predictions, measure


@dataclass(frozen=True, eq=False)
class ReadEncoder:
    """Hold an encoder and what it is used with: its normaliser, and the split of a store."""

    encoder: SignalEncoder
    normaliser: Normaliser
    store: Windows
    split: Split

    def dataset(self, part: str) -> WindowDataset:
        """Give the labelled windows of one part.

        Raises:
            DataError: there is none.
        """
        return WindowDataset(self.store, labelled(self.store, self.split[part]), self.normaliser)

    def shares(self, part: str) -> Shares:
        """Give the share of each modality in each unit, from at most `MOST_WINDOWS` windows."""
        rows = spread(self.dataset(part).indices, MOST_WINDOWS)
        dataset = WindowDataset(self.store, rows, self.normaliser)
        return modality_shares(*modality_changes(self.encoder, dataset))


def read_encoder(name: str | Path, store: Windows, *, quiet: bool = False) -> ReadEncoder:
    """Read an encoder, its own folder's or an adapter's, for a store that is brought to its spec.

    Raises:
        ArtefactError: there is none, or it is broken.
        ConfigError: it is an adapter without an encoder.
        SpecError: the store's modalities are not the encoder's.
    """
    folder = find_artefact(str(name))
    if (folder / WEIGHTS).is_file():
        manifest, encoder = read_manifest(folder), SignalEncoder.from_pretrained(folder)
        normaliser = Normaliser.from_dict(manifest["normaliser"])
        recipe = manifest.get("recipe") or {}
        taught: tuple[Taught, ...] = (Taught.from_manifest(manifest),)
    else:
        adapter = SensorAdapter.load(folder)
        if adapter.encoder is None:
            raise ConfigError(f"'{name}' reads windows as text; it has no encoder to draw or probe")
        encoder, recipe, taught = adapter.encoder, adapter.recipe, adapter.taught
        normaliser = adapter.normaliser or _as_they_are(encoder.spec)
    store = convert_store(store, encoder.spec, quiet=quiet)
    if encoder.spec.names != store.spec.names:
        raise SpecError(
            f"'{store.path}' holds {', '.join(store.spec.names)}; probes of this encoder need "
            f"{', '.join(encoder.spec.names)}, in this order: prepare the store so"
        )
    split = checked_split(recipe, store, taught, f"'{name}'")
    return ReadEncoder(encoder.eval(), normaliser, store, split)


def _as_they_are(spec: SignalSpec) -> Normaliser:
    sizes = {modality.name: len(modality.channels) for modality in spec.modalities}
    return Normaliser(
        mean={name: np.zeros(size) for name, size in sizes.items()},
        scale={name: np.ones(size) for name, size in sizes.items()},
    )


def evaluate_encoder(
    folder: str | Path,
    store: Windows,
    *,
    part: str = "test",
    finetuned: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure the folder that `pretrain_encoder` wrote, as `measure_encoder` does, by every probe.

    `finetuned` also fine-tunes a copy of the encoder, which takes minutes.
    """
    kinds: tuple[ProbeKind, ...] = ("linear", "mlp", *(("finetuned",) if finetuned else ()))
    return measure_encoder(read_encoder(folder, store), kinds=kinds, part=part, seed=seed)


def measure_encoder(
    setup: ReadEncoder,
    *,
    kinds: Sequence[ProbeKind] = ("linear",),
    part: str = "test",
    seed: int = 0,
) -> dict[str, Any]:
    """Measure an encoder with probes of its features; the linear one has to be among the kinds.

    Returns:
        The linear probe's metrics as plain JSON; in `probes` those of every probe, in `knn` those
        of the nearest neighbours' vote, in `subject_probe` how well the person is read from the
        embedding, in this part and among the training people (None where it cannot be told), and
        in `selectivity` how the units of the joint embedding divide among the modalities.
    """
    encoder, store, split = setup.encoder, setup.store, setup.split
    config = ProbeConfig(kinds=(*kinds, "knn"))
    results = probe(encoder, store, split, setup.normaliser, config, part)
    metrics = {kind: _probe_metrics(result, store, seed) for kind, result in results.items()}
    knn, probes = metrics.pop("knn"), metrics
    facts = {"split": part, "encoder": encoder.fingerprint(), "data": data_facts(store, split)}
    people = {
        name: subject_probe(encoder, store, split[name], setup.normaliser)
        for name in dict.fromkeys((part, "train"))
    }
    return {
        **probes["linear"],
        **facts,
        "probes": probes,
        "knn": knn,
        "subject_probe": people,
        "selectivity": selectivity(setup.shares(part), store.spec.names),
    }


def embedding_text(metrics: dict[str, Any]) -> str:
    """Put what was found of the embedding into words, after the other results; none of adapters."""
    if "knn" not in metrics:
        return ""
    knn, share = metrics["knn"], metrics["selectivity"]
    lines = ["", "", f"k-NN probe         {knn['macro_f1']:.3f}  (k = {knn['chosen']['k']})"]
    for part, scores in metrics["subject_probe"].items():
        if scores:
            raw = scores["raw_statistics"]["accuracy"]
            lines.append(
                f"person told        {scores['accuracy']:.3f}  ({scores['people']} {part} people, "
                f"chance {scores['chance']:.3f}, raw statistics {raw:.3f})"
            )
    by_modality = ", ".join(f"{name} {value:.2f}" for name, value in share["share"].items())
    lines.append(f"selectivity        {share['mean_index']:.3f}  ({by_modality})")
    return "\n".join(lines)


def _probe_metrics(result: ProbeResult, store: Windows, seed: int) -> dict[str, Any]:
    predictions = Predictions(
        labels=store.label_names,
        true=result.labels,
        predicted=result.probabilities.argmax(1),
        subjects=store.subjects[result.rows],
        probabilities=result.probabilities,
    )
    released = {"f1_crossl_released": result.metrics["f1_crossl_released"]}
    return {**measure(predictions, seed=seed).to_dict(), **released, "chosen": result.chosen}
