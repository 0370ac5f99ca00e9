"""Which inputs of convolutions stay wide in an int8 file: as few as keep the noise of the output under a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]
Run = Callable[[Luma], Luma]
LOSS = 0.2
"""dB that the 8 bits may cost on the calibration images."""
IMAGES, SIDE = 6, 96
"""How many calibration images are looked at, and the side of the piece of each."""


def noise_limit(psnr: float, loss: float = LOSS) -> float:
    """Mean square that independent noise may have so that an image of ``psnr`` dB loses ``loss`` dB.

    >>> round(float(-10 * np.log10(noise_limit(36.0))), 1)
    49.3
    """
    return float(10 ** (-psnr / 10) * (10 ** (loss / 10) - 1))


def wide_inputs(
    count: int, runs: Callable[[frozenset[int]], Run], exact: Run, images: Sequence[Luma], limit: float
) -> frozenset[int]:
    """Those of ``count`` convolutions whose inputs keep floating point so that the output's noise is at most ``limit``.

    ``runs`` gives the network in which the named ones are wide. What each convolution's 8 bits cost at the output is
    measured with it alone on 8 bits; the costliest become wide, one by one, until the noise that all others make
    together, measured again, is under the limit.
    """
    pieces = [_piece(image) for image in images[:IMAGES]]
    wanted = [np.clip(exact(piece), 0, 1) for piece in pieces]

    def noise(wide: frozenset[int]) -> float:
        run = runs(wide)
        made = [np.clip(run(piece), 0, 1) for piece in pieces]
        return float(np.mean([np.square(a - b).mean() for a, b in zip(made, wanted, strict=True)]))

    every, wide = frozenset(range(count)), frozenset[int]()
    if noise(wide) <= limit:
        return wide
    cost = {one: noise(every - {one}) for one in every}
    for one in sorted(every, key=lambda one: -cost[one]):
        wide |= {one}
        if noise(wide) <= limit:
            break
    return wide


def _piece(image: Luma) -> Luma:
    rows, columns = (max(0, (side - SIDE) // 2) for side in image.shape[2:])
    return image[..., rows : rows + SIDE, columns : columns + SIDE]
