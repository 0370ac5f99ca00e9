"""One config, built and warm: what a round visits."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from search_space.config import Config
from workers.backends.core import Backend, Frame, Job
from workers.benchmark.clock import Stopwatch
from workers.benchmark.protocols import SpeedProtocol
from workers.deploy import deployed
from workers.timing import is_steady


@dataclass
class Subject:
    """A network that is ready to run, and the times taken so far."""

    config: Config
    frame: Frame
    warm: list[float]
    """Seconds of each warm-up frame."""
    steady: bool
    times: list[list[float]] = field(default_factory=list)
    """Seconds, one list a kept round."""
    ratios: list[float] = field(default_factory=list)
    """Median of a round over the reference's in the same round."""


def build(config: Config, plain: bool = False) -> nn.Module:
    """The network with starting weights that depend on its id alone; speed does not depend on their values."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(config.id.encode()))
        module = config.build().eval()
    return module if plain else deployed(module)


def frames_in(protocol: SpeedProtocol, scale: int) -> Tensor:
    """The input every network of a scale gets: (batch, 1, H, W) in [0, 1], the same in every run."""
    rows, columns = protocol.low_resolution(scale)
    generator = torch.Generator().manual_seed(scale)
    return torch.rand(protocol.batch, 1, rows, columns, generator=generator)


def prepare(
    config: Config, protocol: SpeedProtocol, backend: Backend, precision: str, compute: str, threads: int
) -> Frame:
    """The call that runs one frame of ``config``."""
    module, x = build(config, protocol.plain), frames_in(protocol, config.scale)
    job = Job(config.id, module, config.scale, x, precision, compute, threads, protocol.channels_last)
    return backend.prepare(job)


def warm_up(config: Config, frame: Frame, watch: Stopwatch, protocol: SpeedProtocol) -> Subject:
    """Run until the times are steady, or the protocol's limit of frames or seconds is reached."""
    times: list[float] = []
    end = time.perf_counter() + protocol.warm_seconds
    # The first call allocates, chooses algorithms and may compile: it says nothing about the rest.
    first = watch(frame)
    while not is_steady(times) and len(times) < protocol.warm_frames and time.perf_counter() < end:
        times.append(watch(frame))
    return Subject(config, frame, [first, *times], is_steady(times))
