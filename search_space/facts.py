"""The facts that travel between the packages: workers make them, results_db keeps them, analysis reads them.

Plain frozen values in the field's words; no torch, no SQL. They live in the bottom package because
workers and results_db may not import each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Failure(StrEnum):
    """Why an attempt failed; the class decides what happens next (``sweep.planning.retry_policy``)."""

    OOM = "oom"
    DIVERGENCE = "divergence"
    WORKER_LOST = "worker-lost"
    TIMEOUT = "timeout"
    BAD_DATA = "bad-data"
    DEVICE = "device"
    """The device, its driver or its machine failed, not the trial."""
    BUG = "bug"

    @property
    def spares_checkpoint(self) -> bool:
        """Whether the next attempt may go on from the checkpoint: the training itself was not at fault.

        >>> Failure.OOM.spares_checkpoint, Failure.DIVERGENCE.spares_checkpoint
        (True, False)
        """
        return self in (Failure.OOM, Failure.WORKER_LOST, Failure.TIMEOUT, Failure.DEVICE)

    @property
    def charged(self) -> bool:
        """Whether it counts against the attempts that a trial has.

        >>> Failure.BUG.charged, Failure.DEVICE.charged
        (True, False)
        """
        return self is not Failure.DEVICE


@dataclass(frozen=True, slots=True)
class TrialKey:
    """What makes a training result reproducible: the same key means the same numbers.

    ``recipe``, ``data`` and ``code`` are short hex digests (of the recipe's fields, of the training
    images, of the training code); ``seed`` is the trial's own.
    """

    config: str
    seed: int
    recipe: str
    data: str
    code: str


@dataclass(frozen=True)
class Quality:
    """One metric of one trained config on one test set under one named protocol.

    ``value`` is the mean over images; of a PSNR over those that did not come back exactly (``exact``).
    """

    config: str
    dataset: str
    metric: str
    """``psnr`` (dB), ``ssim`` or ``lpips``."""
    value: float
    unit: str
    protocol: str
    per_image: tuple[tuple[str, float], ...] = ()

    @property
    def exact(self) -> tuple[str, ...]:
        """Images that came back exactly: their PSNR is infinite, and ``value`` is that of the others."""
        return tuple(name for name, value in self.per_image if value == math.inf)


@dataclass(frozen=True)
class Speed:
    """How fast one architecture runs on one device. None (with a reason in ``detail``), never 0, where unreadable."""

    config: str
    device: str
    backend: str
    """``eager``, ``compile``, ``cudagraph``, ``onnxruntime``, ..."""
    precision: str
    """``fp32``, ``fp16``, ``bf16``, ``int8``."""
    protocol: str
    """Name of the timing protocol, for example ``fullhd14`` (14 outputs of 1920 x 1080, batch 1)."""
    fps: float
    """Frames per second from the median time of a frame."""
    seconds_median: float | None = None
    seconds_iqr: float | None = None
    seconds_min: float | None = None
    runs: int | None = None
    power_w: float | None = None
    energy_j: float | None = None
    """Energy per frame, idle subtracted."""
    memory_mib: float | None = None
    temperature_c: float | None = None
    cpu_percent: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    """Whatever else was recorded: clocks, throttling, threads, reference time, reasons for missing values."""


@dataclass(frozen=True)
class Artifact:
    """A file made by a trial, carried as bytes: ``weights`` (safetensors), ``checkpoint``, ``onnx``."""

    kind: str
    data: bytes
    sha256: str


@dataclass(frozen=True)
class Checkpoint:
    """The state of a trial in training after ``step`` steps, as ``workers.training.checkpoint`` writes it."""

    trial: int
    attempt: int
    step: int
    data: bytes


@dataclass(frozen=True)
class CudaState:
    """The software under a computation on a GPU, and what it was allowed to do to float32; None where not readable."""

    driver: str | None
    """Version of the kernel driver (``580.65.06``)."""
    cuda: str | None
    """CUDA (or ROCm) version that PyTorch was built for."""
    cudnn: str | None
    tf32_matmul: bool
    tf32_cudnn: bool
    """Whether matrix products, and convolutions by cuDNN, might round their factors to TF32."""
    cudnn_autotune: bool
    """Whether cuDNN chose algorithms by timing them, so that another run may sum in another order."""


@dataclass(frozen=True)
class Provenance:
    """What carried a training out. Not in the trial's key: every engine is held to the reference by tests."""

    engines: tuple[str, ...]
    """In order of use, each as ``name/version`` (``compiled/3f2a91c07b1d``): the version is a digest of the engine's
    own sources. More than one where a member was moved, for want of memory or by a resume."""
    device: str
    """Model of the processor or name of the card."""
    precision: str
    """``fp32``, ``tf32`` or ``bf16``."""
    torch: str
    """PyTorch's version with its build (``2.13.0+cpu``)."""
    cuda: CudaState | None = None
    """None for a training on CPUs."""


@dataclass(frozen=True)
class Done:
    """A trial that was trained and evaluated."""

    trial: int
    attempt: int
    quality: tuple[Quality, ...]
    artifacts: tuple[Artifact, ...]
    seconds: float
    """Training time of the attempt; a member of a pack carries its share by MACs."""
    steps: int
    node: str
    curve: tuple[tuple[int, float], ...] = ()
    """(step, training loss) points."""
    flags: tuple[str, ...] = ()
    """For example ``below-bicubic:Set5``."""
    provenance: Provenance | None = None


@dataclass(frozen=True)
class Failed:
    """A trial's attempt that ended without a result."""

    trial: int
    attempt: int
    failure: Failure
    error: str
    """One line."""
    traceback: str
    node: str
    seconds: float = 0.0


Outcome = Done | Failed
