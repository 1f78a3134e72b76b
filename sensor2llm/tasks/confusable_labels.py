"""Which labels are most easily taken for which, from an encoder's features alone.

    near = confusable_labels(pooled_features(adapter, batch), labels, names)
    near["walking upstairs"]            ('walking downstairs', 'walking')

A window's other label that lies nearest is the one whose mean features are, in units of the spread
within labels. Nothing is trained, so what is near can be had before training and for any encoder.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.signals.dataset import SignalBatch

OFTEN = 0.2
"""Share of a label's windows whose nearest other label makes that one a near miss."""
WINDOWS = 512
"""Windows that are enough to say so."""


def pooled_features(
    adapter: SensorAdapter, batch: FeatureBatch | SignalBatch
) -> Float[np.ndarray, "window feature"]:
    """Average each modality's features over its steps."""
    features = batch if isinstance(batch, FeatureBatch) else adapter.features(batch)
    assert features.steps is not None
    return features.steps.detach().float().mean(2).flatten(1).cpu().numpy()


def confusable_labels(
    features: Float[np.ndarray, "window feature"],
    labels: Int[np.ndarray, " window"],
    names: Sequence[str],
) -> Mapping[str, tuple[str, ...]]:
    """Give for each label the others that its windows are nearest to; most often nearest first.

    Args:
        features: of each window.
        labels: each window's number among `names`; -1 for none, which do not count.
        names: of the labels; one without windows is near none.
    """
    there = [number for number in range(len(names)) if (labels == number).any()]
    if len(there) < 2:
        return {}
    means = np.stack([features[labels == number].mean(0) for number in there])
    within = np.concatenate([features[labels == n] - m for n, m in zip(there, means, strict=True)])
    spread = within.std(0) + 1e-6
    near = {}
    for place, number in enumerate(there):
        own = features[labels == number]
        distances = (((own[:, None] - means[None]) / spread) ** 2).sum(2)
        distances[:, place] = np.inf
        shares = np.bincount(distances.argmin(1), minlength=len(there)) / len(own)
        often = [i for i in np.argsort(-shares, kind="stable") if shares[i] >= OFTEN]
        near[names[number]] = tuple(names[there[i]] for i in often)
    return near
