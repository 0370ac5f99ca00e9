"""The task of a worker: train the members of a pack, measure each, return facts."""

from __future__ import annotations

import hashlib
import socket
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch

from search_space import parse_id
from search_space.errors import BadData, first_line
from search_space.facts import Artifact, Checkpoint, Done, Failed, Failure, Outcome, Provenance, Quality
from workers import packs
from workers.checkpointing import CHECKPOINT_EVERY_S, Checkpointing, TrainingStopped
from workers.data.image_set import ImageSet
from workers.device_errors import is_device_error
from workers.device_model import cuda_state, device_model
from workers.quality import protocol
from workers.training import precision
from workers.training.checkpoint import to_checkpoint
from workers.training.optimiser import flat
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
    checkpoint: bytes | None = None
    """The state where an earlier attempt stopped; None starts from the beginning."""
    plain: bool = False
    """Train it by the reference in plain PyTorch: used after a failure that a faster engine may have caused."""


@dataclass(frozen=True)
class PackTask:
    """Trials of one scale and seed that are trained together on one stream of patches."""

    members: tuple[TrialTask, ...]
    recipe_json: str
    device: str = "cpu"
    checkpoint_every_s: float = CHECKPOINT_EVERY_S


def run_pack(
    task: PackTask,
    train_images: ImageSet,
    test_images: Sequence[ImageSet],
    progress: Callable[[int], None] | None = None,
    checkpointing: Checkpointing | None = None,
) -> list[Outcome]:
    """Train and evaluate every member; one outcome each, in order. Never raises for a member's own failure.

    ``progress`` is called with the number of training steps done, and with the last number again whenever a member was
    measured on a test set, so that a busy worker reports regularly. ``checkpointing`` gets the state of the members
    in training; a pack that it stops returns the outcomes of finished members and hands out the states of the others.
    """
    checkpointing = checkpointing or Checkpointing(every_s=0)
    reported = _Progress(progress)
    recipe = Recipe.from_json(task.recipe_json)
    node = socket.gethostname()
    try:
        results = _train_all(task, recipe, train_images, reported, checkpointing)
    except TrainingStopped as stop:
        return [failed(task.members[place], error, node) for place, error in stop.failed.items()]
    outcomes: list[Outcome] = []
    pairs = list(zip(task.members, results, strict=True))
    if checkpointing.worth_keeping():
        _hand_out(pairs, recipe, checkpointing)
    for place, (member, result) in enumerate(pairs):
        if checkpointing.stopping:
            _hand_out(pairs[place:], recipe, checkpointing)
            outcomes += [failed(m, r, node) for m, r in pairs[place:] if not isinstance(r, Trained)]
            break
        if isinstance(result, Trained):
            try:
                provenance = _provenance(result, recipe, task.device)
                outcomes.append(_measure(member, result, test_images, node, provenance, task.device, reported.repeat))
                continue
            except Exception as error:
                result = error
        outcomes.append(failed(member, result, node))
    return outcomes


def _hand_out(
    pairs: Sequence[tuple[TrialTask, Trained | Exception]], recipe: Recipe, checkpointing: Checkpointing
) -> None:
    """Hand out the states of trained members that are not measured yet."""
    states = [_trained_state(m, r, recipe) for m, r in pairs if isinstance(r, Trained) and r.steps]
    with suppress(TrainingStopped):
        checkpointing.put(states)


def _provenance(result: Trained, recipe: Recipe, device: str) -> Provenance:
    """What carried a training out; the state of a GPU as engines have it while they train."""
    with precision.applied(recipe.precision, device):
        cuda = cuda_state(device)
    return Provenance(result.engines, device_model(device), recipe.precision, torch.__version__, cuda)


