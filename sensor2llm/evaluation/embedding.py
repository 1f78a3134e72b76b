"""What an encoder's embeddings hold: classes among neighbours, the person, each modality's share.

scores = subject_probe(encoder, store, split.test, normaliser)
scores["accuracy"], scores["chance"], scores["raw_statistics"]["accuracy"]
shares = modality_shares(*modality_changes(encoder, dataset))    (unit, modality)
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import accuracy_score, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.evaluation.probe import encoder_features
from sensor2llm.pretraining.run import windows
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.store.windows import Windows

MOST_WINDOWS = 4000
UNTIMED_GAP = 5
"""Windows left out on each side of a cut where their times are not known."""

Rows = Int[np.ndarray, " window"]
Shares = Float[np.ndarray, "unit modality"]


def subject_blocks(store: Windows, rows: Rows) -> tuple[Rows, Rows]:
    """Cut every person's windows of every class into an early and a late half.

    No early window overlaps a late one of the same person, of whatever class: the early one gives
    way. A person without two early windows and a late one is left out. Where a person's times
    start again, another recording begins; where they are not known, neighbours in the store's
    order give way.

    Returns:
        Store rows of the early and of the late halves, ascending.
    """
    rows = np.sort(rows)
    people, labels = np.asarray(store.subject_ids)[rows], np.asarray(store.labels)[rows]
    starts = np.asarray(store.starts)[rows]
    early, late = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for person in np.unique(people).tolist():
        own = np.flatnonzero(people == person)
        at, length = _timeline(starts[own], store.spec.window_s)
        is_late = np.zeros(len(own), bool)
        for label in np.unique(labels[own]).tolist():
            these = np.flatnonzero(labels[own] == label)
            these = these[np.argsort(at[these], kind="stable")]
            is_late[these[(len(these) + 1) // 2 :]] = True
        is_early = ~is_late & ~_near(at, at[is_late], length)
        if is_early.sum() > 1 and is_late.any():
            early[own], late[own] = is_early, is_late
    return rows[early], rows[late]


def subject_probe(
    encoder: SignalEncoder,
    store: Windows,
    rows: Rows,
    normaliser: Normaliser,
    most: int = MOST_WINDOWS,
) -> dict[str, Any] | None:
    """Read the person from the embedding by linear discriminant analysis.

    It learns from each person's early windows and is judged on the late ones (`subject_blocks`).
    The reference is the same analysis of mean and standard deviation of every raw channel.

    Of more than `most` windows, an even spread over both halves is used.

    Returns:
        people, windows (judged), chance (1 / people), accuracy, balanced_accuracy, and
        raw_statistics with the last two; None for fewer than two people to tell apart.
    """
    early, late = (spread(half, most // 2) for half in subject_blocks(store, rows))
    people = np.asarray(store.subject_ids)
    n_people = len(np.unique(people[early]))
    if n_people < 2:
        return None

    def embedded(chosen: Rows) -> np.ndarray:
        return encoder_features(encoder, WindowDataset(store, chosen, normaliser)).features

    def read(features: Callable[[Rows], np.ndarray]) -> dict[str, float]:
        return _discriminant(features(early), people[early], features(late), people[late])

    facts = {"people": n_people, "windows": len(late), "chance": 1 / n_people}
    raw = read(lambda chosen: raw_statistics(store, chosen))
    return {**facts, **read(embedded), "raw_statistics": raw}


def _discriminant(
    features: Float[np.ndarray, "early feature"],
    people: Int[np.ndarray, " early"],
    later: Float[np.ndarray, "late feature"],
    true: Int[np.ndarray, " late"],
) -> dict[str, float]:
    """Learn who is who on early windows and give the scores on the late ones."""
    # Exact where windows abound; with few, or where nothing varies, the covariance is shrunk.
    many = len(features) > 2 * features.shape[1] and bool(np.ptp(features, axis=0).any())
    options = {} if many else {"solver": "lsqr", "shrinkage": "auto"}
    model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(**options))
    guessed = model.fit(features, people).predict(later)
    recall = recall_score(true, guessed, labels=np.unique(true), average="macro")
    return {"accuracy": float(accuracy_score(true, guessed)), "balanced_accuracy": float(recall)}


def raw_statistics(store: Windows, rows: Rows) -> Float[np.ndarray, "window statistic"]:
    """Give mean and standard deviation of every channel, in its own unit; absent ones are zeros."""
    read = [values.astype(np.float64) for values in store.read(rows).values()]
    return np.concatenate([f(v, axis=2) for v in read for f in (np.mean, np.std)], axis=1)


def spread(rows: Rows, most: int) -> Rows:
    """Take at most `most` of the rows, evenly spread over their order."""
    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]


@torch.no_grad()
def modality_changes(
    encoder: SignalEncoder, dataset: WindowDataset
) -> tuple[Float[np.ndarray, "modality window unit"], Bool[np.ndarray, "window modality"]]:
    """Give how the joint embedding changes when each modality is taken away, and what was there.

    A missing modality's pooled embedding is zeros and changes nothing for the others, so the
    windows are encoded once and only the aggregator runs again; a joint encoder hears them again.
    It is the aggregator that is judged: training that goes past it (fine-tuning, a masked
    autoencoder) leaves it as it was.
    """
    encoder.eval()
    changes, present = [], []
    for batch in windows(dataset, next(encoder.parameters()).device):
        pooled = encoder.pool(encoder.encode_steps(batch))
        joint, without = encoder.aggregator(pooled), []
        for modality in range(pooled.shape[1]):
            left = batch.present.clone()
            left[:, modality] = False
            hidden = pooled * left.unsqueeze(2)
            if encoder.is_joint:
                hidden = encoder.pool(encoder.encode_steps(replace(batch, present=left)))
            without.append(joint - encoder.aggregator(hidden))
        changes.append(torch.stack(without).cpu())
        present.append(batch.present.cpu())
    return torch.cat(changes, 1).numpy(), torch.cat(present).numpy()


def modality_shares(
    changes: Float[np.ndarray, "modality window unit"], present: Bool[np.ndarray, "window modality"]
) -> Shares:
    """Divide each unit among the modalities by the variance that each brings to it.

    A modality brings the variance, over the windows that have it, of the unit's change when it is
    taken away. A change that is the same for every window tells nothing and counts as none. For
    a unit that adds independent modalities up, the share is the variance that each explains.

    Returns:
        A row a unit, summing to 1; zeros for a unit that no modality moves.
    """
    there = [change[has] for change, has in zip(changes, present.T, strict=True)]
    moved = [c.astype(np.float64).var(0) if len(c) else np.zeros(c.shape[1]) for c in there]
    variance = np.stack(moved, axis=1)
    total = variance.sum(1, keepdims=True)
    # Rounding alone moves a silent unit a little.
    moves = total > 1e-10 * total.max()
    return np.divide(variance, total, out=np.zeros_like(variance), where=moves)


def selectivity(shares: Shares, modalities: Sequence[str]) -> dict[str, Any]:
    """Sum shares up as plain JSON: the mean index, and each modality's mean share and units.

    A unit's selectivity index is its largest share: 1 where it listens to one modality alone,
    `even` where it listens to all alike. A unit counts for the modality of its largest share.
    """
    units = np.bincount(shares[shares.any(1)].argmax(1), minlength=len(modalities))
    return {
        "mean_index": float(shares.max(1).mean()),
        "even": 1 / len(modalities),
        "share": dict(zip(modalities, shares.mean(0).tolist(), strict=True)),
        "units": dict(zip(modalities, units.tolist(), strict=True)),
    }


def _timeline(
    starts: Float[np.ndarray, " window"], length_s: float | None
) -> tuple[Float[np.ndarray, " window"], float]:
    """Place one person's windows on a line, with the distance below which two overlap."""
    if length_s is None or (len(starts) > 1 and np.ptp(starts) == 0):
        return np.arange(len(starts), dtype=np.float64), UNTIMED_GAP + 0.5
    # A hair less: starts are rounded, and windows that only touch do not overlap.
    length = length_s * (1 - 1e-6)
    if len(np.unique(starts)) == len(starts):
        return starts, length
    recording = np.concatenate([[0], np.cumsum(np.diff(starts) <= 0)])
    return starts + recording * (np.ptp(starts) + length_s), length


def _near(
    at: Float[np.ndarray, " window"], others: Float[np.ndarray, " other"], length: float
) -> Bool[np.ndarray, " window"]:
    """Say which places have one of `others` nearer than `length`."""
    others = np.concatenate([[-np.inf], np.sort(others), [np.inf]])
    after = np.searchsorted(others, at)
    return np.minimum(others[after] - at, at - others[after - 1]) < length
