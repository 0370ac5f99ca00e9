"""Costs of a user's own family, from a process of its own with a time limit: its code may raise, hang or crash."""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from search_space import user_code
from search_space.config import Config
from search_space.errors import BadConfig

START_S = 120.0
"""How long the process may take to import PyTorch."""
LIMIT_S = 20.0
"""How long one config may take."""
Costs = tuple[int, int, int]
"""Parameters, multiply-accumulates of a Full-HD output, receptive field."""

_SERVE = "import sys; sys.path[:0] = {path!r}; from search_space.costs.measure_server import serve; serve({fd})"


class _Process:
    """A Python that measures one config after another."""

    def __init__(self) -> None:
        self._answers, answers = os.pipe()
        path = [str(Path(__file__).parents[2])]
        self._child = subprocess.Popen(
            [sys.executable, "-c", _SERVE.format(path=path, fd=answers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(answers,),
            # Ctrl-C is for the sweep, which ends this process itself.
            start_new_session=True,
        )
        os.close(answers)
        self._read(time.monotonic() + START_S)
        self._code: tuple[user_code.UserCode, ...] = ()

    def is_outdated(self) -> bool:
        """Whether it has run a file that this process has no longer: its families could stand in the way."""
        return not set(self._code) <= set(user_code.loaded())

    def ask(self, config: Config) -> dict[str, object] | None:
        """The answer, or None when the process ended or took too long."""
        assert self._child.stdin is not None
        self._code = user_code.loaded()
        question = {"config": config.id, "code": [asdict(code) for code in self._code]}
        try:
            self._child.stdin.write(json.dumps(question).encode() + b"\n")
            self._child.stdin.flush()
        except OSError:
            return None
        line = self._read(time.monotonic() + LIMIT_S)
        answer: dict[str, object] | None = json.loads(line) if line.endswith(b"\n") else None
        return answer

    def _read(self, deadline: float) -> bytes:
        """A line, or what came of it by the deadline or the end of the process."""
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(self._answers, 4096) if ready else b""
            if not part:
                break
            line += part
        return line

    def end(self) -> str:
        """End the process; how it ended, in words."""
        code = self._child.poll()
        self._child.kill()
        self._child.wait()
        os.close(self._answers)
        if code is None:
            return f"did not end within {LIMIT_S:.0f} s"
        return f"crashed its process (exit status {code})"


_process: _Process | None = None
_failed: dict[Config, str] = {}
_lock = Lock()


def costs(config: Config) -> Costs:
    """The costs of a config. Raises BadConfig, with what its code did, each time it is asked for the same one."""
    global _process
    with _lock:
        if config not in _failed:
            if _process is not None and _process.is_outdated():
                _process.end()
                _process = None
            _process = _process or _Process()
            answer = _process.ask(config)
            if answer is None:
                # The process may be ending at this moment: only its exit status tells how.
                time.sleep(0.05)
                _failed[config] = _process.end()
                _process = None
            elif "costs" in answer:
                found: Any = answer["costs"]
                return int(found[0]), int(found[1]), int(found[2])
            else:
                _failed[config] = f"raised {answer['error']}"
    raise BadConfig(f"the costs of {config.id} cannot be measured: its code {_failed[config]}")


@atexit.register
def close() -> None:
    """End the process, if there is one."""
    global _process
    if _process is not None:
        _process.end()
        _process = None
