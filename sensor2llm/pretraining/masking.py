"""CroSSL's latent masks: two independent views of a window's modality embeddings.

A masked embedding is zeros, without rescaling [CroSSL, sec. 3.2]. The released code lets a view
lose everything and lets both views be the same; here rows where that happens are drawn again,
which samples from the same distribution under the condition that it does not happen.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

Mask = Bool[Tensor, "batch modality unit"]
_MAX_DRAWS = 64


def two_views(
    available: Mask,
    ratio: float,
    generator: torch.Generator | None = None,
    *,
    distinct: bool = False,
) -> tuple[Mask, Mask]:
    """Draw two views that keep each available unit with probability 1 - ratio.

    A modality as a whole is one unit, (batch, modality, 1), or each of its features is. With three
    modalities and ratio 0.1 both views agree in 55 % of the windows (those teach the loss's
    invariance nothing): `distinct` conditions on them differing wherever there are two units.

    Returns:
        Two masks, True where kept. No view of a window with any modality is empty.
    """
    where = available.device
    available = available.cpu()

    def draw(rows: Mask) -> Mask:
        return rows & (torch.rand(rows.shape, generator=generator) >= ratio)

    a, b = draw(available), draw(available)
    for _ in range(_MAX_DRAWS):
        bad = _broken(available, a, b, distinct)
        if not len(bad):
            break
        a[bad], b[bad] = draw(available[bad]), draw(available[bad])
    else:
        _force(available, a, b, distinct)
    return a.to(where), b.to(where)


def temporal_mask(
    present: Bool[Tensor, "batch modality"],
    steps: Sequence[int],
    ratio: float,
    span: int,
    generator: torch.Generator | None = None,
    *,
    distinct: bool = False,
) -> tuple[list[Bool[Tensor, "batch _step 1"]], list[Bool[Tensor, "batch _step 1"]]]:
    """Draw two views that keep each span of latent steps with probability 1 - ratio.

    Returns:
        For each view one mask a modality, (batch, step, 1) of `steps`, True where kept.
    """
    spans = [-(-count // span) for count in steps]
    available = present.repeat_interleave(torch.tensor(spans, device=present.device), dim=1)
    views = two_views(available.unsqueeze(-1), ratio, generator, distinct=distinct)
    a, b = (
        [
            part.repeat_interleave(span, dim=1)[:, :count]
            for part, count in zip(view.split(spans, dim=1), steps, strict=True)
        ]
        for view in views
    )
    return a, b


def _broken(available: Mask, a: Mask, b: Mask, distinct: bool) -> Tensor:
    """Give the rows where a view is empty, or both are equal where they need not be."""
    units = available.flatten(1).sum(1)
    empty = ~a.flatten(1).any(1) | ~b.flatten(1).any(1)
    equal = (a == b).flatten(1).all(1) & (units > 1) & distinct
    return ((empty & (units > 0)) | equal).nonzero().squeeze(1)


def _force(available: Mask, a: Mask, b: Mask, distinct: bool) -> None:
    """Settle rows that no draw settled (a ratio next to 0 or 1): keep all, less one unit in `b`."""
    bad = _broken(available, a, b, distinct)
    a[bad], b[bad] = available[bad], available[bad]
    if distinct:
        first = available[bad].flatten(1).int().argmax(1)
        rows = b[bad].flatten(1)
        alone = rows.sum(1) <= 1
        rows[torch.arange(len(bad)), first] &= alone
        b[bad] = rows.view_as(b[bad])
