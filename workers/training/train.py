"""Training one config by itself in plain PyTorch: the reference that fused packs must equal."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from search_space.config import Config
from search_space.errors import BadWeights, SweepError
from workers.data.image_set import ImageSet
from workers.training.initialisation import fit, pass_through
from workers.training.optimiser import Descent, trained
from workers.training.patches import PatchSampler
from workers.training.recipe import Recipe
from workers.training.whitening import probe

CHECK_EVERY = 50
"""Steps between two looks at the loss; looking costs a synchronisation on a GPU."""
START_PATCHES = 64
"""Patches that a fitted start looks at, at least."""


class Diverged(SweepError):
    """Training left the road at ``step``: the loss or a weight is not finite, or the loss grew out of bounds."""

    def __init__(self, config: str, step: int, reason: str) -> None:
        super().__init__(f"{config} diverged at step {step}: {reason}")
        self.config, self.step, self.reason = config, step, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.config, self.step, self.reason)


@dataclass(frozen=True)
class Trained:
    """A finished training run. ``curve`` holds (step, loss) points; ``seconds`` is time spent in this process."""

    config: Config
    module: nn.Module
    steps: int
    seconds: float
    curve: tuple[tuple[int, float], ...]


def initial_module(config: Config, seed: int) -> nn.Module:
    """The start of (config, seed), whatever was trained before; torch's global generator is left as it was."""
    mixed = hashlib.sha256(f"{config.id}/{seed}".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(mixed[:7], "big"))
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
    progress: Callable[[int], None] | None = None,
    device: str | torch.device = "cpu",
    sampler: PatchSampler | None = None,
) -> Trained:
    """Train one config from its own start to the last of its steps in the recipe.

    ``save`` gets a checkpoint every ``save_every`` steps; given back as ``checkpoint`` it resumes bit for bit on a
    CPU. ``progress`` gets the number of steps done. Raises Diverged, and BadWeights for a foreign checkpoint.
    """
    began = time.perf_counter()
    module = initial_module(config, seed).to(device)
    if not trained(module):
        return Trained(config, module, 0, time.perf_counter() - began, ())
    sampler = sampler or PatchSampler(images, config.scale, recipe.patch, recipe.batch, seed, device)
    peak, steps = recipe.peak_lr(config) * lr_scale, recipe.steps_of(config)
    descent = Descent(module, recipe)
    curve: list[tuple[int, float]] = []
    first = 0
    if checkpoint is not None:
        first, curve = _restore(checkpoint, config, recipe, descent)
    elif recipe.start == "fitted":
        fit(module, *probe(sampler, 0, START_PATCHES))
    border = recipe.border * config.scale
    for step in range(first, steps):
        if descent.rule.layers and (step == first or step % recipe.refresh == 0):
            descent.whiten(probe(sampler, step - step % recipe.refresh)[0], fresh=step % recipe.refresh == 0)
        lr, hr = sampler.batch(step)
        descent.forget()
        target = inner(hr, border)
        loss = loss_of(recipe.loss, inner(module(lr), border), target)
        loss.backward()  # type: ignore[no-untyped-call]
        descent.step(step, peak * recipe.rate(step, config))
        if step % CHECK_EVERY == 0 or step == steps - 1:
            value = float(loss.detach())
            check_loss(config.id, recipe, step, value, float(target.square().mean()))
            curve.append((step, value))
        done = step + 1
        if progress is not None:
            progress(done)
        if save is not None and done % save_every == 0 and done < steps:
            save(to_checkpoint(config, recipe, done, curve, descent.weights, descent.first, descent.second))
    check_finite(config.id, steps, module)
    return Trained(config, module.cpu(), steps, time.perf_counter() - began, tuple(curve))


def check_finite(config: str, step: int, module: nn.Module) -> None:
    """Raise Diverged when a weight is not finite."""
    if not all(bool(torch.isfinite(p).all()) for p in module.parameters()):
        raise Diverged(config, step, "a weight is not finite")


def to_checkpoint(
    config: Config,
    recipe: Recipe,
    step: int,
    curve: list[tuple[int, float]],
    weights: Tensor,
    first: Tensor,
    second: Tensor,
) -> bytes:
    """Everything a resume needs (the patch stream needs only the step number). Vectors as in ``Optimiser``."""
    buffer = io.BytesIO()
    vectors = {"weights": weights, "first": first, "second": second}
    torch.save(
        {
            "config": config.id,
            "recipe": recipe.digest,
            "step": step,
            "curve": list(curve),
            **{name: vector.detach().cpu().clone() for name, vector in vectors.items()},
        },
        buffer,
    )
    return buffer.getvalue()


@dataclass(frozen=True)
class Checkpoint:
    """A run after ``step`` steps."""

    step: int
    curve: list[tuple[int, float]]
    weights: Tensor
    first: Tensor
    second: Tensor


def read_checkpoint(data: bytes, config: Config, recipe: Recipe, parameters: int) -> Checkpoint:
    """What ``to_checkpoint`` wrote; nothing in it is run. Raises BadWeights for a damaged or foreign one."""
    try:
        state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        owner, digest = state["config"], state["recipe"]
        vectors = [state[name] for name in ("weights", "first", "second")]
        found = Checkpoint(int(state["step"]), [(int(s), float(v)) for s, v in state["curve"]], *vectors)
    except Exception as error:
        raise BadWeights(f"the checkpoint of {config.id} cannot be read: {error}") from None
    if (owner, digest) != (config.id, recipe.digest):
        raise BadWeights(
            f"the checkpoint belongs to {owner} under recipe {digest}, not to {config.id} under {recipe.digest}"
        )
    if any(tuple(vector.shape) != (parameters,) for vector in vectors):
        raise BadWeights(f"the checkpoint of {config.id} has not its {parameters} parameters")
    return found


def _restore(data: bytes, config: Config, recipe: Recipe, descent: Descent) -> tuple[int, list[tuple[int, float]]]:
    """Put a checkpoint into a fresh optimiser; the step to go on from and the curve so far."""
    found = read_checkpoint(data, config, recipe, descent.weights.numel())
    descent.weights.copy_(found.weights)
    descent.first.copy_(found.first)
    descent.second.copy_(found.second)
    return found.step, found.curve
