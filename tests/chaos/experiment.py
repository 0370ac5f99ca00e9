"""One experiment: a sweep on a real cluster, faults from a seeded script, and the reckoning at its end."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from results_db.schema import artifact, attempt, measure, quality, trial
from results_db.store import Store
from search_space.errors import StoreError
from tests.chaos.faults import FAULTS, FORGED, Hit, Scene
from tests.chaos.nodes import RayCluster

ROOT = Path(__file__).parents[2]
PACKAGES = ("search_space", "workers", "results_db", "sweep", "tests")
TMPFS_MB = 48
GIVE_UP_S = 120.0
"""A fault that is not over by then counts with this, and as unrecovered."""


@dataclass(frozen=True)
class Wanted:
    """The sweep: tiny, deterministic training of one-layer nets on one small image."""

    trials: int
    """At least; more are added while there are faults left to inject."""
    faults: Sequence[str]
    seed: int = 0
    url: str | None = None
    """A PostgreSQL database; None is SQLite on a small tmpfs."""
    steps: int = 30
    data: Path | None = None
    timeout_s: float = 12.0
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
        *("--recipe", "smoke", "--steps", str(wanted.steps), "--no-benchmark", "--pack-size", "4"),
        *("--data-root", str(wanted.data), "--db", url, "--json", "--max-attempts", "50"),
    ]


def snapshot(folder: Path) -> Path:
    """The code as it is now: an edit in the middle of an experiment would (rightly) stop the sweep."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def undisturbed(wanted: Wanted, url: str, seeds: int, code: Path) -> None:
    """The same sweep on this machine without any fault."""
    entry = [sys.executable, "-m", "tests.chaos.entry"]
    done = subprocess.run(
        [*entry, *run_options(wanted, url, seeds)], cwd=code, capture_output=True, text=True, env=_environment(code)
    )
    if done.returncode:
        raise AssertionError(done.stderr[-2000:])


def _environment(code: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(code)}


class Supervisor:
    """Keeps one driver running until the sweep is done, as a person or an init system would."""

    def __init__(self, cluster: RayCluster, wanted: Wanted, url: str, clock: Path, log: Path, code: Path) -> None:
        self._cluster, self._wanted, self._url, self._clock, self._log = cluster, wanted, url, clock, log
        self._code = code
        self.seeds = seeds_for(wanted.trials)
        self.starts = 0
        self.done = False
        self.enough = threading.Event()
        """Set when no more faults come: the sweep may end."""
        self._end = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _arguments(self, resume: bool) -> list[str]:
        common = ["--address", self._cluster.address, "--timeout", f"{self._wanted.timeout_s:g}"]
        if not resume:
            return [*run_options(self._wanted, self._url, self.seeds), *common]
        options = ["resume", "--db", self._url, "--no-benchmark", "--pack-size", "4", "--max-attempts", "50", "--json"]
        return [*options, *common]

    def _run(self) -> None:
        while not self._end.is_set():
            code = self._start(resume=_trials(self._url) > 0)
            if code == 0 and self.enough.is_set():
                self.done = True
                return
            if code == 1:
                with Store.open(self._url) as store:
                    store.retry()
            time.sleep(0.5)

    def _start(self, resume: bool) -> int:
        arguments = self._arguments(resume)
        self.starts += 1
        with self._log.open("ab") as log:
            log.write(f"\n== {time.strftime('%H:%M:%S')} {arguments[0]}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                self._cluster.head.command([sys.executable, "-m", "tests.chaos.entry", *arguments]),
                cwd=self._code,
                env={**self._cluster.environment, "CHAOS_CLOCK": str(self._clock), "PYTHONPATH": str(self._code)},
                stdout=log,
                stderr=log,
            )
            code = self._process.wait()
            log.write(f"== {time.strftime('%H:%M:%S')} exit {code}\n".encode())
        return code

    def pids(self) -> list[int]:
        return self._cluster.processes(self._cluster.head, "tests.chaos.entry")

    def wait(self, seconds: float) -> bool:
        self._thread.join(timeout=seconds)
        return self.done

    def stop(self) -> None:
        self._end.set()
        if self._process and self._process.poll() is None:
            self._process.kill()


