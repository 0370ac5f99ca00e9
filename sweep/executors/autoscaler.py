"""Asking the autoscaler of a cluster for the machines of so many workers. On a cluster without one it changes nothing.

Ray keeps one such request per cluster, and keeps it until the next one: it is withdrawn at the end.
"""

from __future__ import annotations

import contextlib
import threading

from sweep.executors.places import Places

WITHDRAW_S = 2.0
"""How long taking a request back may take."""
_asked = False


def request(workers: int, places: Places) -> None:
    """Ask for room for so many workers. Without a number of GPUs per worker (``auto``) CPUs are asked for."""
    from ray.autoscaler.sdk import request_resources

    global _asked
    bundle = {"CPU": places.cpus} | ({"GPU": places.gpus} if places.gpus else {})
    request_resources(bundles=[bundle] * workers)
    _asked = True


def withdraw() -> None:
    """Take the request back, if this process made one: idle machines may go."""
    global _asked
    if _asked:
        _asked = False
        # A head that does not answer holds its caller for up to a minute, and has no use for it.
        thread = threading.Thread(target=_withdraw, name="withdraw", daemon=True)
        thread.start()
        thread.join(WITHDRAW_S)


def _withdraw() -> None:
    from ray.autoscaler.sdk import request_resources

    with contextlib.suppress(Exception):
        request_resources(bundles=[])
