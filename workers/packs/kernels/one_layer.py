"""One-layer nets trained by ``one_layer_kernel``: a block of steps is one launch a group of slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workers.packs.engine import OptimiserState
from workers.packs.kernels import launch
from workers.packs.kernels.one_layer_kernel import one_layer_steps
from workers.packs.kernels.slots import Group, OneLayer, one_layer_of, plan_slots
from workers.training.optimiser import cosine_basis
from workers.training.recipe import LOSSES, Recipe

PIXELS = 64
"""Pixels of a tile."""


@dataclass
class _Bank:
    """The numbers of a group's slots, on the device: (slots, maps, taps, templates), padded with zeros."""

    group: Group
    weights: Tensor
    first: Tensor
    second: Tensor
    counts: Tensor
    subpixels: Tensor
    columns: Tensor
    losses: Tensor
    members: dict[int, int]
    """First slot of each member."""


class OneLayerTrainer:
    """Takes modules that ``one_layer_of`` knows, all of one scale."""

    def __init__(self, modules: Sequence[nn.Module], recipe: Recipe, scale: int, device: torch.device, prec: str):
        self.recipe, self.scale, self.device, self.prec = recipe, scale, device, prec
        self.nets = [cast(OneLayer, one_layer_of(module)) for module in modules]
        self.cosine = recipe.filters == "cosine"
        self._streams: list[Any] = []
        self._filters = {side: self._basis_filters(side) for side in sorted({net.side for net in self.nets})}
        self.banks = [self._bank(group) for group in plan_slots(self.nets, scale)]
        self._bank_of = {member: bank for bank in self.banks for member in bank.members}
        for member, module in enumerate(modules):
            conv = cast(nn.Conv2d, module.filter)
            zeros = torch.zeros(conv.weight.numel())
            self.restore(member, OptimiserState(conv.weight.detach().reshape(-1).cpu(), zeros, zeros))
        if device.type == "cuda":
            self._streams = [torch.cuda.Stream(device) for _ in self.banks]  # type: ignore[no-untyped-call]

    def _basis(self, side: int) -> Tensor:
        return cosine_basis(side) if self.cosine else torch.eye(side**2, dtype=torch.float64)

    def _basis_filters(self, side: int) -> Tensor:
        return self._basis(side).T.reshape(side**2, 1, side, side).float().to(self.device)

    def _bank(self, group: Group) -> _Bank:
        shape = (len(group.slots), group.kind + 1, group.taps, group.padded)
        members: dict[int, int] = {}
        for place, (member, _) in enumerate(group.slots):
            if member >= 0:
                members.setdefault(member, place)
        counts = [self.nets[member].templates if member >= 0 else 1 for member, _ in group.slots]
        subpixels = [sub for _, sub in group.slots]
        columns = [member if member >= 0 else len(self.nets) for member, _ in group.slots]
        numbers = (
            torch.tensor(counts, dtype=torch.int32).to(self.device),
            torch.tensor(subpixels, dtype=torch.int32).to(self.device),
            torch.tensor(columns, dtype=torch.int32).to(self.device),
        )
        weights, first, second = (torch.zeros(shape, device=self.device) for _ in range(3))
        losses = torch.zeros(len(group.slots), device=self.device)
        return _Bank(group, weights, first, second, *numbers, losses, members)

    def steps(self, low: Tensor, high: Tensor, rates: Tensor, corrections: Tensor) -> None:
        """A block of steps on (n, B, 1, p, p), (n, B, 1, sp, sp); ``rates`` (n, members + 1), the last column zero."""
        count, batch = low.shape[:2]
        border = self.recipe.border
        truth = F.pixel_unshuffle(high.flatten(0, 1), self.scale)
        targets = _pixels(truth, border, count, self.scale**2)
        windows: dict[int, Tensor] = {}
        for side, filters in self._filters.items():
            turned = F.conv2d(low.flatten(0, 1), filters, padding=side // 2)
            group = next(bank.group for bank in self.banks if bank.group.side == side)
            windows[side] = _pixels(turned, border, count, group.taps)
        inner = batch * (low.shape[-1] - 2 * border) ** 2
        here = torch.cuda.current_stream(self.device) if self._streams else None
        for index, bank in enumerate(self.banks):
            if here is None:
                self._launch(bank, windows[bank.group.side], targets, rates, corrections, count, inner)
                continue
            # Side by side: a group alone has too few programs to fill the device.
            side_stream = self._streams[index]
            side_stream.wait_stream(here)
            with torch.cuda.stream(side_stream):
                self._launch(bank, windows[bank.group.side], targets, rates, corrections, count, inner)
        for stream in self._streams:
            here.wait_stream(stream)  # type: ignore[union-attr]

    def _launch(
        self, bank: _Bank, windows: Tensor, targets: Tensor, rates: Tensor, corrections: Tensor, count: int, pixels: int
    ) -> None:
        group, recipe = bank.group, self.recipe
        s2 = self.scale**2
        launch.launch(
            one_layer_steps,
            (len(group.slots) * group.padded // group.columns,),
            (
                windows, targets, bank.weights, bank.first, bank.second, bank.counts, bank.subpixels, bank.columns,
                rates, corrections, bank.losses, count, pixels, s2, len(self.nets), 1.0 / (pixels * s2), recipe.gate,
                *recipe.betas, recipe.eps,
            ),
            one_layer_constants(group, recipe, self.prec),
        )  # fmt: skip

    def losses(self) -> list[float]:
        """Each member's loss in its last step."""
        out = [0.0] * len(self.nets)
        for bank in self.banks:
            sums = bank.losses.tolist()
            for member, place in bank.members.items():
                out[member] = sum(sums[place : place + self.scale**2])
        pixels = self.recipe.batch * (self.recipe.patch - 2 * self.recipe.border) ** 2 * self.scale**2
        return [value / pixels for value in out]

    def state(self, member: int) -> OptimiserState:
        """A copy on the CPU: taps, and moments of coefficients, as the module numbers them."""
        bank = self._bank_of[member]
        weights, first, second = (self._take(tensor, member) for tensor in (bank.weights, bank.first, bank.second))
        side = self.nets[member].side
        taps = (weights.double() @ self._basis(side).T).float()
        return OptimiserState(taps.reshape(-1), first.reshape(-1), second.reshape(-1))

    def restore(self, member: int, state: OptimiserState) -> None:
        """The inverse of ``state``."""
        bank, side = self._bank_of[member], self.nets[member].side
        coefficients = (state.weights.view(-1, side**2).double() @ self._basis(side)).float()
        for tensor, rows in ((bank.weights, coefficients), (bank.first, state.first), (bank.second, state.second)):
            self._view(tensor, member).copy_(self._to_slots(rows.reshape(-1, side**2), member))

    def _view(self, tensor: Tensor, member: int) -> Tensor:
        net, place = self.nets[member], self._bank_of[member].members[member]
        return tensor[place : place + self.scale**2, :, : net.side**2, : net.templates]

    def _take(self, tensor: Tensor, member: int) -> Tensor:
        """(filters, taps) in the module's order: maps, templates, sub-pixels."""
        return self._view(tensor, member).permute(1, 3, 0, 2).reshape(-1, self.nets[member].side ** 2).cpu()

    def _to_slots(self, rows: Tensor, member: int) -> Tensor:
        net = self.nets[member]
        shaped = rows.view(net.maps, net.templates, self.scale**2, net.side**2)
        return shaped.permute(2, 0, 3, 1).to(self.device)


def one_layer_constants(group: Group, recipe: Recipe, prec: str) -> dict[str, Any]:
    """The kernel's compile-time constants for a group."""
    return {
        "KIND": group.kind, "T": group.taps, "CP": group.padded, "N": group.columns, "P": PIXELS,
        "LOSS": LOSSES.index(recipe.loss), "PREC": prec,
    }  # fmt: skip


def _pixels(maps: Tensor, border: int, steps: int, columns: int) -> Tensor:
    """(steps * B, C, p, p) to (steps, inner pixels, columns), padded with zeros."""
    side = maps.shape[-1]
    maps = maps[..., border : side - border, border : side - border].permute(0, 2, 3, 1)
    maps = F.pad(maps, (0, columns - maps.shape[-1]))
    return maps.reshape(steps, -1, columns).contiguous()
