"""Training patches: one stream of (low, high resolution) batches that every config of a pack shares.

The patch of a step is a pure function of (images, scale, patch, batch, seed, step): positions come from a
counter-based generator (SplitMix64, Steele et al. 2014), in integer tensor arithmetic that gives the same
numbers on a CPU and on a GPU. A resume needs no saved state.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from search_space.errors import BadData
from workers.data.degrade import low_resolution
from workers.data.image_set import ImageSet, Pixels
from workers.data.luma import crop, luma

FIXED = 128
"""High-resolution luma is kept as int16 in steps of 1/128: evaluation does not round its reference to 8 bits either."""
BLOCK = 256
"""Steps whose positions are drawn together."""


class PatchSampler:
    """Random patches with their 8 symmetries, cut on ``device``: by elements on a GPU, by whole rows on a CPU.

    Every position where a patch fits is equally likely, over all images together. Images whose low
    resolution is smaller than ``patch`` are left out (``left_out`` names them); BadData if none remains.

    ``batch(step)`` returns ``lr`` float32 (batch, 1, patch, patch), made from 8-bit values, and ``hr``
    float32 (batch, 1, scale * patch, scale * patch), both luma / 255.
    """

    def __init__(
        self,
        images: ImageSet,
        scale: int,
        patch: int,
        batch: int,
        seed: int,
        device: str | torch.device = "cpu",
    ) -> None:
        if patch < 1 or batch < 1:
            raise BadData(f"patch and batch must be at least 1 (patch {patch}, batch {batch})")
        self.scale, self.patch, self.size, self.seed = scale, patch, batch, seed
        self.device = torch.device(device)
        fits = [min(pixels.shape[:2]) // scale >= patch for pixels in images.pixels]
        self.left_out = tuple(name for name, fit in zip(images.names, fits, strict=True) if not fit)
        if not any(fits):
            raise BadData(f"no image of {images.name!r} is large enough for x{scale} patches of {patch} pixels")
        self._load([pixels for pixels, fit in zip(images.pixels, fits, strict=True) if fit])
        self._block = -1
        self._draws: Tensor | None = None

    def _load(self, pixels: list[Pixels]) -> None:
        """Degrade whole images (so patches have true neighbours at their borders) and lay them out flat."""
        low, high, rows = [], [], []
        lr_at = hr_at = 0
        for image in pixels:
            hr = crop(luma(image), self.scale)
            lr = low_resolution(hr, self.scale)
            height, width = lr.shape
            places = (height - self.patch + 1) * (width - self.patch + 1)
            rows.append((places, width - self.patch + 1, width, lr_at, hr_at))
            low.append(lr.ravel())
            high.append(np.rint(hr * FIXED).astype(np.int16).ravel())
            lr_at, hr_at = lr_at + lr.size, hr_at + hr.size
        self._lr = torch.from_numpy(np.concatenate(low)).to(self.device)
        self._hr = torch.from_numpy(np.concatenate(high)).to(self.device)
        table = torch.tensor(rows, dtype=torch.int64, device=self.device)
        self._ends = table[:, 0].cumsum(0)
        self.places = int(self._ends[-1])
        """Different patch positions in the data."""
        self._first = self._ends - table[:, 0]
        self._across, self._width, self._lr_at, self._hr_at = (table[:, i].contiguous() for i in range(1, 5))
        self._grid = {p: torch.arange(p, device=self.device) for p in (self.patch, self.patch * self.scale)}

    def draws(self, step: int) -> Tensor:
        """Where a step's patches lie: int64 (batch, 4) on the device.

        Columns: top left corner in the flat low and high resolution buffers, width of the low resolution
        image, symmetry 0..7 (1: upside down, 2: mirrored, 4: then transposed).
        """
        if step < 0:
            raise ValueError(f"step must not be negative ({step})")
        block, offset = divmod(step, BLOCK)
        if block != self._block or self._draws is None:
            self._draws, self._block = self._draw_block(block), block
        return self._draws[offset]

    def _draw_block(self, block: int) -> Tensor:
        count = BLOCK * self.size
        counter = torch.arange(count, device=self.device) + block * count
        key = _mix(torch.full((), self.seed, dtype=torch.int64, device=self.device) * _GAMMA + 1)
        place = (_mix(2 * counter * _GAMMA + key) & _POSITIVE) % self.places
        flip_y = (_mix((2 * counter + 1) * _GAMMA + key) >> 40) & 1
        # The other two bits cycle through the batch, so that each quarter of it can be turned in one operation.
        symmetry = flip_y + 2 * ((counter // self.size + counter % self.size) & 3)
        image = torch.searchsorted(self._ends, place, right=True)
        inside = place - self._first[image]
        across, width = self._across[image], self._width[image]
        y, x = inside // across, inside % across
        lr_at = self._lr_at[image] + y * width + x
        hr_at = self._hr_at[image] + self.scale * (y * width * self.scale + x)
        return torch.stack([lr_at, hr_at, width, symmetry], dim=1).view(BLOCK, self.size, 4)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """``(lr, hr)`` of a step; the same for every config, whatever was drawn before."""
        draws = self.draws(step)
        return self._cut_rows(draws, step) if self.device.type == "cpu" else self.cut(draws)

    def batches(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """``batch`` of some steps: (count, batch, 1, patch, patch) and the same of ``hr``; on a GPU cut all at once."""
        if self.device.type == "cpu":
            low, high = zip(*(self.batch(first + i) for i in range(count)), strict=True)
            return torch.stack(low), torch.stack(high)
        cut = self.cut(torch.cat([self.draws(first + i) for i in range(count)]))
        low_all, high_all = (part.view(count, self.size, *part.shape[1:]) for part in cut)
        return low_all, high_all

    def cut(self, draws: Tensor) -> tuple[Tensor, Tensor]:
        """The patches of ``draws``; only tensor operations on the device, so it can sit inside a CUDA graph."""
        lr_at, hr_at, width, symmetry = draws.unbind(1)
        lr = self._gather(self._lr, lr_at, width, symmetry, self.patch)
        hr = self._gather(self._hr, hr_at, width * self.scale, symmetry, self.patch * self.scale)
        return lr.mul_(1 / 255), hr.mul_(1 / (255 * FIXED))

    def _gather(self, flat: Tensor, start: Tensor, width: Tensor, symmetry: Tensor, side: int) -> Tensor:
        """A flip starts at the other end and walks backwards; a transposition swaps the two strides."""
        flip_y, flip_x, transpose = symmetry & 1, (symmetry >> 1) & 1, symmetry >> 2
        base = start + (side - 1) * (flip_y * width + flip_x)
        down, along = width * (1 - 2 * flip_y), 1 - 2 * flip_x
        outer = torch.where(transpose == 1, along, down)
        inner = torch.where(transpose == 1, down, along)
        steps = self._grid[side]
        rows = base[:, None] + steps * outer[:, None]
        index = rows[:, :, None] + (steps * inner[:, None])[:, None, :]
        return flat[index].unsqueeze_(1).float()

    def _cut_rows(self, draws: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """The same patches, faster on a CPU: copies whole rows and turns a quarter of the batch at once."""
        lr_at, hr_at, width, symmetry = draws.unbind(1)
        flip_y = symmetry & 1
        lr = self._copy_rows(self._lr, lr_at, width, flip_y, self.patch, step)
        hr = self._copy_rows(self._hr, hr_at, width * self.scale, flip_y, self.patch * self.scale, step)
        return lr.mul_(1 / 255), hr.mul_(1 / (255 * FIXED))

    def _copy_rows(self, flat: Tensor, start: Tensor, width: Tensor, flip_y: Tensor, side: int, step: int) -> Tensor:
        base = start + (side - 1) * flip_y * width
        rows = base[:, None] + self._grid[side] * (width * (1 - 2 * flip_y))[:, None]
        block = flat.unfold(0, side, 1).index_select(0, rows.view(-1)).view(self.size, side, side)
        out = torch.empty(self.size, 1, side, side)
        for turn in range(4):
            quarter = slice((turn - step) % 4, None, 4)
            part = block[quarter]
            part = part.flip(2) if turn & 1 else part
            out[quarter, 0] = part.transpose(1, 2) if turn & 2 else part
        return out


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_MIX1 = _signed(0xBF58476D1CE4E5B9)
_MIX2 = _signed(0x94D049BB133111EB)
_POSITIVE = (1 << 63) - 1


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64 (wrapping products; the masks make the shifts logical)."""
    z = (z ^ ((z >> 30) & ((1 << 34) - 1))) * _MIX1
    z = (z ^ ((z >> 27) & ((1 << 37) - 1))) * _MIX2
    return z ^ ((z >> 31) & ((1 << 33) - 1))
