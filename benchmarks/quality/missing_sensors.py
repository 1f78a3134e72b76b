"""How much of a window to take away in training: macro-F1 lost on validation people.

    python -m benchmarks.quality.missing_sensors --data stores/uci_har --kind published

For each share (`--encoders`) an encoder is fine-tuned on labels, and on its kept features for each
share (`--bridges`) the bridge that an adapter has, with one linear layer in the language model's
place: what is asked is how bridge and encoder stand missing sensors, which takes minutes so. Beside
it stands logistic regression on the same features, fitted on whole windows. Losses are points of
macro-F1, means over every set of one or two sensors that is taken away.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn

from benchmarks.machine import record, write
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.projectors import Projector
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.control_probe import probe_features
from sensor2llm.evaluation.missing import missing_subsets
from sensor2llm.evaluation.probe import FeatureSet, linear_probe
from sensor2llm.pretraining.config import EncoderRecipe, FinetuneConfig, ProbeConfig
from sensor2llm.pretraining.objective_config import AugmentConfig
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.recipes.encoder import LoadedEncoder, load_encoder
from sensor2llm.recipes.sources import draw_hidden
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore

RESULTS = Path(__file__).resolve().parents[1] / "results" / "missing_sensors"
SHARES = (0.0, 0.1, 0.3, 0.5)
WINDOWS = {"train": 3000, "validation": 1000}
BATCH, EPOCHS, WIDTH, LEARNING_RATE = 64, 6, 64, 2e-3
Score = Callable[[FeatureBatch], float]


def make(share: float, options: argparse.Namespace) -> LoadedEncoder:
    """Fine-tune an encoder on windows without this share of modalities, unless it is there."""
    folder = options.out / f"encoder-{share}"
    if not folder.is_dir():
        tuning = FinetuneConfig(augment=AugmentConfig(modality_dropout=share))
        recipe = EncoderRecipe(
            split=SplitConfig(kind=options.kind), pretrain=False, finetune=True, supervised=tuning
        )
        loop = replace(recipe.finetune_loop, epochs=options.epochs)
        make_encoder(replace(recipe, finetune_loop=loop), options.data, folder)
    return load_encoder(folder)


@torch.no_grad()
def keep(store: WindowStore, loaded: LoadedEncoder, rows: np.ndarray) -> FeatureBatch:
    """Compute the features of labelled windows."""
    dataset, parts = WindowDataset(store, rows, loaded.normaliser), []
    for start in range(0, len(rows), 256):
        batch = dataset.batch(np.arange(start, min(start + 256, len(rows))))
        features = loaded.encoder.features(batch)
        parts.append(FeatureBatch(batch.labels, features.steps, features.present))
    return FeatureBatch.join(parts)


def losses(batch: FeatureBatch, names: tuple[str, ...], score: Score) -> dict[str, Any]:
    """Give macro-F1 of whole windows, and the points lost by how many modalities are gone."""
    whole, lost = score(batch), dict[int, list[float]]()
    for gone in missing_subsets(names):
        hidden = torch.tensor([name in gone for name in names]).expand(len(batch), -1)
        lost.setdefault(len(gone), []).append(100 * (whole - score(batch.mask_modalities(hidden))))
    return {"macro_f1": whole, "lost": {str(n): float(np.mean(v)) for n, v in lost.items()}}


def probe_score(train: FeatureBatch, held_out: FeatureBatch, classes: int) -> Score:
    """Fit logistic regression on whole windows; what is absent is zeros, as an encoder gives it."""
    sets = [
        FeatureSet(features=_zeroed(one), labels=one.labels.numpy()) for one in (train, held_out)
    ]
    classify, _ = linear_probe(sets[0], sets[1], classes, ProbeConfig())
    return lambda batch: _macro_f1(batch, classify(_zeroed(batch)).argmax(1))


def bridge_score(train: FeatureBatch, classes: int, share: float, seed: int = 0) -> Score:
    """Train the bridge with a linear layer, this share of each window's modalities taken away."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    assert train.steps is not None
    assert train.present is not None
    modalities, steps, width = train.steps.shape[1:]
    config = ProjectorConfig()
    projector = Projector(config, modalities, steps, width, WIDTH, 1.0)
    head = nn.Linear(config.tokens * WIDTH, classes)
    weights = [*projector.parameters(), *head.parameters()]
    batches = len(train) // BATCH
    optimiser = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=batches * EPOCHS
    )
    for _ in range(EPOCHS):
        for rows in np.array_split(generator.permutation(len(train))[: batches * BATCH], batches):
            batch = train.select(rows.tolist())
            assert batch.present is not None
            hidden = draw_hidden(batch.present.numpy(), share, generator)
            logits = _logits(projector, head, batch.mask_modalities(torch.from_numpy(hidden)))
            optimiser.zero_grad()
            nn.functional.cross_entropy(logits, batch.labels).backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            schedule.step()
    projector.eval()

    def score(batch: FeatureBatch) -> float:
        with torch.no_grad():
            return _macro_f1(batch, _logits(projector, head, batch).argmax(1).numpy())

    return score


