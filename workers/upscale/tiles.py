"""Large images in tiles that join without seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TILE = 384
"""Side in input pixels: the widest network of the paper then needs about 150 MiB."""

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, 1, H, W) to (1, 1, sH, sW), both in [0, 1]."""


Rows = Callable[[int, int], NDArray[np.float32]]
"""Rows from the first index up to the second of an image, (rows, W) in [0, 1]."""


@dataclass(frozen=True)
class Piece:
    """Rows or columns ``start:stop`` of the input that are wanted, and ``first:last`` that must be seen for them."""

    start: int
    stop: int
    first: int
    last: int


def pieces(length: int, tile: int, margin: int) -> Iterator[Piece]:
    """Cut ``length`` into tiles; each sees ``margin`` more on the sides where the image goes on.

    At the image's own border nothing is added: there the network pads with zeros, as it does untiled.

    >>> [(p.start, p.stop, p.first, p.last) for p in pieces(10, 4, 1)]
    [(0, 4, 0, 5), (4, 8, 3, 9), (8, 10, 7, 10)]
    """
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        yield Piece(start, stop, max(0, start - margin), min(length, stop + margin))


def strips(
    network: Network, rows: Rows, shape: tuple[int, int], scale: int, receptive_field: int, tile: int = TILE
) -> Iterator[tuple[Piece, NDArray[np.float32]]]:
    """``network`` on an image of ``shape`` (H, W), a strip of tiles at a time: (its rows, the result (s*rows, sW)).

    Overlap is half the receptive field: no pixel that is kept has seen a tile's edge.
    """
    height, width = shape
    margin = receptive_field // 2 + 1
    for row in pieces(height, tile, margin):
        seen = rows(row.first, row.last)
        top, wanted = (row.start - row.first) * scale, (row.stop - row.start) * scale
        out = np.empty((wanted, width * scale), dtype=np.float32)
        for column in pieces(width, tile, margin):
            got = network(np.ascontiguousarray(seen[:, column.first : column.last])[None, None])[0, 0]
            left, columns = (column.start - column.first) * scale, (column.stop - column.start) * scale
            out[:, column.start * scale : column.stop * scale] = got[top : top + wanted, left : left + columns]
        yield row, out


def run_tiled(
    network: Network, image: NDArray[np.float32], scale: int, receptive_field: int, tile: int = TILE
) -> NDArray[np.float32]:
    """``network`` on an image (H, W) in [0, 1], tile by tile; the same image (sH, sW) as in one go."""
    height, width = image.shape
    if height <= tile and width <= tile:
        whole: NDArray[np.float32] = network(image[None, None])[0, 0]
        return whole
    out = np.empty((height * scale, width * scale), dtype=np.float32)
    for row, strip in strips(network, lambda a, b: image[a:b], (height, width), scale, receptive_field, tile):
        out[row.start * scale : row.stop * scale] = strip
    return out
