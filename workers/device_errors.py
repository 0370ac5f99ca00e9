"""Errors of a device, its driver or its machine, told from errors of a trial; and the proof that a device computes."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import torch

_WORDS = (
    "cuda error",
    "cuda driver",
    "cuda-capable device",
    "torch not compiled with cuda",
    "no nvidia driver",
    "nvidia driver on your system",
    "no cuda gpus are available",
    "no kernel image is available",
    "invalid device ordinal",
    "cublas_status",
    "cudnn_status",
    "cudnn error",
    "cusolver error",
    "cufft error",
    "nvrtc",
    "uncorrectable ecc",
    "hip error",
    "nvml",
)
_MACHINE = frozenset(
    {
        *(errno.EIO, errno.EROFS, errno.ESTALE, errno.EREMOTEIO, errno.ENODEV, errno.ENXIO),
        *(errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE),
    }
)
"""A disk that fails, is gone or full, and a machine without a file handle left: nothing that a network could cause."""


class DeviceFailure(RuntimeError):
    """A device that cannot compute, or computes wrongly."""


def is_device_error(error: BaseException) -> bool:
    """Whether an error, or one that led to it, says that the device, its driver or its machine failed.

    A lack of memory is another matter.

    >>> is_device_error(AssertionError("Torch not compiled with CUDA enabled")), is_device_error(ValueError("shape"))
    (True, False)
    >>> is_device_error(OSError(28, "No space left on device")), is_device_error(FileNotFoundError(2, "none"))
    (True, False)
    """
    return any(_of_a_device(one) for one in _with_causes(error))


def _of_a_device(error: BaseException) -> bool:
    accelerator = getattr(torch, "AcceleratorError", None)
    if isinstance(error, DeviceFailure) or (accelerator is not None and isinstance(error, accelerator)):
        return True
    text = str(error).lower()
    return (isinstance(error, OSError) and error.errno in _MACHINE) or any(words in text for words in _WORDS)


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it was raised from, or while they were handled."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def prove(device: str) -> None:
    """A small forward and backward pass whose results are known. Raises DeviceFailure, with what the device said."""
    try:
        with torch.enable_grad():
            x = torch.arange(36, dtype=torch.float32, device=device).reshape(1, 1, 6, 6)
            kernel = torch.ones(1, 1, 3, 3, device=device, requires_grad=True)
            out = torch.nn.functional.conv2d(x, kernel)
            out.sum().backward()  # type: ignore[no-untyped-call]
        gradient = kernel.grad
        assert gradient is not None
        sums = float(out.detach().cpu()[0, 0, 0, 0]), float(gradient.cpu()[0, 0, 0, 0])
    except Exception as error:
        raise DeviceFailure(f"{device} cannot compute: {str(error).strip().splitlines()[0][:200]}") from None
    # The nine values around (1, 1), and the sixteen that the upper left weight meets.
    if sums != (63.0, 168.0):
        raise DeviceFailure(f"{device} computes wrongly: {sums} instead of (63.0, 168.0)")
