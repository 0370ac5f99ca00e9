"""An executor by its name, and what its workers are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from search_space.errors import MissingExtra, SweepError
from search_space.user_code import loaded
from sweep.executors.core import Executor, WorkerData
from sweep.executors.image_transport import Images, transport
from sweep.executors.places import Places, in_words

if TYPE_CHECKING:
    from sweep.planning.data import Data


EXECUTORS = ("actors", "tune", "inline")
TUNE_NEEDS = ("pyarrow", "tensorboardX")
"""Packages without which Ray Tune cannot be imported; Ray's own extra brings them."""


@dataclass(frozen=True)
class Workers:
    """The workers that are asked for."""

    cpus: float = 1.0
    """Of one worker."""
    gpus: float | None = None
    """Of one worker; None takes a GPU each on nodes that have some, and CPUs elsewhere."""
    number: int = 0
    """Workers at most, which an autoscaler is asked for; 0 takes all the cluster has."""


def check_name(name: str) -> None:
    """Raises SweepError for an executor that there is not, MissingExtra for Ray Tune without what it needs."""
    if name not in EXECUTORS:
        raise SweepError(f"unknown executor {name!r} (choose from {', '.join(EXECUTORS)})")
    if name == "tune" and any(find_spec(needed) is None for needed in TUNE_NEEDS):
        raise MissingExtra("--executor tune needs Ray Tune: pip install 'edge-sweep[tune]'")


def worker_data(data: Data, threads: int = 1, via: str = "store", root: str | None = None) -> WorkerData:
    """What travels to every worker; ``via`` says how images travel (see ``image_transport``)."""
    return WorkerData(transport(Images(data.train, data.tests), via, root), loaded(), threads, str(Path.cwd()))


def make_executor(
    name: str, data: WorkerData, address: str, asked: Workers, say: Callable[[str], None] = lambda line: None
) -> Executor:
    """The executor of that name, after a look at its cluster; ``say`` gets what was found, in a line or two.

    Raises SweepError when the cluster cannot run it.
    """
    if name == "inline":
        from sweep.executors.inline import InlineExecutor

        return InlineExecutor(data)
    check_name(name)
    from sweep.executors import autoscaler, cluster

    places = Places(asked.cpus, asked.gpus)
    own = address == "local"
    there = cluster.connect(address, gpus=usable_gpus() if own and asked.gpus is None else None)
    # Ray Tune wants all its workers at the start.
    grows = name == "actors" and not own and bool(asked.number or not there.cpus)
    if grows:
        autoscaler.request(asked.number or 1, places)
    else:
        places.check(there)
    say(in_words(there, places, asked.number))
    if len(places.on(there)) == 0:
        say("no node has room for a worker yet: its autoscaler is asked for machines, and they are waited for")
    if name == "actors":
        from sweep.executors.actors import ActorExecutor

        return ActorExecutor(data, asked.cpus, asked.gpus, asked.number)
    from sweep.executors.tune import TuneExecutor

    return TuneExecutor(data, asked.cpus, float(there.gpus >= 1) if asked.gpus is None else asked.gpus, asked.number)


def usable_gpus() -> int | None:
    """What a cluster of our own gets: 0 where PyTorch here can use no GPU, although there may be one; None lets Ray
    count them."""
    import torch

    return None if torch.cuda.is_available() else 0
