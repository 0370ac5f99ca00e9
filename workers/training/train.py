"""Train one config alone in plain PyTorch: the reference that packs are compared with."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from search_space.config import Config
from search_space.errors import SweepError
from workers.data.image_set import ImageSet
from workers.training.checkpoint import Checkpoint, read_checkpoint, to_checkpoint
from workers.training.code_digest import code_of
from workers.training.initialisation import fit, pass_through
from workers.training.optimiser import Optimiser, flat, trained
from workers.training.patches import PatchSampler
from workers.training.precision import applied, forward
from workers.training.precision import check as check_precision
from workers.training.recipe import Recipe
from workers.training.whitening import probe

CHECK_EVERY = 50
"""Steps between two checks of the loss; each costs a synchronisation on a GPU."""
START_PATCHES = 64
"""Least number of patches that a fitted initialisation uses."""


class Diverged(SweepError):
    """Training diverged at ``step``: the loss or a weight is not finite, or the loss exceeds its bound."""

    def __init__(self, config: str, step: int, reason: str) -> None:
        super().__init__(f"{config} diverged at step {step}: {reason}")
        self.config, self.step, self.reason = config, step, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.config, self.step, self.reason)


@dataclass(frozen=True)
class Trained:
    """A finished training run. ``curve`` holds (step, loss) points; ``seconds`` is time spent in this process.

    ``engines`` carried it out, in order of use, each as ``name/version`` (``facts.Provenance``).
    """

    config: Config
    module: nn.Module
    steps: int
    seconds: float
    curve: tuple[tuple[int, float], ...]
    engines: tuple[str, ...] = ()


def initial_module(config: Config, seed: int) -> nn.Module:
    """The config's module with the initial weights of ``seed``; torch's global generator is not changed."""
    mixed = hashlib.sha256(f"{config.id}/{seed}".encode()).hexdigest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(mixed[:14], 16))
        module = config.build()
    pass_through(module)
    return module


def loss_of(kind: str, output: Tensor, target: Tensor) -> Tensor:
    """Mean over all elements of the squared, absolute or Charbonnier (epsilon 1e-3) difference."""
    difference = output - target
    if kind == "mse":
        return difference.square().mean()
    if kind == "l1":
        return difference.abs().mean()
    return (difference.square() + 1e-6).sqrt().mean()


def inner(image: Tensor, border: int) -> Tensor:
    """Without ``border`` pixels on each side."""
    return image[..., border:-border, border:-border] if border else image


def check_loss(config: str, recipe: Recipe, step: int, loss: float, power: float) -> None:
    """Raise Diverged when the loss is not finite or exceeds ``recipe.diverged`` times the target's ``power``."""
    if loss != loss or loss in (float("inf"), float("-inf")):
        raise Diverged(config, step, f"the loss is {loss}")
    bound = recipe.diverged * (power if recipe.loss == "mse" else power**0.5)
    if loss > bound:
        raise Diverged(config, step, f"the loss {loss:.3g} exceeds {bound:.3g}")


