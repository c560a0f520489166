"""What each channel of a layer's maps amounts to: mean, spread, zeros, and where it answers most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChannelStatistics", "channel_statistics"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ChannelStatistics:
    """Numbers of each channel, over all samples and positions.

    Attributes
    ----------
    mean, std, min, max : float64 array (C,)
    zeros : float64 array (C,)
        Share of cells that are exactly 0.
    largest : int array (C, 1 + axes)
        Sample and position of the largest value.
    not_finite : int array (C,)
        Cells that are NaN or infinite. They are left out of all else; a channel of nothing else has NaN everywhere.
    """

    mean: Array
    std: Array
    min: Array
    max: Array
    zeros: Array
    largest: Array
    not_finite: Array

    @property
    def dead(self) -> tuple[int, ...]:
        """Channels that are 0 everywhere, on this input."""
        return tuple(np.flatnonzero(self.zeros == 1).tolist())

    def to_dict(self) -> dict[str, Any]:
        """As data."""
        return {**{name: getattr(self, name).tolist() for name in self.__slots__}, "dead": list(self.dead)}


def channel_statistics(maps: Array) -> ChannelStatistics:
    """Statistics of maps ``(N, C, *size)``.

    >>> maps = np.array([[[[0, 2], [0, 6]], [[0, 0], [0, 0]]]])
    >>> found = channel_statistics(maps)
    >>> found.mean.tolist(), found.zeros.tolist(), found.largest[0].tolist(), found.dead
    ([2.0, 0.0], [0.5, 1.0], [0, 1, 1], (1,))
    """
    channels = np.moveaxis(maps, 1, 0)
    flat = channels.reshape(len(channels), -1).astype(np.float64)
    good = np.isfinite(flat)
    count = good.sum(axis=1)
    none = count == 0
    cells = np.where(none, np.nan, count)
    kept = np.where(good, flat, 0.0)
    mean = kept.sum(axis=1) / cells
    with np.errstate(invalid="ignore"):
        deviation = np.where(good, flat - mean[:, None], 0.0)
    lowest, highest = np.where(good, flat, np.inf), np.where(good, flat, -np.inf)
    place = highest.argmax(axis=1)
    return ChannelStatistics(
        mean=mean,
        std=np.sqrt((deviation**2).sum(axis=1) / cells),
        min=np.where(none, np.nan, lowest.min(axis=1, initial=np.inf)),
        max=np.where(none, np.nan, highest.max(axis=1, initial=-np.inf)),
        zeros=((flat == 0) & good).sum(axis=1) / cells,
        largest=np.stack(np.unravel_index(place, channels.shape[1:]), axis=-1),
        not_finite=flat.shape[1] - count,
    )
