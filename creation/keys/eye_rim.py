"""
Rim of an eye: the shadow, lashes and moist edge of the lids that lie over an eyeball.

They stay with the lids while the eyeball turns behind them.
"""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.images import ramp, sample
from creation.keys.samples import FINE

_LEAST, _MOST = 0.02, 1.05  # light below lids, of that of an eyeball without them
_LEAST_LOWER = 0.35  # the same near the lower lid, which hides no lamp
_DARK = 0.002  # linear light below which a ratio means nothing
_ALONG = 0.06  # sigma along a lid over which unknown factors are filled, of its width
_FEW = 1e-3
_NEAR = (0.5, 1.0)  # radii of an iris from a lid, between which its factors fade


@dataclass(frozen=True, slots=True)
class EyeRim:
    """Factors by which the lids of a photo change the light of a shaded eyeball."""

    upper: Picture  # [D, w, 3]: by pixels below the upper lid, and column
    lower: Picture  # [D, w, 3]: by pixels above the lower lid
    left: int  # column of the plate at which both begin
    radius: float  # of the iris, pixels

    @classmethod
    def of(
        cls, photo: Picture, plain: Picture, fine: Mask, known: Picture,
        inside: Picture, left: int, radius: float,
    ) -> "EyeRim | None":  # fmt: skip
        """
        Return the rim of an eye in a box, or None if no eyeball is seen.

        ``photo`` and ``plain`` ``[h, w, 3]`` are the light with lids and without them.
        ``fine`` is where the eyeball is seen, with `FINE` samples per pixel and axis.
        ``known`` ``[h, w]`` 0..1 tells how far ``plain`` is sure, ``inside`` how far
        no lid changes the light. The box begins at column ``left``; ``radius`` is that
        of the iris, pixels.
        """
        if not fine.any():
            return None
        ratio = ((photo + _DARK) / (plain + _DARK)).clip(_LEAST, _MOST)
        # Lids and lashes are never bluer than an eyeball.
        ratio = np.minimum.accumulate(ratio, -1)
        ratio = 1 + (ratio - 1) * (1 - inside[..., None])
        upper, lower = _edges(fine)
        column = np.arange(len(upper))
        depth = np.arange(int(np.ceil((lower - upper).max())) + 2)[:, None]
        values = np.concatenate([np.log(ratio), known[..., None]], -1)
        tables = []
        for rows, least in (
            (upper + depth + 0.5, _LEAST),
            (lower - depth - 0.5, _LEAST_LOWER),
        ):
            at = np.stack(np.broadcast_arrays(column + 0.5, rows), -1)
            table = sample(np.asarray(values, np.float32), at)
            sure = np.exp(table[..., :3].mean(-1)) >= least
            table[..., 3] *= sure | (depth > (lower - upper) / 2)
            tables.append(_filled(table))
        return cls(tables[0], tables[1], left, radius)

    def at(self, fine: Mask, left: int) -> Picture:
        """
        Return the factor ``[h, w, 3]`` for an eyeball in another expression.

        ``fine`` is where it is seen, ``left`` the first column. Pixels keep their
        distance from a lid, and the more so the nearer they are to it. Far from both
        lids nothing changes.
        """
        height, width = fine.shape[0] // FINE, fine.shape[1] // FINE
        if not fine.any():
            return np.ones((height, width, 3), np.float32)
        upper, lower = _edges(fine)
        column = left - self.left + np.arange(width) + 0.5
        row = np.arange(height)[:, None] + 0.5
        below, above = np.maximum(row - upper, 0.5), np.maximum(lower - row, 0.5)
        share = (above / (below + above))[..., None]
        columns = np.broadcast_to(column, below.shape)
        by_upper = sample(self.upper, np.stack([columns, below], -1))
        by_lower = sample(self.lower, np.stack([columns, above], -1))
        mixed = by_upper * share + by_lower * (1 - share)
        far = np.asarray(np.minimum(below, above) / self.radius, np.float32)
        near = 1 - ramp(far, *_NEAR)
        return np.asarray(mixed ** near[..., None], np.float32)


def _filled(table: Picture) -> Picture:
    """Return the factors ``[D, w, 3]`` of logs and weights ``[D, w, 4]``."""
    logs, weight = table[..., :3], table[..., 3:]
    column = np.arange(table.shape[1])
    sigma = _ALONG * table.shape[1]
    kernel = np.exp(-((column[:, None] - column) ** 2) / (2 * sigma**2))
    total, known = (
        np.einsum("dwc,wv->dvc", part, kernel) for part in (logs * weight, weight)
    )
    along = total / (known + _FEW)
    mixed = logs * weight + along * (1 - weight)
    return np.asarray(np.exp(mixed), np.float32)


def _edges(fine: Mask) -> tuple[Floats, Floats]:
    """Return where an eyeball begins and ends in each column, pixels, ``[w]`` each."""
    columns = np.flatnonzero(fine.any(0))
    first = fine.argmax(0)[columns]
    last = len(fine) - fine[::-1].argmax(0)[columns]
    every = (np.arange(fine.shape[1] // FINE) + 0.5) * FINE - 0.5
    return (np.interp(every, columns, first) / FINE,
            np.interp(every, columns, last) / FINE)  # fmt: skip
