"""What an experiment is asked, and how it ended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("search_space", "workers", "results_db", "sweep", "tests")


@dataclass(frozen=True)
class Wanted:
    """The sweep: tiny, deterministic training of one-layer nets on one small image."""

    trials: int
    """At least; more are added while there are faults left to inject."""
    faults: Sequence[str]
    seed: int = 0
    url: str | None = None
    """A PostgreSQL database; None is SQLite on a small tmpfs."""
    steps: int = 600
    data: Path | None = None
    pack_size: int = 4
    timeout_s: float = 20.0
    """Of a pack, which takes about one second on a quiet machine."""


@dataclass
class Event:
    """One fault and how long it took until the part it hit brought a result again."""

    kind: str
    note: str
    seconds: float
    recovered: bool


@dataclass
class Outcome:
    """The reckoning."""

    trials: int
    faults: int = 0
    lost: int = 0
    duplicated: int = 0
    different: int = 0
    other_bits: int = 0
    forged: int = 0
    drivers: int = 0
    attempts: int = 0
    seconds: float = 0.0
    worst_difference_db: float = 0.0
    events: list[Event] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


CONFIGS = 27
"""One-layer nets over the three scales; each seed makes that many trials."""


def seeds_for(trials: int) -> int:
    return -(-trials // CONFIGS)


def run_options(wanted: Wanted, url: str, seeds: int) -> list[str]:
    assert wanted.data is not None
    return [
        *("run", "--name", "chaos", "--space", "paper", "--where", "K==3 and C in (1, 2, 4)"),
        *(part for seed in range(seeds) for part in ("--seed", str(seed))),
        *("--recipe", "smoke", "--steps", str(wanted.steps), "--no-benchmark"),
        *("--pack-size", str(wanted.pack_size)),
        *("--data-root", str(wanted.data), "--db", url, "--json", "--max-attempts", "50"),
    ]


def snapshot(folder: Path) -> Path:
    """The code as it is now, with an engine that can be told to fail.

    An edit in the middle of an experiment would (rightly) stop the sweep.
    """
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    engines = folder / "workers" / "packs"
    shutil.copy(ROOT / "tests" / "chaos" / "broken_engine.py", engines)
    with (engines / "train.py").open("a") as file:
        file.write("\n\nfrom workers.packs.broken_engine import install\n\ninstall(_Team)\n")
    return folder


def environment(code: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(code)}
