"""What a worker is given and what it does: train the members of a pack, measure each, return facts."""

from __future__ import annotations

import hashlib
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from search_space import parse_id
from search_space.errors import BadData
from search_space.facts import Artifact, Done, Failed, Failure, Outcome, Provenance, Quality
from workers import packs
from workers.data.image_set import ImageSet
from workers.device_model import device_model
from workers.quality import protocol
from workers.training.recipe import Recipe
from workers.training.train import Diverged, Trained, train
from workers.training.weights import to_bytes

BELOW = 0.0
"""dB under plain bicubic at which a result is flagged."""


@dataclass(frozen=True)
class Member:
    """One trial of a pack. ``lr_scale`` lowers the learning rate of an attempt after a divergence."""

    trial: int
    attempt: int
    config: str
    seed: int
    lr_scale: float = 1.0


@dataclass(frozen=True)
class PackTask:
    """Configs of one scale and one seed that are trained together on one stream of patches."""

    members: tuple[Member, ...]
    recipe_json: str
    device: str = "cpu"


def run_pack(
    task: PackTask,
    train_images: ImageSet,
    test_images: Sequence[ImageSet],
    progress: Callable[[int], None] | None = None,
) -> list[Outcome]:
    """Train and evaluate every member; one outcome each, in order. Never raises for a member's own failure.

    ``progress`` gets the number of training steps done, and the last number again whenever a member was measured
    on a set: a worker at work is never silent for long.
    """
    signs = _Signs(progress)
    recipe = Recipe.from_json(task.recipe_json)
    node, device = socket.gethostname(), device_model(task.device)
    outcomes: list[Outcome] = []
    for member, result in zip(task.members, _train_all(task, recipe, train_images, signs), strict=True):
        if isinstance(result, Trained):
            try:
                known = Provenance(result.engines, device, recipe.precision, torch.__version__)
                outcomes.append(_measure(member, result, test_images, node, known, signs.again))
                continue
            except Exception as error:
                result = error
        outcomes.append(failed(member, result, node))
    return outcomes


@dataclass
class _Signs:
    """Signs of life, passed on."""

    listener: Callable[[int], None] | None
    steps: int = 0

    def __call__(self, steps: int) -> None:
        self.steps = steps
        if self.listener is not None:
            self.listener(steps)

    def again(self) -> None:
        self(self.steps)


def _train_all(
    task: PackTask, recipe: Recipe, images: ImageSet, progress: Callable[[int], None] | None
) -> list[Trained | Exception]:
    """A member's result, or what it raised; members train together, one by itself in plain PyTorch."""
    results: dict[int, Trained | Exception] = {}
    wanted: dict[int, packs.Member] = {}
    for index, member in enumerate(task.members):
        try:
            wanted[index] = packs.Member(parse_id(member.config), member.seed, member.lr_scale, str(member.trial))
        except Exception as error:
            results[index] = error
    together = list(wanted.values())
    try:
        if len(together) == 1:
            (one,) = together
            found: list[Trained | Exception] = [
                train(
                    one.config, recipe, images, one.seed, lr_scale=one.lr_scale, progress=progress, device=task.device
                )
            ]
        else:
            found = packs.train_pack(together, recipe, images, progress=progress, device=task.device)
    except Exception as error:
        found = [error] * len(together)
    results.update(zip(wanted, found, strict=True))
    return [results[index] for index in range(len(task.members))]


def _measure(
    member: Member,
    result: Trained,
    test_images: Sequence[ImageSet],
    node: str,
    provenance: Provenance,
    measured: Callable[[], None],
) -> Done:
    rows: list[Quality] = []
    flags: list[str] = []
    for images in test_images:
        found = protocol.evaluate(result.config, result.module, images)
        rows += found
        psnr = next(row.value for row in found if row.metric == "psnr")
        if result.steps and not psnr >= protocol.bicubic_psnr(images, result.config.scale) - BELOW:
            flags.append(f"below-bicubic:{images.name}")
        measured()
    data = to_bytes(result.module)
    return Done(
        trial=member.trial,
        attempt=member.attempt,
        quality=tuple(rows),
        artifacts=(Artifact("weights", data, hashlib.sha256(data).hexdigest()),),
        seconds=result.seconds,
        steps=result.steps,
        node=node,
        curve=result.curve,
        flags=tuple(flags),
        provenance=provenance,
    )


def failed(member: Member, error: BaseException, node: str, seconds: float = 0.0) -> Failed:
    """The fact of a member's failure, classified."""
    return Failed(
        trial=member.trial,
        attempt=member.attempt,
        failure=classify(error),
        error=_line(error),
        traceback="".join(traceback.format_exception(error)),
        node=node,
        seconds=seconds,
    )


def classify(error: BaseException) -> Failure:
    """The class that decides what happens next.

    >>> classify(MemoryError())
    <Failure.OOM: 'oom'>
    """
    text = str(error).lower()
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "out of memory" in text or "can't allocate" in text:
        return Failure.OOM
    if isinstance(error, Diverged):
        return Failure.DIVERGENCE
    if isinstance(error, BadData):
        return Failure.BAD_DATA
    return Failure.BUG


def _line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__
