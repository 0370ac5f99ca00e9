"""Train a pack: one stream of patches, each member with the result of training it alone."""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from search_space.config import Config
from search_space.errors import BadWeights
from workers.checkpointing import TrainingStopped
from workers.data.image_set import ImageSet
from workers.packs.engine import BlockEngine, Engine, Member, OptimiserState, version_of
from workers.packs.plan import macs
from workers.packs.teams import build
from workers.training.checkpoint import read_checkpoint, to_checkpoint
from workers.training.initialisation import fit
from workers.training.optimiser import set_weights, trained
from workers.training.patches import PatchSampler
from workers.training.precision import applied
from workers.training.precision import check as check_precision
from workers.training.recipe import Recipe
from workers.training.train import (
    CHECK_EVERY,
    START_PATCHES,
    Diverged,
    Trained,
    check_finite,
    check_loss,
    initial_module,
    inner,
)
from workers.training.whitening import probe

BLOCK = defaultdict(lambda: CHECK_EVERY, cpu=1)
"""Steps handed to an engine at once, at most: on a GPU all between two looks at the loss."""
Result = Trained | Exception
"""A member's result: Trained, Diverged, or another error that prevented its training (MemoryError, BadWeights)."""
Checkpoint = Mapping[str, bytes]
"""By ``Member.key``, checkpoints as ``training.train`` writes them: a resume may pack differently or train alone."""


def train_pack(
    members: Sequence[Member],
    recipe: Recipe,
    images: ImageSet,
    *,
    checkpoint: Checkpoint | None = None,
    save: Callable[[dict[str, bytes]], None] | None = None,
    save_every: int = 1000,
    due: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] | None = None,
    device: str | torch.device = "cpu",
    compiled: bool = True,
) -> list[Result]:
    """Train all members together; one result each, in order, equal to ``training.train`` within rounding.

    A member that diverges, or does not fit in memory even alone, has an exception as its result and does not affect
    the others. ``save`` gets the checkpoints of all others every ``save_every`` steps, also of those that have
    finished all their steps, and after each step for which ``due()`` holds; ``progress`` gets the number of
    steps done just before (on a GPU some at once), once for every scale and seed among the members. A TrainingStopped
    that ``save`` raises ends the training; its ``failed`` gets the errors of the members that had ended.
    ``compiled=False`` uses torch operations only. Members may differ in scale and seed: each such stream is trained
    in turn.
    """
    streams: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, member in enumerate(members):
        streams[member.config.scale, member.seed].append(index)
    check_precision(recipe.precision, device)
    results: dict[int, Result] = {}
    for indices in streams.values():
        run = _Run([members[i] for i in indices], recipe, device, checkpoint or {}, compiled)
        try:
            with applied(recipe.precision, device):
                run.train(images, save, save_every, due, progress)
        except TrainingStopped as stop:
            stop.failed |= {indices[i]: error for i, error in run.ended.items()}
            raise
        results.update(zip(indices, run.results(), strict=True))
    return [results[i] for i in range(len(members))]