def _logits(projector: Projector, head: nn.Module, batch: FeatureBatch) -> Tensor:
    assert batch.steps is not None
    assert batch.present is not None
    return head(projector(batch.steps, batch.present).flatten(1))


def _zeroed(batch: FeatureBatch) -> np.ndarray:
    assert batch.steps is not None
    assert batch.present is not None
    zeroed = replace(batch, steps=batch.steps * batch.present[:, :, None, None])
    features = probe_features(zeroed)
    assert features is not None
    return features


def _macro_f1(batch: FeatureBatch, predicted: np.ndarray) -> float:
    return float(f1_score(batch.labels, predicted, average="macro", zero_division=0.0))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Judge every pair of shares on validation people, and the probe of each encoder."""
    store = WindowStore.open(options.data)
    split, labels = make_split(store, SplitConfig(kind=options.kind)), np.asarray(store.labels)
    names, classes, rows = store.spec.names, len(store.label_names), []
    for share in options.encoders:
        loaded, parts = make(share, options), {}
        for part, most in WINDOWS.items():
            own = split[part][labels[split[part]] >= 0]
            spread = np.linspace(0, len(own) - 1, min(most, len(own))).astype(int)
            parts[part] = keep(store, loaded, own[spread])
        train, held_out = parts["train"], parts["validation"]
        probed = losses(held_out, names, probe_score(train, held_out, classes))
        rows.append({"encoder": share, "bridge": None, **probed})
        for bridge in options.bridges:
            found = losses(held_out, names, bridge_score(train, classes, bridge))
            rows.append({"encoder": share, "bridge": bridge, **found})
        print(table(rows[-len(options.bridges) - 1 :]), flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Give the rows as a Markdown table."""
    counts = list(rows[0]["lost"])
    head = ["taken away, encoder", "bridge", "macro-F1, nothing missing"]
    head += [f"points lost, {count} missing" for count in counts]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(_line(row, counts) for row in rows)])


def _line(row: Mapping[str, Any], counts: list[str]) -> str:
    bridge = "probe" if row["bridge"] is None else f"{row['bridge']:g}"
    lost = (f"{row['lost'][count]:.1f}" for count in counts)
    return f"| {row['encoder']:g} | {bridge} | {row['macro_f1']:.3f} | {' | '.join(lost)} |"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("stores/uci_har"))
    parser.add_argument("--kind", default="published", help="split: published, fold, subject")
    parser.add_argument("--encoders", type=float, nargs="+", default=list(SHARES))
    parser.add_argument("--bridges", type=float, nargs="+", default=list(SHARES))
    parser.add_argument("--epochs", type=int, default=5, help="of fine-tuning")
    parser.add_argument("--out", type=Path, default=Path("runs/missing_sensors"))
    parser.add_argument("--report", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = os.getloadavg()
    rows = measure(options)
    result = record("quality.missing_sensors", {"rows": rows}, started)
    write(result, options.report / "results.json")
    (options.report / "table.md").write_text(table(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
