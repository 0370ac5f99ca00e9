"""The nodes of the cluster, asked for in a thread of its own: the driver never waits for Ray's head.

A head that does not answer holds its caller for up to a minute and then has Ray end the process. Meanwhile the driver
still hears a signal, has its workers hand out their states (which needs no head) and stores them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from search_space.errors import SweepError
from sweep.executors.cluster import size
from sweep.executors.places import Cluster

EVERY_S = 0.5
"""Between two looks at the nodes of the cluster."""
LAST_LOOK_S = 1.0
"""How long a look may take that has begun when the watch is closed."""


class NodeWatch:
    """Looks at the nodes every ``EVERY_S``, until it is closed."""

    def __init__(self, look: Callable[[], Cluster] = size) -> None:
        self._look = look
        self._closed = threading.Event()
        self._seen: Cluster | SweepError = look()
        self._thread = threading.Thread(target=self._watch, name="nodes", daemon=True)
        self._thread.start()

    def cluster(self) -> Cluster:
        """The nodes as they were seen last. Raises SweepError when the cluster said that it is gone."""
        if isinstance(self._seen, SweepError):
            raise self._seen
        return self._seen

    def close(self) -> None:
        """Stop looking; a look that is not answered is left behind."""
        self._closed.set()
        self._thread.join(LAST_LOOK_S)

    def _watch(self) -> None:
        while not self._closed.wait(EVERY_S):
            try:
                self._seen = self._look()
            except SweepError as error:
                self._seen = error
                return