class Reference:
    """One config trained alone in plain PyTorch: this decides a trial's numbers, and ``code_digest`` begins here.

    ``steps`` trains; ``train`` adds what has no effect on the numbers (progress, checkpoints, time). Keep such things
    there.
    """

    def __init__(
        self,
        config: Config,
        recipe: Recipe,
        images: ImageSet,
        seed: int,
        lr_scale: float = 1.0,
        device: str | torch.device = "cpu",
        sampler: PatchSampler | None = None,
    ) -> None:
        self.config, self.recipe, self.seed, self.device = config, recipe, seed, device
        self.module = initial_module(config, seed).to(device)
        self.first, self.last, self.restored = 0, recipe.steps_of(config), False
        self.curve: list[tuple[int, float]] = []
        if not trained(self.module):
            return
        self.sampler = sampler or PatchSampler(images, config.scale, recipe.patch, recipe.batch, seed, device)
        self.optimiser = Optimiser(self.module, recipe)
        self._peak = recipe.peak_lr(config) * lr_scale

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint, bit for bit on a CPU. Call before ``steps``."""
        self.optimiser.weights.copy_(checkpoint.weights)
        self.optimiser.first.copy_(checkpoint.first)
        self.optimiser.second.copy_(checkpoint.second)
        self.first, self.curve, self.restored = checkpoint.step, checkpoint.curve, True

    def steps(self) -> Iterator[int]:
        """Train to the last step; yields the number of steps done after each. Raises Diverged."""
        recipe = self.recipe
        if recipe.start == "fitted" and not self.restored:
            # On the CPU whatever the device: the signs of an SVD are not the same on all of them.
            low, high = probe(self.sampler, 0, START_PATCHES)
            start = initial_module(self.config, self.seed)
            fit(start, low.cpu(), high.cpu())
            self.optimiser.weights.copy_(flat(start))
        for step in range(self.first, self.last):
            with applied(recipe.precision, self.device):
                loss, target = self._step(step)
            if step % CHECK_EVERY == 0 or step == self.last - 1:
                value = float(loss)
                check_loss(self.config.id, recipe, step, value, float(target.square().mean()))
                self.curve.append((step, value))
            yield step + 1
        check_finite(self.config.id, self.last, self.module)

    def _step(self, step: int) -> tuple[Tensor, Tensor]:
        """Take one step; the loss before the update, and the target inside the border."""
        recipe, optimiser = self.recipe, self.optimiser
        border = recipe.border * self.config.scale
        refreshes = step % recipe.refresh == 0
        if optimiser.rule.layers and (step == self.first or refreshes):
            optimiser.whiten(probe(self.sampler, step - step % recipe.refresh)[0], fresh=refreshes)
        low, high = self.sampler.batch(step)
        optimiser.zero_gradients()
        target = inner(high, border)
        with forward(recipe.precision, self.device):
            output = self.module(low)
        loss = loss_of(recipe.loss, inner(output.float(), border), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(step, self._peak * recipe.rate(step, self.config))
        return loss.detach(), target


def train(
    config: Config,
    recipe: Recipe,
    images: ImageSet,
    seed: int,
    *,
    lr_scale: float = 1.0,
    checkpoint: bytes | None = None,
    save: Callable[[bytes], None] | None = None,
    save_every: int = 1000,
    due: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] | None = None,
    device: str | torch.device = "cpu",
    sampler: PatchSampler | None = None,
) -> Trained:
    """Train one config from its initialisation to its last step.

    ``save`` gets a checkpoint every ``save_every`` steps, and after each step for which ``due()`` holds; passed as
    ``checkpoint`` it resumes bit for bit on a CPU. ``progress`` gets the number of steps done. Raises Diverged,
    BadWeights for a foreign checkpoint, and SweepError for a precision that the device does not train in.
    """
    check_precision(recipe.precision, device)
    began = time.perf_counter()
    run = Reference(config, recipe, images, seed, lr_scale, device, sampler)
    if not trained(run.module):
        return Trained(config, run.module, 0, time.perf_counter() - began, ())
    engines = [f"reference/{code_of(config)}"]
    optimiser = run.optimiser
    if checkpoint is not None:
        stored = read_checkpoint(checkpoint, config, recipe, optimiser.weights.numel())
        run.resume(stored)
        engines = list(dict.fromkeys([*stored.engines, *engines]))
        began -= stored.seconds
    for done in run.steps():
        if progress is not None:
            progress(done)
        if save is not None and done < run.last and (done % save_every == 0 or due()):
            vectors = (optimiser.weights, optimiser.first, optimiser.second)
            seconds = time.perf_counter() - began
            save(to_checkpoint(config, recipe, done, run.curve, *vectors, engines, seconds))
    seconds = time.perf_counter() - began
    return Trained(config, run.module.cpu(), run.last, seconds, tuple(run.curve), tuple(engines))


def check_finite(config: str, step: int, module: nn.Module) -> None:
    """Raise Diverged when a weight is not finite."""
    if not all(bool(torch.isfinite(p).all()) for p in module.parameters()):
        raise Diverged(config, step, "a weight is not finite")
