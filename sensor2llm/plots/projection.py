"""Windows' embeddings laid out on a plane: which are drawn, and where.

points = project_tsne(features)                               or project_umap, with the extra
"""

import warnings

import numpy as np
from jaxtyping import Float, Int
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.evaluation.embedding import spread

Points = Float[np.ndarray, "window 2"]
FEWEST_POINTS = 5
"""Fewer windows have no neighbourhood to draw."""


def balanced_rows(labels: Int[np.ndarray, " window"], most: int) -> Int[np.ndarray, " chosen"]:
    """Choose at most `most` windows, as evenly from all classes as their sizes allow, ascending.

    Of each class they are spread over the windows' order.
    """
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    chosen, left = [], most
    # The smallest first: what it does not need goes to the others.
    for done, rows in enumerate(sorted(classes, key=len)):
        chosen.append(spread(rows, left // (len(classes) - done)))
        left -= len(chosen[-1])
    return np.sort(np.concatenate(chosen))


def project_tsne(features: Float[np.ndarray, "window feature"], seed: int = 0) -> Points:
    """Lay standardised features out on a plane by t-SNE, begun at their principal components."""
    features = _standardised(features)
    perplexity = min(30.0, (len(features) - 1) / 3)
    return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(features)


def project_umap(features: Float[np.ndarray, "window feature"], seed: int = 0) -> Points:
    """Lay standardised features out on a plane by UMAP; ConfigError where it is not installed."""
    with warnings.catch_warnings():
        # Said on import; tensorflow is for another class than this one.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        try:
            from umap import UMAP
        except ImportError as error:
            raise ConfigError(
                "drawing a UMAP needs umap-learn: pip install 'sensor2llm[umap]'"
            ) from error
    features = _standardised(features)
    neighbours = min(15, len(features) - 1)
    # With a seed it works with one job, and warns unless it is told so.
    return UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(features)


def _standardised(features: Float[np.ndarray, "window feature"]) -> np.ndarray:
    if len(features) < FEWEST_POINTS:
        raise DataError(
            f"{len(features)} windows are too few to draw a map of; at least {FEWEST_POINTS} "
            "are needed"
        )
    if not np.ptp(features, axis=0).any():
        raise DataError(
            f"all {len(features)} windows have one and the same embedding: there is no map of it; "
            "the encoder has collapsed, train it in another way"
        )
    return StandardScaler().fit_transform(features)
