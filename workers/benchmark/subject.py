"""One config, built, checked and warmed up, that rounds visit."""

from __future__ import annotations

import copy
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor, nn

from search_space.config import Config
from workers.backends.core import Backend, Frame, Job
from workers.benchmark.agreement import require_agreement
from workers.benchmark.clock import Stopwatch
from workers.benchmark.protocols import SpeedProtocol
from workers.export.deployed_form import deployed
from workers.timing.energy import Energy
from workers.timing.statistics import is_steady
from workers.timing.turns import frames_left

BATCH_S = 0.05
BATCH_FRAMES = 500


@dataclass
class Subject:
    """A network that is ready to run."""

    config: Config
    frame: Frame
    warm: Sequence[float]
    """Seconds of each warm-up frame."""
    steady: bool
    memory_mib: float | None = None
    no_memory: str | None = None
    """Why ``memory_mib`` is None."""
    energy: Energy | None = None
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of this process over wall seconds, one value per visit."""

    def visit(self, watch: Stopwatch, frames: int) -> tuple[float, ...]:
        """Seconds of at least ``frames`` frames (``timing.turns.frames_left``), after one that fills the caches."""
        watch.run(self.frame, 1)
        cpu, wall = time.process_time(), time.perf_counter()
        times: list[float] = []
        while left := frames_left(times, frames):
            times += watch.times(self.frame, left)
        self.cpu.append((time.process_time() - cpu) / max(time.perf_counter() - wall, 1e-9))
        return tuple(times)

    def run(self, watch: Stopwatch) -> int:
        """Some frames to their end, ``BATCH_S`` of them; how many."""
        count = max(1, min(BATCH_FRAMES, int(BATCH_S / max(self.warm[-1], 1e-9))))
        watch.run(self.frame, count)
        return count

    def cpu_percent(self, cores: int) -> float | None:
        """0 to 100 of the machine while this network ran."""
        return min(100.0, 100 * median(self.cpu) / cores) if self.cpu else None


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
    """The call that runs one frame of ``config``; held against torch in float32 on the CPU, if it is not just that."""
    module, x = build(config, protocol.plain), frames_in(protocol, config.scale)
    job = Job(config.id, module, config.scale, x, precision, compute, threads, protocol.channels_last)
    same = (backend.name, precision, compute) == ("eager", "fp32", "cpu")
    kept = None if same else copy.deepcopy(module)
    frame = backend.prepare(job)
    if kept is not None:
        require_agreement(Job(config.id, kept, config.scale, x, precision), frame, clips=backend.clips)
    return frame


def warm_up(frame: Frame, watch: Stopwatch, protocol: SpeedProtocol) -> tuple[list[float], bool]:
    """Run until the times are steady, or the protocol's limit of frames or seconds: (seconds of each, steady)."""
    # The first call allocates, chooses algorithms and may compile, so it says nothing about later ones.
    first, times = watch(frame), list[float]()
    end = time.perf_counter() + protocol.warm_seconds
    while not is_steady(times) and len(times) < protocol.warm_frames and time.perf_counter() < end:
        times.append(watch(frame))
    return [first, *times], is_steady(times)
