"""A benchmark on a Ray node, with every CPU and GPU of that node reserved for it."""

from __future__ import annotations

from typing import Any

from search_space.errors import BadData, SweepError, first_line
from search_space.user_code import UserCode, install, loaded
from sweep.speed.job import BenchmarkJob, Groups, Notice, measure_here

WAIT_NOTICE_S = 10.0
"""Seconds after which a user is told that the node is busy."""


def measure_on_node(job: BenchmarkJob, notice: Notice | None, *, address: str, node: str | None = None) -> Groups:
    """``measure_here`` on a node of the Ray cluster at ``address``.

    The task asks for all the resources of the node, so Ray starts it only when nothing else runs there and starts
    nothing beside it. Our code travels with it. Raises BadData when no (or more than one) live node answers to
    ``node``, SweepError when the cluster does not answer or the node fails.
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


def find_node(nodes: list[dict[str, Any]], name: str | None) -> dict[str, Any]:
    """The live node that answers to a name, host name, address or id (or the beginning of an id)."""
    alive = [node for node in nodes if node.get("Alive")]
    keys = ("NodeName", "NodeManagerHostname", "NodeManagerAddress")
    matching = [
        node
        for node in alive
        if name is None or name in [node.get(key) for key in keys] or str(node.get("NodeID", "")).startswith(name)
    ]
    names = ", ".join(f"{node.get('NodeManagerHostname')} {node.get('NodeManagerAddress')}" for node in alive)
    if not matching:
        raise BadData(f"no live node answers to {name!r} (there is: {names or 'none'})")
    if len(matching) > 1:
        raise BadData(f"say which node with --node (there is: {names})")
    return matching[0]


def _run(job: BenchmarkJob, node: str | None, notice: Notice | None) -> Groups:
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    cluster: Any = ray
    chosen = find_node(cluster.nodes(), node)
    resources = chosen["Resources"]
    task: Any = ray.remote(_measure).options(
        num_cpus=resources.get("CPU", 0),
        num_gpus=resources.get("GPU", 0),
        max_retries=0,
        num_returns="streaming",
        scheduling_strategy=NodeAffinitySchedulingStrategy(chosen["NodeID"], soft=False),
    )
    answers: Any = task.remote(job, loaded())
    host = chosen["NodeManagerHostname"]
    if not ray.wait([answers], timeout=WAIT_NOTICE_S)[0] and notice is not None:
        notice(f"waiting until {host} has nothing else to do, since speed is measured with all of it: {_taken(chosen)}")
    for reference in answers:
        try:
            yield ray.get(reference)
        except RayTaskError as error:
            raise _error_on_node(error.cause, host) from None
        except RayError as error:
            raise SweepError(
                f"{host} lost the benchmark, what it had measured is stored: {first_line(error)}"
            ) from None


def _taken(node: dict[str, Any]) -> str:
    """What of a node others have taken, in words. Ray tells it to no public function."""
    try:
        from ray._private.state import available_resources_per_node

        free = available_resources_per_node().get(node["NodeID"], {})  # type: ignore[no-untyped-call]
    except Exception:
        return "others have work there"
    taken = {name: node["Resources"].get(name, 0) - free.get(name, 0) for name in ("CPU", "GPU")}
    parts = [f"{taken[name]:g} of {node['Resources'][name]:g} {name}s" for name in taken if taken[name] > 0]
    return f"others on the cluster hold {' and '.join(parts)}" if parts else "Ray is starting the benchmark"


def _error_on_node(cause: BaseException, host: str) -> SweepError:
    """An error on the node without its traceback; errors of ours stay as they are."""
    if isinstance(cause, SweepError):
        return cause
    return SweepError(f"the benchmark on {host} failed: {type(cause).__name__}: {str(cause).strip()[:300]}")


def _measure(job: BenchmarkJob, user_code: tuple[UserCode, ...]) -> Groups:
    """Runs on the node. The first answer has no speeds: it says that the task has the node to itself."""
    yield [], {}
    for code in user_code:
        install(code)
    yield from measure_here(job)
