"""What the measurement benchmarks share: a choice of configs, published speeds, a load to be disturbed by."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from search_space.config import Config
from search_space.spaces import load_space, select
from workers.benchmark import FULLHD14, SpeedProtocol
from workers.benchmark.disturbance import CpuWatch

SMALL = replace(FULLHD14, name="960x540x14", width=960, height=540, warm_frames=12, warm_seconds=2.0)
"""As the paper's but a quarter of its pixels, so that a pass over 42 configs takes a minute or two."""


def sample(n: int, seed: int = 0) -> tuple[Config, ...]:
    """``n`` of the paper's configs, fairly over families and scales."""
    return select(load_space("paper").configs, sample=n, seed=seed)


def shared() -> Path | None:
    """The development material beside the repository, if it is there."""
    folder = Path(os.environ.get("EDGE_SWEEP_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    return folder if folder.is_dir() else None


def published_fps() -> dict[str, dict[str, float]]:
    """Frames per second by device and config as published, and PSNR under ``psnr:...``; empty without the table."""
    folder = shared()
    if folder is None or not (folder / "published/tests.pkl").is_file():
        return {}
    import tempfile

    from results_db.foreign.published import keep, read
    from results_db.reading.frames import results
    from results_db.store import Store

    with tempfile.TemporaryDirectory() as temporary, Store.open(str(Path(temporary) / "p.db")) as store:
        keep(store, read(folder / "published/tests.pkl"))
        table = results(store)
    out = {str(d): dict(zip(g["config"], g["fps"], strict=True)) for d, g in table.groupby("device")}
    one = table.drop_duplicates("config")
    for column in (c for c in table.columns if c.startswith("psnr:")):
        out[column] = dict(zip(one["config"], one[column], strict=True))
    return out


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


@contextmanager
def load(processes: int, seconds: int = 60) -> Iterator[None]:
    """Other processes that keep a core busy each, as a neighbour would; they end by themselves after ``seconds``.

    They are nobody's children (the shell that starts them is gone), or their work would count as our own.
    """
    line = f"timeout {seconds} sh -c 'while :; do :; done' >/dev/null 2>&1 & echo $!"
    started = [subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True) for _ in range(processes)]
    time.sleep(1.0)
    try:
        yield
    finally:
        for one in started:
            os.kill(int(one.stdout), signal.SIGTERM)


class Neighbours:
    """How much of the machine others used, from here to ``facts``: a measurement is to be read with it."""

    def __init__(self) -> None:
        self.watch = CpuWatch()

    def facts(self) -> dict[str, object]:
        """For the record."""
        window = self.watch.stop()
        return {"others_percent_of_cpu": round(100 * window.others_share, 1), "seconds": round(window.wall, 1)}


def protocol_facts(protocol: SpeedProtocol) -> dict[str, object]:
    """For the record."""
    return {
        "protocol": protocol.name,
        "output": [protocol.width, protocol.height],
        "rounds": protocol.rounds,
        "frames_a_round": protocol.frames,
        "group": protocol.group,
    }
