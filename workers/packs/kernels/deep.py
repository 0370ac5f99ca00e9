"""ESPCN, eSR-CNN and FSRCNN trained by table-driven kernels: each launch is one layer of all nets of a pack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from workers.packs.engine import OptimiserState
from workers.packs.kernels import conv_kernels, head_kernel, launch, update_kernels
from workers.packs.kernels.graph import StepGraph
from workers.packs.kernels.nets import DeepNet, deep_net_of
from workers.packs.kernels.tables import FIELDS, HALO, SIZES, Row, Sizes, plan_deep, slope_rows
from workers.packs.kernels.white import input_moments, inverses_of
from workers.training.optimiser import cosine_basis, flat, rule_of
from workers.training.recipe import LOSSES, Recipe
from workers.training.whitening import QUINTIC, ROUNDS, gain

MOST_ROWS = 128
"""Filters of a layer that takes orthogonal steps."""
IN_REGISTERS = 32
"""Rows of a layer whose step is made without memory for intermediate matrices."""
WHITE_COLUMNS = 32
EXACT = "tf32x3"
"""Steps are taken in float32 whatever the precision of the layers."""
_Bound = tuple[Any, tuple[int, ...], tuple[Any, ...], dict[str, Any]]


class DeepTrainer:
    """Takes modules that ``deep_net_of`` knows, all of one scale."""

    def __init__(
        self, modules: Sequence[nn.Module], recipe: Recipe, scale: int, device: torch.device, prec: str,
        sizes: Sizes = SIZES,
    ):  # fmt: skip
        self.recipe, self.scale, self.device, self.prec, self.sizes = recipe, scale, device, prec, sizes
        self.nets = [cast(DeepNet, deep_net_of(module, scale)) for module in modules]
        self._edges = [0]
        for net in self.nets:
            self._edges.append(self._edges[-1] + net.parameters)
        self.rules = [rule_of(module, recipe) for module in modules]
        self.plan = plan_deep(self.nets, self._edges[:-1], scale, recipe.batch, recipe.patch, sizes)
        self.weights = torch.cat([flat(module).cpu() for module in modules]).to(device)
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.gradients = torch.zeros(sizes.parts, len(self.weights), device=device)
        self.multiplier = torch.cat([rule.multiplier for rule in self.rules]).to(device)
        self.arena = torch.zeros(self.plan.arena, device=device)
        self.partials = torch.zeros(max(1, self.plan.partials), device=device)
        self.loss_sums = torch.zeros(len(self.plan.loss_rows), self.plan.tiles, device=device)
        self.clock = torch.zeros(1, dtype=torch.int32, device=device)
        self._tables: list[tuple[str, dict[str, int], Tensor, int]] = [
            (one.kernel, dict(one.constants), self._table(one.rows), one.programs) for one in self.plan.launches
        ]
        slopes = slope_rows(self.plan.launches, self.plan.tiles)
        self._slopes = self._table(slopes) if slopes else None
        self.white = [sum(layer.rows * layer.inputs for layer in rule.layers) for rule in self.rules]
        """Weights of each member, from its first, that take orthogonal steps; the others Adam's."""
        self._adam = self._table(self._adam_rows())
        self._turned = self._turned_tables()
        self._orthogonal()
        self._graph: StepGraph | None = None
        self._may_capture = device.type == "cuda"

    def _table(self, rows: Sequence[Row]) -> Tensor:
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, FIELDS).to(self.device)

    def _adam_rows(self) -> list[Row]:
        """Pieces of flat parameters that Adam steps as they are."""
        rows: list[Row] = []
        for member, (net, rule) in enumerate(zip(self.nets, self.rules, strict=True)):
            at = self.white[member]
            for part in (*(one.part for one in rule.turned), slice(net.parameters, net.parameters)):
                rows += self._pieces(member, at, part.start)
                at = part.stop
        return rows

    def _pieces(self, member: int, start: int, end: int) -> list[Row]:
        size = self.sizes.flat
        return [_row(self._edges[member] + at, min(size, end - at), member) for at in range(start, end, size)]

    def _filters(self, side: int) -> int:
        """Of a side, how many a program turns: fewer large ones, which would not stay in registers."""
        return self.sizes.filters // (1 if side <= 3 else 2)

    def _turned_tables(self) -> dict[int, tuple[Tensor, Tensor]]:
        """By the filters' side: (cosine basis padded to a power of two, rows)."""
        rows: dict[int, list[Row]] = {}
        for member, rule in enumerate(self.rules):
            for one in rule.turned:
                for first in range(0, one.rows, self._filters(one.side)):
                    start = self._edges[member] + one.start + first * one.side**2
                    row = _row(start, min(self._filters(one.side), one.rows - first), member)
                    rows.setdefault(one.side, []).append(row)
        out: dict[int, tuple[Tensor, Tensor]] = {}
        for side, mine in sorted(rows.items()):
            padded = _padded_area(side)
            basis = torch.zeros(padded, padded)
            basis[: side**2, : side**2] = cosine_basis(side).float()
            out[side] = basis.to(self.device), self._table(mine)
        return out

    def _orthogonal(self) -> None:
        """Tables and room for the members whose layers take orthogonal steps."""
        self._inverse_at: dict[tuple[int, int], int] = {}
        rows: dict[int, list[Row]] = {}
        columns: dict[int, list[Row]] = {}
        gains: list[float] = []
        inverses = turned = 0
        for member, rule in enumerate(self.rules):
            for index, layer in enumerate(rule.layers):
                n = layer.inputs
                edge = self._edges[member]
                row = (
                    edge + layer.start,
                    edge + layer.bias if layer.bias >= 0 else -1,
                    layer.rows,
                    layer.width,
                    member,
                    inverses,
                    turned,
                    0,
                    len(gains),
                )
                padded = max(16, 1 << (layer.rows - 1).bit_length())
                rows.setdefault(padded, []).append((*row, *[0] * (FIELDS - len(row))))
                for first in range(0, n, WHITE_COLUMNS):
                    columns.setdefault(padded, []).append((*row[:7], first, *[0] * (FIELDS - 8)))
                self._inverse_at[member, index] = inverses
                gains.append(gain(layer.rows, n))
                inverses, turned = inverses + n * n, turned + layer.rows * n
        self._white = {padded: (self._table(columns[padded]), self._table(rows[padded])) for padded in sorted(rows)}
        momentum = [row for member, white in enumerate(self.white) for row in self._pieces(member, 0, white)]
        self._momentum = self._table(momentum) if momentum else None
        scratch = max((5 * padded**2 * len(mine) for padded, mine in rows.items() if padded > IN_REGISTERS), default=0)
        self._scratch = torch.zeros(scratch, device=self.device)
        self.inverses = torch.zeros(inverses, device=self.device)
        self._rows_turned = torch.zeros(turned, device=self.device)
        self._ahead = torch.zeros_like(self.weights) if gains else self.weights[:0]
        self._gains = torch.tensor(gains).to(self.device)
        self._freshness = torch.tensor([1 - rule.momentum for rule in self.rules]).to(self.device)

    def steps(self, low: Tensor, high: Tensor, rates: Tensor, corrections: Tensor) -> None:
        """A block of steps on (n, B, 1, p, p), (n, B, 1, sp, sp); ``rates`` (n, members)."""
        self.clock.zero_()
        given = (low.contiguous(), high.contiguous(), rates, corrections)
        if self._graph is not None and self._graph.takes(given):
            self._graph.replay(given)
            return
        bound = self.bind(*given)
        for _ in range(low.shape[0]):
            self.one_step(bound)
        # Captured after steps were taken, so that every kernel is compiled by then.
        if self._graph is None and self._may_capture and low.shape[0] > 1:
            self._may_capture = False
            self._graph = StepGraph.captured(self, given)

    @staticmethod
    def one_step(bound: list[_Bound]) -> None:
        """The launches of one step; the clock they read moves on with the last."""
        for kernel, grid, arguments, constants in bound:
            launch.launch(kernel, grid, arguments, constants)

    def bind(self, low: Tensor, high: Tensor, rates: Tensor, corrections: Tensor) -> list[_Bound]:
        """All launches of a step, in order."""
        recipe, sizes = self.recipe, self.sizes
        batch, side = recipe.batch, recipe.patch
        pixels = batch * side**2
        fixed = {"HALO": HALO, "PREC": self.prec}
        tile = {"P": sizes.pixels, "KC": sizes.inputs}
        share = 1.0 / (batch * (side - 2 * recipe.border) ** 2 * self.scale**2)
        part = -(-pixels // sizes.parts)
        out: list[_Bound] = [
            (
                update_kernels.place_input,
                (-(-pixels // sizes.flat),),
                (self.arena, low, self.clock, batch, side),
                {"HALO": HALO, "P": sizes.flat},
            )
        ]
        for name, constants, table, programs in self._tables:
            grid = (len(table), programs)
            # With 4 warps the sums of so many columns would not stay in registers.
            wide = name == "conv_backward" or constants.get("COUT", constants.get("N", 0)) == 32
            warps = {"num_warps": 8} if wide else {}
            if name == "conv_forward":
                arguments: tuple[Any, ...] = (self.arena, self.weights, table, batch, side)
                out.append((conv_kernels.conv_forward, grid, arguments, {**fixed, **tile, **constants, **warps}))
            elif name == "conv_head":
                arguments = (
                    self.arena, self.weights, high, self.clock, self.loss_sums, table, batch, side, recipe.border,
                    self.scale, share,
                )  # fmt: skip
                more = {"LOSS": LOSSES.index(recipe.loss)}
                out.append((head_kernel.conv_head, grid, arguments, {**fixed, **tile, **constants, **more, **warps}))
            elif name == "conv_backward":
                arguments = (self.arena, self.weights, self.partials, table, batch, side)
                out.append((conv_kernels.conv_backward, grid, arguments, {**fixed, **tile, **constants, **warps}))
            else:
                arguments = (
                    self.arena, self.weights, self.gradients, table, batch, side, len(self.weights), part
                )  # fmt: skip
                at_once = sizes.gradient_pixels // (2 if warps else 1)
                tiles = {"P": at_once, "KC": sizes.gradient_inputs}
                out.append(
                    (conv_kernels.conv_weight_gradient, grid, arguments, {**fixed, **tiles, **constants, **warps})
                )
        return [*out, *self._updates(rates, corrections)]

    def _updates(self, rates: Tensor, corrections: Tensor) -> list[_Bound]:
        recipe, sizes = self.recipe, self.sizes
        parameters, members = len(self.weights), rates.shape[1]
        out: list[_Bound] = []
        if self._slopes is not None:
            fold = (self.partials, self.gradients, self._slopes)
            out.append((update_kernels.fold_slopes, (len(self._slopes),), fold, {"P": sizes.filters}))
        moments = (self.weights, self.first, self.second, self.gradients, self.multiplier)
        rule = (parameters, members, *recipe.betas, recipe.eps)
        if len(self._adam):
            arguments: tuple[Any, ...] = (*moments, rates, corrections, self.clock, self._adam, *rule)
            out.append(
                (update_kernels.adam_flat, (len(self._adam),), arguments, {"PARTS": sizes.parts, "R": sizes.flat})
            )
        for side, (basis, table) in self._turned.items():
            arguments = (*moments, basis, rates, corrections, self.clock, table, *rule)
            constants = {
                "PARTS": sizes.parts, "R": self._filters(side), "AREA": side**2, "AP": _padded_area(side),
                "PREC": EXACT,
            }  # fmt: skip
            out.append((update_kernels.adam_turned, (len(table),), arguments, constants))
        if self._momentum is not None:
            arguments = (
                self.first, self._ahead, self.gradients, self._freshness, rates, self.clock, self._momentum, parameters,
                members,
            )  # fmt: skip
            constants = {"PARTS": sizes.parts, "R": sizes.flat}
            out.append((update_kernels.momentum_flat, (len(self._momentum),), arguments, constants))
        for padded, (columns, rows) in self._white.items():
            # With 4 warps the products of so many rows would not stay in registers.
            warps = {"num_warps": 8} if padded > IN_REGISTERS else {}
            white = {"RP": padded, "NC": WHITE_COLUMNS, "PREC": EXACT, **warps}
            arguments = (self._ahead, self.inverses, self._rows_turned, columns, rates, self.clock, members)
            out.append((update_kernels.turn_white, (len(columns),), arguments, white))
            a, b, c = QUINTIC
            polynomial = {"RP": padded, "ROUNDS": ROUNDS, "A": a, "B": b, "C": c, "PREC": EXACT}
            moved = (self.weights, self._ahead, self._rows_turned, self._gains)
            by = (rows, rates, self.clock, members)
            if padded <= IN_REGISTERS:
                arguments, constants = (*moved, *by), {**polynomial, "NC": WHITE_COLUMNS}
                out.append((update_kernels.step_orthogonally, (len(rows),), arguments, constants))
            else:
                arguments, constants = (*moved, self._scratch, *by), {**polynomial, "NB": WHITE_COLUMNS, **warps}
                out.append((update_kernels.step_orthogonally_wide, (len(rows),), arguments, constants))
        out.append((update_kernels.tick, (1,), (self.clock,), {}))
        return out

    @torch.no_grad()
    def whiten(self, members: Sequence[int], low: Tensor, fresh: bool) -> None:
        """``Optimiser.whiten`` of some members, many inverses at once."""
        places: list[tuple[int, int]] = []
        moments: list[Tensor] = []
        for member in members:
            if not self.rules[member].layers:
                continue
            mine = slice(self._edges[member], self._edges[member] + self.white[member])
            if fresh:
                self.second[mine] = self.weights[mine]
            layers = self.rules[member].layers
            moments += input_moments(self.nets[member], self.second[mine], low, layers)
            places += [(member, index) for index in range(len(layers))]
        if not moments:
            return
        for place, inverse in zip(places, inverses_of(moments), strict=True):
            start = self._inverse_at[place]
            self.inverses[start : start + inverse.numel()] = inverse.reshape(-1)

    def losses(self) -> list[float]:
        """Each member's loss in the last step, before the update."""
        recipe = self.recipe
        share = 1.0 / (recipe.batch * (recipe.patch - 2 * recipe.border) ** 2 * self.scale**2)
        out = [0.0] * len(self.nets)
        for member, loss in zip(self.plan.loss_rows, self.loss_sums.sum(1).tolist(), strict=True):
            out[member] += loss * share
        return out

    def state(self, member: int) -> OptimiserState:
        """A copy on the CPU."""
        mine = slice(self._edges[member], self._edges[member + 1])
        return OptimiserState(*(vector[mine].cpu().clone() for vector in (self.weights, self.first, self.second)))

    def restore(self, member: int, state: OptimiserState) -> None:
        """The inverse of ``state``."""
        mine = slice(self._edges[member], self._edges[member + 1])
        for vector, part in ((self.weights, state.weights), (self.first, state.first), (self.second, state.second)):
            vector[mine].copy_(part)


def _row(start: int, count: int, member: int) -> Row:
    return (start, count, member, *[0] * (FIELDS - 3))


def _padded_area(side: int) -> int:
    return max(16, 1 << (side**2 - 1).bit_length())
