"""A step's launches as one CUDA graph: replayed, a launch costs a microsecond instead of ten.

Kernels of our own and operations of torch alike. What a graph computes is proved with the engine (``packs.proof``);
where it is wrong, ``forbid`` makes all engines launch their steps one by one.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

OFF = "EDGE_SWEEP_CUDA_GRAPHS"
_FORBIDDEN: set[str] = set()
"""Reasons; process-wide, as proofs are."""
_log = logging.getLogger(__name__)
Given = tuple[Tensor, Tensor, Tensor, Tensor]
"""Low, high, rates, corrections of a block of steps, the steps first."""


def allowed() -> bool:
    """Whether steps are captured at all."""
    return os.environ.get(OFF, "1") != "0" and not _FORBIDDEN


def forbid(reason: str) -> None:
    """No step is captured from now on in this process."""
    _FORBIDDEN.add(reason)


def allow() -> None:
    """Take back what ``forbid`` said."""
    _FORBIDDEN.clear()


@cache
def _pool() -> Any:
    """Memory that all graphs share: no two are replayed at once, and what they leave lies outside."""
    return torch.cuda.graph_pool_handle()


class Stepper(Protocol):
    """What can be captured: launches bound to given tensors, which read the step's number from a clock."""

    def bind(self, low: Tensor, high: Tensor, rates: Tensor, corrections: Tensor) -> list[Any]:
        """The launches of one step."""

    def one_step(self, bound: list[Any]) -> None:
        """Start them."""


class StepGraph:
    """One captured step. A block's tensors are copied to where the graph reads them, then it is replayed."""

    def __init__(self, graph: Any, room: Given) -> None:
        self._graph, self._room = graph, room

    @classmethod
    def captured(cls, stepper: Stepper, like: Given) -> StepGraph | None:
        """A graph for blocks as long as ``like`` or shorter; None, with a line in the log, where there can be none."""
        if not allowed():
            return None
        try:
            room = tuple(torch.empty_like(one) for one in like)
            graph = torch.cuda.CUDAGraph()
            bound = stepper.bind(*room)
            with torch.cuda.graph(graph, pool=_pool()):
                stepper.one_step(bound)
        except Exception as error:
            _log.warning("steps are launched one by one, for a CUDA graph cannot be captured: %s", error)
            return None
        return cls(graph, room)  # type: ignore[arg-type]

    def takes(self, given: Given) -> bool:
        """Whether a block fits in the room."""
        return all(
            one.shape[0] <= room.shape[0] and one.shape[1:] == room.shape[1:]
            for one, room in zip(given, self._room, strict=True)
        )

    def replay(self, given: Given) -> None:
        """All steps of a block; nothing is waited for."""
        count = given[0].shape[0]
        for one, room in zip(given, self._room, strict=True):
            room[:count].copy_(one)
        for _ in range(count):
            self._graph.replay()
