"""What fails for want of a working machine is not charged to a trial."""

from __future__ import annotations

import errno

import pytest

from search_space.facts import Failure
from workers.task import classify


def raised(first: BaseException, *, chained: bool) -> BaseException:
    """An error that came of ``first``, or while it was handled."""
    try:
        try:
            raise first
        except BaseException as error:
            if chained:
                raise RuntimeError("the compiler failed") from error
            raise RuntimeError("the compiler failed")  # noqa: B904
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.ESTALE, errno.EMFILE])
def test_a_disk_that_is_full_or_broken_is_the_machines_fault(code: int) -> None:
    assert classify(OSError(code, "no")) is Failure.DEVICE
    assert classify(raised(OSError(code, "no"), chained=True)) is Failure.DEVICE
    assert classify(raised(OSError(code, "no"), chained=False)) is Failure.DEVICE


def test_a_file_that_is_missing_and_an_error_of_the_code_are_the_trials() -> None:
    assert classify(FileNotFoundError(errno.ENOENT, "no such file")) is Failure.BUG
    assert classify(raised(ValueError("shape"), chained=True)) is Failure.BUG
    hidden = RuntimeError("another")
    hidden.__context__, hidden.__suppress_context__ = OSError(errno.EIO, "no"), True
    assert classify(hidden) is Failure.BUG


def test_a_lack_of_memory_stays_one() -> None:
    assert classify(OSError(errno.ENOMEM, "Cannot allocate memory: out of memory")) is Failure.OOM