def _trials(url: str) -> int:
    try:
        with Store.open(url, readonly=True) as store:
            return store.counts().planned
    except StoreError:
        return 0


def experiment(wanted: Wanted, say: Callable[[str], None] = print, limit_s: float = 1200.0) -> Outcome:
    """Run it, one at a time on a machine. Raises AssertionError when a forged result is taken."""
    with (Path(tempfile.gettempdir()) / "edge-sweep-chaos.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _experiment(wanted, say, limit_s)


def _experiment(wanted: Wanted, say: Callable[[str], None], limit_s: float) -> Outcome:
    chance = random.Random(wanted.seed)
    folder = Path(tempfile.mkdtemp(prefix="chaos-db-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MB}m", "none", str(folder)], check=True)
    url = wanted.url or f"sqlite:///{folder / 'sweep.db'}"
    clock = folder.parent / f"{folder.name}.clock"
    clock.write_text("0")
    log = folder.parent / f"{folder.name}.log"
    outcome = Outcome(wanted.trials)
    began = time.monotonic()
    code = snapshot(folder.parent / f"{folder.name}.code")
    cluster = RayCluster(3)
    supervisor = Supervisor(cluster, wanted, url, clock, log, code)
    try:
        scene = Scene(cluster, url, folder, clock, supervisor.pids, chance)
        _inject(wanted, scene, supervisor, outcome, say, began + limit_s)
        clock.write_text("0")
        supervisor.enough.set()
        say(f"all faults injected after {time.monotonic() - began:.0f} s; waiting for the end")
        if not supervisor.wait(max(30.0, began + limit_s - time.monotonic())):
            outcome.stuck.append("the sweep did not end in time")
        outcome.seconds = round(time.monotonic() - began, 1)
        outcome.drivers = supervisor.starts
        supervisor.stop()
        cluster.close()
        _reckon(wanted, url, code, outcome)
        return outcome
    finally:
        supervisor.stop()
        cluster.close()
        subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(code, ignore_errors=True)
        clock.unlink(missing_ok=True)
        if outcome.stuck or outcome.lost:
            say(f"the drivers' log is {log}")
        else:
            log.unlink(missing_ok=True)


def _inject(
    wanted: Wanted,
    scene: Scene,
    supervisor: Supervisor,
    outcome: Outcome,
    say: Callable[[str], None],
    deadline: float,
) -> None:
    watch = Watch(scene.url)
    if not watch.until(lambda: bool(watch.finished()), 150):
        outcome.stuck.append("no trial was done within 150 s of the start")
        return
    waiting = list(wanted.faults)
    while waiting and time.monotonic() < deadline:
        kind = waiting.pop(0)
        watch.until(lambda: supervisor.pids() != [], 30)
        at = watch.mark()
        began = time.monotonic()
        hit: Hit = FAULTS[kind](scene)
        if not hit.happened:
            waiting.append(kind)
            time.sleep(0.5)
            continue
        recovered = watch.until(lambda hit=hit, at=at: watch.works(hit, at), GIVE_UP_S)
        seconds = time.monotonic() - began
        outcome.events.append(Event(kind, hit.note, round(seconds, 2), recovered))
        outcome.faults += 1
        say(f"{outcome.faults:4d} {kind:10s} {seconds:6.1f} s {'' if recovered else 'NOT RECOVERED '}{hit.note}")


class Watch:
    """Looks at the store from outside, and gives the sweep more to do while there are faults left."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.seeds = 0
        self.growing = True

    def _read(self, query: Any) -> list[Any]:
        try:
            with Store.open(self._url, readonly=True, busy_timeout_s=1, reconnect_s=5) as store:
                return list(store.database.read(lambda c: c.execute(query).all()))
        except StoreError:
            return []

    def finished(self) -> set[tuple[int, int, str]]:
        """(trial, attempt, node) of every attempt that is done."""
        rows = self._read(
            select(attempt.c.trial_id, attempt.c.number, attempt.c.node).where(attempt.c.outcome == "done")
        )
        return {(row[0], row[1], row[2]) for row in rows}

    def mark(self) -> set[tuple[int, int]]:
        """The attempts there are now."""
        query = select(attempt.c.trial_id, attempt.c.number)
        limit = time.monotonic() + 20
        while not (rows := self._read(query)) and time.monotonic() < limit:
            time.sleep(0.2)
        return {(row[0], row[1]) for row in rows}

    def works(self, hit: Hit, before: set[tuple[int, int]]) -> bool:
        """Whether an attempt begun since is done, on the machine that was hit."""
        return any(
            (number, count) not in before and (hit.machine is None or node == hit.machine.name)
            for number, count, node in self.finished()
        )

    def top_up(self) -> None:
        """Plan two more seeds when little is left, as a second ``sweep run`` of the same sweep would."""
        try:
            with Store.open(self._url, busy_timeout_s=1, reconnect_s=5) as store:
                counts = store.counts()
                self.seeds = counts.planned // CONFIGS
                if counts.planned == 0 or counts.pending > 40:
                    return
                keys = [row.key for row in store.trials() if row.key.seed == 0]
                more = range(self.seeds, self.seeds + 2)
                store.plan(1, [replace(key, seed=seed) for seed in more for key in keys])
        except StoreError:
            return

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if condition():
                return True
            if self.growing:
                self.top_up()
            time.sleep(0.3)
        return False


Facts = dict[tuple[str, int], dict[tuple[str, str, str], float]]


def facts(url: str) -> tuple[Facts, dict[tuple[str, int], list[str]]]:
    """What the store holds: figures by (config, seed), and the weights' digests (one each, if all is well)."""
    figures: Facts = {}
    weights: dict[tuple[str, int], list[str]] = {}
    with Store.open(url, readonly=True) as store:
        query = (
            select(
                trial.c.config, trial.c.seed, measure.c.dataset, measure.c.metric, measure.c.protocol, quality.c.value
            )
            .join(quality, quality.c.trial_id == trial.c.id)
            .join(measure, measure.c.id == quality.c.measure_id)
            .where(trial.c.state == "done")
        )
        for config, seed, *name, value in store.database.read(lambda c: c.execute(query).all()):
            row = figures.setdefault((config, seed), {})
            if tuple(name) in row:
                weights.setdefault((config, seed), []).append("duplicate figure")
            row[name[0], name[1], name[2]] = value
        kept = select(trial.c.config, trial.c.seed, artifact.c.sha256).join(artifact, artifact.c.trial_id == trial.c.id)
        for config, seed, digest in store.database.read(lambda c: c.execute(kept).all()):
            weights.setdefault((config, seed), []).append(digest)
    return figures, weights


def _reckon(wanted: Wanted, url: str, code: Path, outcome: Outcome) -> None:
    """Compare with the undisturbed run: each trial exactly once, with the same figures and the same weights."""
    with tempfile.TemporaryDirectory() as folder:
        calm = f"sqlite:///{folder}/calm.db"
        seeds = _trials(url) // CONFIGS
        undisturbed(wanted, calm, seeds, code)
        expected, expected_weights = facts(calm)
    found, weights = facts(url)
    outcome.trials = len(expected)
    outcome.lost = len(set(expected) - set(found))
    outcome.duplicated = len(set(found) - set(expected)) + sum(len(w) - 1 for w in weights.values())
    for key in set(expected) & set(found):
        worst = max((abs(found[key].get(n, FORGED) - v) for n, v in expected[key].items()), default=0.0)
        outcome.worst_difference_db = max(outcome.worst_difference_db, worst)
        outcome.different += found[key].keys() != expected[key].keys() or weights[key] != expected_weights[key]
        outcome.forged += FORGED in found[key].values()
    with Store.open(url, readonly=True) as store:
        outcome.attempts = len(store.attempts())


def to_json(outcome: Outcome) -> str:
    return json.dumps(outcome.as_dict(), indent=2)
