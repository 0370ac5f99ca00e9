"""Ctrl-C and SIGTERM while a driver runs: the first stops it cleanly, the second ends the command at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from rich.console import Console

NUMBERS = (signal.SIGINT, signal.SIGTERM)
CLEAN_STOP_S = 8.0
"""How long a clean stop may take."""
EXIT_INTERRUPTED = 130
"""Exit status of every command that was interrupted: 128 and the number of SIGINT."""


class Stoppable(Protocol):
    """What a signal stops."""

    def stop(self) -> None:
        """Stop cleanly and soon; called from a signal handler."""


@dataclass
class StopRequest:
    """What the first signal stops; until there is a ``target``, it raises KeyboardInterrupt instead."""

    install: Callable[[], None]
    target: Stoppable | None = None
    signals: int = 0

    def stops(self, target: Stoppable) -> None:
        """From now on the first signal stops ``target``. Call it after joining Ray, which takes SIGTERM for itself."""
        self.target = target
        self.install()


@contextmanager
def stop_on_signal(console: Console, on_forced_exit: Callable[[], None] | None = None) -> Iterator[StopRequest]:
    """Handle SIGINT and SIGTERM within the block; does nothing outside the main thread, where Python has no signals.

    ``on_forced_exit`` is called when the clean stop takes longer than ``CLEAN_STOP_S``; then the process ends. Without
    it the process is not ours to end (a notebook): a clean stop takes its time, and a second signal raises
    KeyboardInterrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield StopRequest(lambda: None)
        return

    def install() -> None:
        for number in NUMBERS:
            signal.signal(number, handle)

    request = StopRequest(install)

    def force_exit() -> None:
        if on_forced_exit is not None:
            on_forced_exit()
        sys.stderr.flush()
        os._exit(EXIT_INTERRUPTED)

    # Whatever does not answer (a store, a cluster), the user gets the terminal back.
    timer = threading.Timer(CLEAN_STOP_S, force_exit)
    timer.daemon = True

    def handle(number: int, frame: FrameType | None) -> None:
        request.signals += 1
        if request.signals > 1 and on_forced_exit is not None:
            os._exit(EXIT_INTERRUPTED)
        if request.target is None or request.signals > 1:
            raise KeyboardInterrupt
        request.target.stop()
        if on_forced_exit is not None:
            timer.start()
        console.print("stopping; once more stops at once (nothing that is done is lost)")

    previous = {number: signal.getsignal(number) for number in NUMBERS}
    install()
    try:
        yield request
    finally:
        timer.cancel()
        for number, handler in previous.items():
            signal.signal(number, handler)