def blocks(first: int, ends: Sequence[int], stops: Sequence[int], longest: int) -> Iterator[tuple[int, int]]:
    """Blocks of steps [first, end) with no loss check, refresh or checkpoint inside.

    ``ends``: last steps of members, in order; ``stops``: a block ends after each multiple of these.

    >>> list(blocks(0, [120], [60], 50))
    [(0, 1), (1, 51), (51, 60), (60, 101), (101, 120)]
    """
    while first < ends[-1]:
        end = min(first + longest, -(-first // CHECK_EVERY) * CHECK_EVERY + 1, *(e for e in ends if e > first))
        end = min(end, *((first // every + 1) * every for every in stops))
        yield first, end
        first = end


class _Team:
    """Members that one engine trains, by their number in the run."""

    def __init__(self, engine: Engine, members: list[int]) -> None:
        self.engine, self.members, self.seconds = engine, members, 0.0
        self.done = 0
        """Steps that its members have taken, up to and within the current block."""

    def run(self, low: Tensor, high: Tensor, rates: list[list[float]]) -> None:
        """The steps of a block from ``done`` on; ``done`` moves with each that succeeded."""
        if isinstance(self.engine, BlockEngine):
            try:
                self.engine.steps(self.done, low, high, rates)
            finally:
                self.done += self.engine.taken
            return
        for at, row in enumerate(rates):
            self.engine.step(self.done, low[at], high[at], row)
            self.done += 1


class _Run:
    """The members of one stream, their states and results."""

    def __init__(
        self, members: list[Member], recipe: Recipe, device: str | torch.device, checkpoint: Checkpoint, compiled: bool
    ) -> None:
        self.members, self.recipe, self.device, self.compiled = members, recipe, torch.device(device), compiled
        self.first = [0] * len(members)
        self.curves: list[list[tuple[int, float]]] = [[] for _ in members]
        self.ended: dict[int, Exception] = {}
        self.modules: list[nn.Module] = [self._start(index) for index in range(len(members))]
        self.seconds = [0.0] * len(members)
        self.states: dict[int, OptimiserState] = {}
        self.engines: list[list[str]] = [[] for _ in members]
        for index, member in enumerate(members):
            if member.key in checkpoint and index not in self.ended:
                try:
                    self._restore(index, checkpoint[member.key])
                except BadWeights as error:
                    self.ended[index] = error
        self.live = [i for i, m in enumerate(self.modules) if trained(m) and i not in self.ended]

    def _start(self, index: int) -> nn.Module:
        """The initial module; an error while building it fails only this member."""
        try:
            return initial_module(self.members[index].config, self.members[index].seed)
        except Exception as error:
            self.ended[index] = error
            return nn.Identity()

    def _restore(self, index: int, data: bytes) -> None:
        count = sum(p.numel() for p in trained(self.modules[index]))
        stored = read_checkpoint(data, self.members[index].config, self.recipe, count)
        self.first[index], self.curves[index] = stored.step, stored.curve
        self.engines[index] = list(stored.engines)
        self.seconds[index] = stored.seconds
        self.states[index] = OptimiserState(stored.weights, stored.first, stored.second)
        set_weights(stored.weights, self.modules[index])

    def train(
        self,
        images: ImageSet,
        save: Callable[[dict[str, bytes]], None] | None,
        save_every: int,
        due: Callable[[], bool],
        progress: Callable[[int], None] | None,
    ) -> None:
        """Train from the step of the least advanced member to the recipe's last."""
        if not self.live:
            return
        recipe, scale = self.recipe, self.members[0].config.scale
        sampler = PatchSampler(images, scale, recipe.patch, recipe.batch, self.members[0].seed, self.device)
        self.sampler = sampler
        self._fit([i for i in self.live if i not in self.states])
        self.teams = self._build(self.live)
        peaks = {i: recipe.peak_lr(self.members[i].config) * self.members[i].lr_scale for i in self.live}
        ends = sorted({self._steps(i) for i in self.live})
        begin, last = min(self.first[i] for i in self.live), ends[-1]
        stops = [recipe.refresh, *([save_every] if save is not None else [])]
        for first, end in blocks(begin, ends, stops, BLOCK[self.device.type]):
            began = time.perf_counter()
            low, high = sampler.batches(first, end - first)
            waiting = list(self.teams)
            for team in waiting:
                team.done = first
            while waiting:
                team = waiting.pop(0)
                rates = self._rates(team, peaks, end)
                if not any(map(any, rates)):
                    continue
                started = time.perf_counter()
                try:
                    if team.done % recipe.refresh == 0:
                        self._whiten(team, rates[0], team.done)
                    team.run(low[team.done - first :], high[team.done - first :], rates)
                except Exception as error:
                    fresh = self._halve(team, team.done, error)
                    for smaller in fresh:
                        smaller.done = team.done
                    waiting += fresh
                team.seconds += time.perf_counter() - started
            step = end - 1
            if step % CHECK_EVERY == 0 or end in ends:
                power = float(inner(high[-1], recipe.border * scale).square().mean())
                self._check(step, power)
            self._share_block(time.perf_counter() - began)
            if not self._training():
                return
            if progress is not None:
                progress(end)
            if save is not None and end < last and (end % save_every == 0 or due()):
                save(self._checkpoints(end))
        self._finish()

    def _rates(self, team: _Team, peaks: dict[int, float], end: int) -> list[list[float]]:
        """A row of learning rates per step from ``team.done`` on; 0 for a member that is not trained at that step."""
        numbers = range(team.done, end)
        return [
            [
                peaks[i] * self.recipe.rate(step, self.members[i].config)
                if i not in self.ended and self.first[i] <= step < self._steps(i)
                else 0.0
                for i in team.members
            ]
            for step in numbers
        ]

    def _fit(self, indices: list[int]) -> None:
        """Fit the initial weights to patches, where the recipe says so."""
        if self.recipe.start != "fitted" or not indices:
            return
        low, high = probe(self.sampler, 0, START_PATCHES)
        for index in indices:
            fit(self.modules[index], low.cpu(), high.cpu())

    def _whiten(self, team: _Team, rates: list[float], step: int) -> None:
        low, _ = probe(self.sampler, step)
        places = [place for place, rate in enumerate(rates) if rate > 0]
        if isinstance(team.engine, BlockEngine):
            team.engine.whiten_all(places, low, fresh=True)
            return
        for place in places:
            team.engine.whiten(place, low, fresh=True)

    def _steps(self, index: int) -> int:
        return self.recipe.steps_of(self.members[index].config)

    def _training(self) -> list[int]:
        return [i for i in self.live if i not in self.ended]

    def _build(self, indices: list[int], halves: bool = False) -> list[_Team]:
        """Teams for members, with the states that they have; parts that do not fit in memory are halved."""
        teams: list[_Team] = []
        for part in build(
            self._split(indices) if halves else [indices],
            self.modules,
            self._configs(),
            self.recipe,
            self.device,
            self.compiled,
        ):
            try:
                engine = part.make()
            except Exception as error:
                teams += self._smaller(part.members, error)
                continue
            for place, index in enumerate(part.members):
                if index in self.states:
                    engine.restore(place, self.states[index])
                    at = self.first[index] - self.first[index] % self.recipe.refresh
                    engine.whiten(place, probe(self.sampler, at)[0], fresh=False)
            teams.append(_Team(engine, part.members))
        return teams

    def _configs(self) -> list[Config]:
        return [m.config for m in self.members]

    def _split(self, indices: list[int]) -> list[list[int]]:
        return [part for part in (indices[0::2], indices[1::2]) if part]

    def _smaller(self, indices: list[int], error: Exception) -> list[_Team]:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(indices) == 1:
            self.ended[indices[0]] = MemoryError(str(error) or "out of memory") if out_of_memory(error) else error
            return []
        return self._build(indices, halves=True)

    def _halve(self, team: _Team, step: int, error: Exception) -> list[_Team]:
        """Two smaller teams that go on before the failed step: they need less memory, and an error can be traced to
        its member."""
        self._share(team)
        self.teams.remove(team)
        kept = [i for i in team.members if i not in self.ended]
        for place, index in enumerate(team.members):
            if self.first[index] < step:
                self.engines[index] = self._engines(index, team)
                self.states[index] = team.engine.state(place)
                self.first[index] = min(step, self._steps(index))
        del team.engine
        fresh = self._smaller(kept, error)
        self.teams += fresh
        return fresh

    def _check(self, step: int, power: float) -> None:
        for team in self.teams:
            for index, loss in zip(team.members, team.engine.losses(), strict=True):
                steps = self._steps(index)
                is_checked = step % CHECK_EVERY == 0 or step == steps - 1
                if index in self.ended or not is_checked or not self.first[index] <= step < steps:
                    continue
                try:
                    check_loss(self.members[index].config.id, self.recipe, step, loss, power)
                except Diverged as error:
                    self.ended[index] = error
                else:
                    self.curves[index].append((step, loss))

    def _share_block(self, seconds: float) -> None:
        """On a GPU launches are asynchronous, so a block's time is divided among teams by their multiply-adds."""
        if self.device.type == "cpu" or not self.teams:
            return
        costs = [sum(macs(self.members[i].config) for i in team.members) for team in self.teams]
        for team, cost in zip(self.teams, costs, strict=True):
            team.seconds = 0.0
            self._share(team, seconds * cost / sum(costs))

    def _share(self, team: _Team, seconds: float | None = None) -> None:
        """Divide a team's time among its members in proportion to their multiply-adds."""
        costs = [macs(self.members[i].config) for i in team.members]
        for index, cost in zip(team.members, costs, strict=True):
            self.seconds[index] += (team.seconds if seconds is None else seconds) * cost / sum(costs)
        team.seconds = 0.0

    def _checkpoints(self, step: int) -> dict[str, bytes]:
        out: dict[str, bytes] = {}
        for team in self.teams:
            self._share(team)
            for place, index in enumerate(team.members):
                if index not in self.ended:
                    done = min(max(step, self.first[index]), self._steps(index))
                    out[self.members[index].key] = self._checkpoint(index, done, team, team.engine.state(place))
        return out

    def _checkpoint(self, index: int, step: int, team: _Team, state: OptimiserState) -> bytes:
        config, curve, engines = self.members[index].config, self.curves[index], self._engines(index, team)
        vectors = (state.weights, state.first, state.second)
        return to_checkpoint(config, self.recipe, step, curve, *vectors, engines, self.seconds[index])

    def _engines(self, index: int, team: _Team) -> list[str]:
        """The engines that have trained a member, this team's last."""
        return list(dict.fromkeys([*self.engines[index], version_of(team.engine)]))

    def _finish(self) -> None:
        for team in self.teams:
            self._share(team)
            for place, index in enumerate(team.members):
                if index in self.ended:
                    continue
                if self.first[index] < self._steps(index):
                    self.engines[index] = self._engines(index, team)
                set_weights(team.engine.state(place).weights, self.modules[index])
                try:
                    check_finite(self.members[index].config.id, self._steps(index), self.modules[index])
                except Diverged as error:
                    self.ended[index] = error
        self.teams = []

    def results(self) -> list[Result]:
        """The result of each member."""
        return [self.ended.get(i) or self._trained(i) for i in range(len(self.members))]

    def _trained(self, index: int) -> Trained:
        steps = self._steps(index) if index in self.live else 0
        curve, engines = tuple(self.curves[index]), tuple(self.engines[index])
        return Trained(
            self.members[index].config, self.modules[index].cpu(), steps, self.seconds[index], curve, engines
        )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a CPU or a GPU."""
    text = str(error).lower()
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "out of memory" in text or "allocate memory" in text
    )


def pack_to_bytes(checkpoint: Checkpoint) -> bytes:
    """A pack's checkpoint as bytes, for a file or a store."""
    buffer = io.BytesIO()
    torch.save({key: torch.frombuffer(bytearray(data), dtype=torch.uint8) for key, data in checkpoint.items()}, buffer)
    return buffer.getvalue()


def pack_from_bytes(data: bytes) -> dict[str, bytes]:
    """The inverse of ``pack_to_bytes``; never runs what is stored. Raises BadWeights."""
    try:
        stored = torch.load(io.BytesIO(data), weights_only=True)
        return {str(key): bytes(value.numpy().tobytes()) for key, value in stored.items()}
    except Exception as error:
        raise BadWeights(f"the checkpoint of the pack cannot be read: {error}") from None
