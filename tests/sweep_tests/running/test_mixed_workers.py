"""GPUs and CPUs in one driver: a pack that a CPU would train for long goes on, from its state, on a free GPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from results_db.store import Store
from search_space.facts import Checkpoint
from sweep.executors import by_name
from sweep.executors.core import Finished, NamedWorkers, WorkerName
from sweep.executors.image_transport import Images
from tests.sweep_tests.kit import DATA, RECIPE, driver, planned
from workers.checkpointing import Checkpointing
from workers.task import PackTask, run_pack

LONG = RECIPE.with_changes(steps=200)


@dataclass
class Pair:
    """A fast and a slow worker in threads: what the slow one gets takes for ever until it is interrupted."""

    images: Images = field(default_factory=lambda: by_name.worker_data(DATA).fetch())
    reports_progress: bool = True
    taken: dict[int, WorkerName] = field(default_factory=dict)
    interrupted: list[int] = field(default_factory=list)
    given: dict[int, tuple[Checkpointing, threading.Thread]] = field(default_factory=dict)
    ended: list[Finished] = field(default_factory=list)
    at: dict[int, int] = field(default_factory=dict)
    save: Callable[[Sequence[Checkpoint]], None] = lambda states: None

    def workers(self) -> list[WorkerName]:
        return [WorkerName("a", "cuda", 1), WorkerName("b", "cpu", 2)]

    def free(self) -> int:
        return len(self.workers()) - len(self.given)

    def slots(self) -> int:
        return 2

    def next_worker(self) -> WorkerName:
        return next(worker for worker in self.workers() if worker not in [self.taken[t] for t in self.given])

    def devices(self) -> Mapping[str, int]:
        return {"cuda": 1, "cpu": 1}

    def submit(self, task: PackTask, timeout_s: float) -> int:
        ticket = len(self.taken) + 1
        self.taken[ticket] = self.next_worker()
        slow = self.taken[ticket].device == "cpu"
        checkpointing = Checkpointing(0, lambda states: self.save(states))
        moment = threading.Event()

        def progress(steps: int) -> None:
            self.at[ticket] = steps
            while slow and steps > 5 and not checkpointing.stopping:
                moment.wait(0.01)

        def work() -> None:
            outcomes = run_pack(task, self.images.train, self.images.tests, progress, checkpointing)
            self.ended.append(Finished(ticket, tuple(outcomes), node="here"))

        self.given[ticket] = checkpointing, threading.Thread(target=work)
        self.given[ticket][1].start()
        return ticket

    def poll(self, timeout_s: float) -> Sequence[Finished]:
        for _, thread in self.given.values():
            thread.join(0.05)
        ended, self.ended = self.ended, []
        for end in ended:
            del self.given[end.ticket]
        return ended

    def steps(self) -> Mapping[int, int]:
        return {ticket: self.at.get(ticket, 0) for ticket in self.given}

    def interrupt(self, ticket: int) -> None:
        self.interrupted.append(ticket)
        self.given[ticket][0].stop()

    def connect(self, stopping: Callable[[], bool], save: Callable[[Sequence[Checkpoint]], None]) -> None:
        self.save = save

    def stop(self, timeout_s: float) -> Sequence[Finished]:
        return ()

    def close(self, now: bool = False) -> None:
        return None


def test_what_a_cpu_would_train_for_long_goes_on_from_its_state_on_a_free_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr("sweep.planning.pack_queue.HAND_OVER_S", 0.5)
    pair = Pair()
    assert isinstance(pair, NamedWorkers)
    with Store.open(str(tmp_path / "s.db")) as store:
        sweep_id = planned(store, 4, LONG)
        report = driver(store, sweep_id, pair, checkpoint_every_s=0).run()
        assert (report.done, report.failed, report.lost_packs) == (4, 0, 0)
        (moved,) = pair.interrupted
        assert pair.taken[moved].device == "cpu"
        attempts = [attempt for attempt in store.attempts() if attempt.outcome == "released"]
        again = [attempt for attempt in store.attempts() if attempt.number == 2]
        assert {attempt.trial for attempt in attempts} == {attempt.trial for attempt in again} != set()
        # Nothing is trained twice: it went on where the CPU was.
        assert all(attempt.detail["from_step"] > 5 for attempt in again)
        assert {attempt.error for attempt in attempts} == {"goes on on a faster worker"}
        assert {attempt.detail["host"] for attempt in attempts} == {"b"}
        assert {attempt.detail["host"] for attempt in again} == {"a"}
