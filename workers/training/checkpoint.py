"""An unfinished training run as bytes: every engine writes the same form and resumes from any other's."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from search_space.config import Config
from search_space.errors import BadWeights
from workers.training.recipe import Recipe


@dataclass(frozen=True)
class Checkpoint:
    """A training run after ``step`` steps. Vectors as in ``Optimiser``, each (parameters,)."""

    step: int
    curve: list[tuple[int, float]]
    weights: Tensor
    first: Tensor
    second: Tensor
    engines: tuple[str, ...] = ()
    """Engines that trained it so far, as in ``facts.Provenance``."""
    seconds: float = 0.0
    """Training time so far."""


def to_checkpoint(
    config: Config,
    recipe: Recipe,
    step: int,
    curve: list[tuple[int, float]],
    weights: Tensor,
    first: Tensor,
    second: Tensor,
    engines: Sequence[str] = (),
    seconds: float = 0.0,
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
            "engines": list(engines),
            "seconds": seconds,
            **{name: vector.detach().cpu().clone() for name, vector in vectors.items()},
        },
        buffer,
    )
    return buffer.getvalue()


def read_checkpoint(data: bytes, config: Config, recipe: Recipe, parameters: int) -> Checkpoint:
    """Read what ``to_checkpoint`` wrote; nothing in it is run. Raises BadWeights for a damaged or foreign one."""
    try:
        state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        owner, digest = state["config"], state["recipe"]
        weights, first, second = (state[name] for name in ("weights", "first", "second"))
        curve = [(int(step), float(loss)) for step, loss in state["curve"]]
        engines = tuple(str(engine) for engine in state.get("engines", ()))
        checkpoint = Checkpoint(
            int(state["step"]), curve, weights, first, second, engines, float(state.get("seconds", 0))
        )
    except Exception as error:
        raise BadWeights(f"the checkpoint of {config.id} cannot be read: {error}") from None
    if (owner, digest) != (config.id, recipe.digest):
        raise BadWeights(
            f"the checkpoint belongs to {owner} under recipe {digest}, not to {config.id} under {recipe.digest}"
        )
    if any(tuple(vector.shape) != (parameters,) for vector in (weights, first, second)):
        raise BadWeights(f"the checkpoint of {config.id} does not have its {parameters} parameters")
    return checkpoint
