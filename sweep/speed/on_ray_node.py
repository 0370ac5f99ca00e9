"""A benchmark on a Ray node, with every CPU and GPU of that node reserved for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from search_space import parse_id
from search_space.errors import BadData, SweepError
from search_space.facts import Speed
from search_space.user_code import UserCode, install, loaded

WAIT_NOTICE_S = 10.0
"""Seconds after which a user is told that the node has something else to do."""


def measure_on_node(job: Any, address: str, node: str | None, notice: Callable[[str], None]) -> Iterator[list[Speed]]:
    """Groups of figures as they come; ``job`` has the fields of ``_Job`` in ``sweep benchmark``.

    The task asks for all the node has, so Ray starts it only when nothing else runs there and starts nothing
    beside it. Our code travels with it. Raises BadData when no (or more than one) live node answers to ``node``,
    SweepError when the cluster does not answer or the node fails.
    """
    import ray

    from sweep.executors.cluster import connect

    started = not ray.is_initialized()
    connect(address)
    try:
        yield from _run(job, node, notice)
    finally:
        if started:
            ray.shutdown()


def find_node(nodes: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    """The live node that answers to a name, host name, address or id (or its beginning)."""
    alive = [one for one in nodes if one.get("Alive")]
    keys = ("NodeName", "NodeManagerHostname", "NodeManagerAddress")
    found = [
        one
        for one in alive
        if wanted is None or wanted in [one.get(k) for k in keys] or str(one.get("NodeID", "")).startswith(wanted)
    ]
    names = ", ".join(str(one.get("NodeManagerHostname")) + " " + str(one.get("NodeManagerAddress")) for one in alive)
    if not found:
        raise BadData(f"no live node answers to {wanted!r} (there is: {names or 'none'})")
    if len(found) > 1:
        raise BadData(f"say which node with --node (there is: {names})")
    return found[0]


def _run(job: Any, node: str | None, notice: Callable[[str], None]) -> Iterator[list[Speed]]:
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    cluster: Any = ray
    chosen = find_node(cluster.nodes(), node)
    has = chosen["Resources"]
    task: Any = ray.remote(_measure).options(
        num_cpus=has.get("CPU", 0),
        num_gpus=has.get("GPU", 0),
        max_retries=0,
        num_returns="streaming",
        scheduling_strategy=NodeAffinitySchedulingStrategy(chosen["NodeID"], soft=False),
    )
    values = (job.ids, job.device, job.backend, job.precision, job.protocol, job.compute, job.wait, job.usual)
    answers: Any = task.remote(values, loaded())
    name = chosen["NodeManagerHostname"]
    if not ray.wait([answers], timeout=WAIT_NOTICE_S)[0]:
        notice(f"waiting until {name} has nothing else to do")
    for reference in answers:
        try:
            group, failed = ray.get(reference)
        except RayTaskError as error:
            raise _from_there(error.cause, name) from None
        except RayError as error:
            line = str(error).strip().splitlines()[0]
            raise SweepError(f"{name} lost the benchmark, what it had measured is stored: {line}") from None
        job.failed.update(failed)
        yield group


def _from_there(cause: BaseException, name: str) -> SweepError:
    """What went wrong on the node, without its traceback; our own errors as they were."""
    if isinstance(cause, SweepError):
        return cause
    return SweepError(f"the benchmark on {name} failed: {type(cause).__name__}: {str(cause).strip()[:300]}")


def _measure(values: tuple[Any, ...], code: tuple[UserCode, ...]) -> Iterator[tuple[list[Speed], dict[str, str]]]:
    """Runs on the node; the first answer, without figures, says that it has the node."""
    from workers.benchmark import Session
    from workers.benchmark.lock import whole_machine

    yield [], {}
    for one in code:
        install(one)
    ids, device, backend, precision, protocol, compute, wait, usual = values
    session = Session(device, backend, precision, protocol, compute, usual=usual)
    with whole_machine(wait):
        for group in session.measure([parse_id(one) for one in ids]):
            yield group, dict(session.failed)
    yield [], dict(session.failed)
