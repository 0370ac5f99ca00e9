"""The task of a worker: train the members of a pack, measure each, return facts."""

from __future__ import annotations

import hashlib
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from search_space import parse_id
from search_space.errors import BadData, first_line
from search_space.facts import Artifact, Done, Failed, Failure, Outcome, Provenance, Quality
from workers import packs
from workers.data.image_set import ImageSet
from workers.device_model import device_model
from workers.quality import protocol
from workers.training.recipe import Recipe
from workers.training.train import Diverged, Trained, train
from workers.training.weights import to_bytes


@dataclass(frozen=True)
class TrialTask:
    """One trial of a pack. ``lr_scale`` lowers the learning rate of an attempt after a divergence."""

    trial: int
    attempt: int
    config: str
    seed: int
    lr_scale: float = 1.0


@dataclass(frozen=True)
class PackTask:
    """Configs of one scale and one seed that are trained together on one stream of patches."""

    members: tuple[TrialTask, ...]
    recipe_json: str
    device: str = "cpu"


def run_pack(
    task: PackTask,
    train_images: ImageSet,
    test_images: Sequence[ImageSet],
    progress: Callable[[int], None] | None = None,
) -> list[Outcome]:
    """Train and evaluate every member; one outcome each, in order. Never raises for a member's own failure.

    ``progress`` is called with the number of training steps done, and with the last number again whenever a member was
    measured on a test set, so that a working worker reports regularly.
    """
    reported = _Progress(progress)
    recipe = Recipe.from_json(task.recipe_json)
    node, device = socket.gethostname(), device_model(task.device)
    outcomes: list[Outcome] = []
    for member, result in zip(task.members, _train_all(task, recipe, train_images, reported), strict=True):
        if isinstance(result, Trained):
            try:
                known = Provenance(result.engines, device, recipe.precision, torch.__version__)
                outcomes.append(_measure(member, result, test_images, node, known, reported.repeat))
                continue
            except Exception as error:
                result = error
        outcomes.append(failed(member, result, node))
    return outcomes


@dataclass
class _Progress:
    """Reports progress to a listener, and repeats the last report."""

    listener: Callable[[int], None] | None
    steps: int = 0

    def __call__(self, steps: int) -> None:
        self.steps = steps
        if self.listener is not None:
            self.listener(steps)

    def repeat(self) -> None:
        self(self.steps)


def _train_all(
    task: PackTask, recipe: Recipe, images: ImageSet, progress: Callable[[int], None] | None
) -> list[Trained | Exception]:
    """A member's result, or what it raised; several members train together, a single one in plain PyTorch."""
    results: dict[int, Trained | Exception] = {}
    members: dict[int, packs.Member] = {}
    for index, member in enumerate(task.members):
        try:
            members[index] = packs.Member(parse_id(member.config), member.seed, member.lr_scale, str(member.trial))
        except Exception as error:
            results[index] = error
    together = list(members.values())
    try:
        if len(together) == 1:
            (single,) = together
            trained: list[Trained | Exception] = [
                train(
                    single.config,
                    recipe,
                    images,
                    single.seed,
                    lr_scale=single.lr_scale,
                    progress=progress,
                    device=task.device,
                )
            ]
        else:
            trained = packs.train_pack(together, recipe, images, progress=progress, device=task.device)
    except Exception as error:
        trained = [error] * len(together)
    results.update(zip(members, trained, strict=True))
    return [results[index] for index in range(len(task.members))]


def _measure(
    member: TrialTask,
    result: Trained,
    test_images: Sequence[ImageSet],
    node: str,
    provenance: Provenance,
    measured: Callable[[], None],
) -> Done:
    rows: list[Quality] = []
    flags: list[str] = []
    for images in test_images:
        qualities = protocol.evaluate(result.config, result.module, images)
        rows += qualities
        psnr = next(row.value for row in qualities if row.metric == "psnr")
        if result.steps and not psnr >= protocol.bicubic_psnr(images, result.config.scale):
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


def failed(member: TrialTask, error: BaseException, node: str, seconds: float = 0.0) -> Failed:
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
    """The kind of an error and its first line."""
    kind = type(error).__name__
    return f"{kind}: {first_line(error)}" if str(error).strip() else kind