def _trained_state(member: TrialTask, result: Trained, recipe: Recipe) -> Checkpoint:
    """The checkpoint of a trained member that is not measured yet; moments are no longer needed."""
    weights = flat(result.module)
    vectors = (weights, torch.zeros_like(weights), weights)
    data = to_checkpoint(
        result.config, recipe, result.steps, list(result.curve), *vectors, result.engines, result.seconds
    )
    return Checkpoint(member.trial, member.attempt, result.steps, data)


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
    task: PackTask, recipe: Recipe, images: ImageSet, reported: _Progress, checkpointing: Checkpointing
) -> list[Trained | Exception]:
    """A member's result or its error, in order. Raises TrainingStopped with the errors so far."""
    unreadable: dict[int, Exception] = {}
    members: dict[int, packs.Member] = {}
    for index, member in enumerate(task.members):
        try:
            members[index] = packs.Member(parse_id(member.config), member.seed, member.lr_scale, str(member.trial))
        except Exception as error:
            unreadable[index] = error
    together = list(members.values())
    of_key = {member.key: task.members[index] for index, member in members.items()}

    def save(states: Mapping[str, bytes]) -> None:
        members_of = ((of_key[key], data) for key, data in states.items())
        checkpointing.put(
            [
                Checkpoint(member.trial, member.attempt, _steps_of(member, recipe, reported.steps), data)
                for member, data in members_of
            ]
        )

    stored = {key: member.checkpoint for key, member in of_key.items() if member.checkpoint is not None}
    try:
        if len(together) == 1 and next(iter(of_key.values())).plain:
            (single,) = together
            trained: list[Trained | Exception] = [
                train(
                    single.config,
                    recipe,
                    images,
                    single.seed,
                    lr_scale=single.lr_scale,
                    checkpoint=stored.get(single.key),
                    save=lambda data: save({single.key: data}),
                    save_every=recipe.longest,
                    due=checkpointing.due,
                    progress=reported,
                    device=task.device,
                )
            ]
        else:
            trained = packs.train_pack(
                together,
                recipe,
                images,
                checkpoint=stored,
                save=save,
                save_every=recipe.longest,
                due=checkpointing.due,
                progress=reported,
                device=task.device,
            )
    except TrainingStopped as stop:
        places = list(members)
        stop.failed = unreadable | {places[i]: error for i, error in stop.failed.items()}
        raise
    except Exception as error:
        trained = [error] * len(together)
    results = unreadable | dict(zip(members, trained, strict=True))
    return [results[index] for index in range(len(task.members))]


def _steps_of(member: TrialTask, recipe: Recipe, done: int) -> int:
    """Steps of a member whose pack has taken ``done`` steps: it may need fewer."""
    return min(done, recipe.steps_of(parse_id(member.config)))


def _measure(
    member: TrialTask,
    result: Trained,
    test_images: Sequence[ImageSet],
    node: str,
    provenance: Provenance,
    device: str,
    measured: Callable[[], None],
) -> Done:
    rows: list[Quality] = []
    flags: list[str] = []
    for images in test_images:
        qualities = _qualities(result, images, device)
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


def _qualities(result: Trained, images: ImageSet, device: str) -> list[Quality]:
    """Measured where it was trained; whole images that do not fit there are measured on the CPU."""
    try:
        return protocol.evaluate(result.config, result.module, images, device=device)
    except Exception as error:
        if device == "cpu" or classify(error) is not Failure.OOM:
            raise
        return protocol.evaluate(result.config, result.module, images)


def failed(member: TrialTask, error: BaseException, node: str, seconds: float = 0.0) -> Failed:
    """A member's failure as a fact, with its class."""
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
    """The class of a failure, by which the retry policy decides.

    >>> classify(MemoryError())
    <Failure.OOM: 'oom'>
    """
    text = str(error).lower()
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "out of memory" in text or "can't allocate" in text:
        return Failure.OOM
    if is_device_error(error):
        return Failure.DEVICE
    if isinstance(error, Diverged):
        return Failure.DIVERGENCE
    if isinstance(error, BadData):
        return Failure.BAD_DATA
    return Failure.BUG


def _line(error: BaseException) -> str:
    """The kind of an error and its first line."""
    kind = type(error).__name__
    return f"{kind}: {first_line(error)}" if str(error).strip() else kind
