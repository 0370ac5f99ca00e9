"""Ctrl-C and SIGTERM while a driver runs: the first stops it cleanly, the second ends the command at once.

Python calls a handler only between two of its own instructions, so one waits as long as a call into Ray or a database
takes. The time limit of a stop and the second signal do not: a thread reads the signals' numbers from the wake-up
file descriptor, to which the interpreter writes them the moment they come.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from rich.console import Console

NUMBERS = (signal.SIGINT, signal.SIGTERM)
CLEAN_STOP_S = 8.0
"""How long a clean stop may take."""
ECHO_S: dict[int, float] = {signal.SIGTERM: 2.0, signal.SIGINT: 0.2}
"""A job scheduler sends SIGTERM to a process and to the one that passes it on, and timeout(1) any signal to a process
and to its group: so soon after the first signal it is the same one once more. Nobody's two Ctrl-C come within 0.2 s."""
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
    forced = on_forced_exit is not None
    handled, heard = _Signals(), _Signals()

    def force_exit() -> None:
        if on_forced_exit is not None:
            on_forced_exit()
        sys.stderr.flush()
        os._exit(EXIT_INTERRUPTED)

    # Whatever does not answer (a store, a cluster), the user gets the terminal back.
    timer = threading.Timer(CLEAN_STOP_S, force_exit)
    timer.daemon = True

    def hear(number: int) -> None:
        """In the thread that reads the wake-up file descriptor."""
        count = heard.add(number)
        if count > 1:
            os._exit(EXIT_INTERRUPTED)
        if not timer.is_alive():
            timer.start()

    def handle(number: int, frame: FrameType | None) -> None:
        before, count = handled.count, handled.add(number)
        if count == before:
            return
        if request.target is None or count > 1:
            raise KeyboardInterrupt
        request.target.stop()
        console.print("stopping; once more stops at once (nothing that is done is lost)")

    previous = {number: signal.getsignal(number) for number in NUMBERS}
    install()
    try:
        with _heard_at_once(hear) if forced else nullcontext():
            yield request
    finally:
        timer.cancel()
        for number, handler in previous.items():
            signal.signal(number, handler)


@dataclass
class _Signals:
    """Counts signals; echoes of the first are not counted."""

    first: tuple[int, float] | None = None
    count: int = 0

    def add(self, number: int) -> int:
        """How many there were, with this one."""
        now = time.monotonic()
        if self.first is None:
            self.first = (number, now)
        elif now < self.first[1] + max(ECHO_S[number], ECHO_S[self.first[0]]):
            return self.count
        self.count += 1
        return self.count


@contextmanager
def _heard_at_once(hear: Callable[[int], None]) -> Iterator[None]:
    """Call ``hear`` with the number of each of our signals, in a thread, whatever the main thread is waiting for."""
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    previous = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    def read() -> None:
        while numbers := receiver.recv(64):
            for number in numbers:
                if number in NUMBERS:
                    hear(number)

    thread = threading.Thread(target=read, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        sender.close()
        thread.join()
        receiver.close()
