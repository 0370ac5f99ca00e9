"""Speeds that were measured while the machine was busy: how many there are, and the commands that repeat them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from search_space.facts import Speed


@dataclass(frozen=True)
class Timing:
    """One measured speed, as far as it matters here."""

    config: str
    device: str
    backend: str
    precision: str
    protocol: str
    disturbed: bool
    by_kit: bool = False
    """Measured by a kit on the device itself, not by ``sweep benchmark``."""


def timings(speeds: Iterable[Speed]) -> list[Timing]:
    """Stored speeds as ``notes`` takes them."""
    return [
        Timing(one.config, one.device, one.backend, one.precision, one.protocol,
               bool(one.detail.get("disturbed")), "kit" in one.detail)
        for one in speeds
    ]  # fmt: skip


def notes(measured: Iterable[Timing], url: str, more: Sequence[str] = ()) -> list[str]:
    """What to say of these speeds: nothing when none is disturbed, else a count and, for each kind, how to repeat it.

    ``more`` are options of ``sweep benchmark`` that all of them were measured with, such as ``--compute cuda:1``.

    >>> noisy = Timing("Bicubic_s2", "laptop", "eager", "fp32", "qhd5", True)
    >>> for line in notes([noisy], "sqlite:///sweep.db"):
    ...     print(line)
    1 of 1 speeds disturbed: the machine was busy, so they say little
    repeat on laptop: sweep benchmark --disturbed --db sqlite:///sweep.db --device laptop --backend eager \
--precision fp32 --speed-protocol qhd5
    """
    listed = list(measured)
    kinds = Counter(
        (one.by_kit, one.device, one.backend, one.precision, one.protocol) for one in listed if one.disturbed
    )
    if not kinds:
        return []
    lines = [f"{kinds.total()} of {len(listed)} speeds disturbed: the machine was busy, so they say little"]
    for by_kit, device, backend, precision, protocol in kinds:
        if by_kit:
            words = ["sweep", "import-measurements", "results.json", "--device", device, "--db", url]
            there = "python KIT.zip --disturbed, with its options of before"
            line = f"repeat on {device}: {there}, then here: {shlex.join(words)}"
        else:
            words = ["sweep", "benchmark", "--disturbed", "--db", url, "--device", device, "--backend", backend,
                     "--precision", precision, "--speed-protocol", protocol, *more]  # fmt: skip
            line = f"repeat on {device}: {shlex.join(words)}"
        if line not in lines:
            lines.append(line)
    return lines
