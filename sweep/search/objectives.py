"""Objectives and constraints of a search: ``psnr:Set14,fps:RPI`` and ``fps:RPI>=30``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from search_space import Config
from search_space.costs.describe import describe
from search_space.errors import BadSpace
from search_space.metrics import COSTS, METRICS, direction

QUALITY = tuple(METRICS)
MEASURED = tuple(name for name, cost in COSTS.items() if cost.measured)
FREE = tuple(name for name, cost in COSTS.items() if not cost.measured)
_OBJECTIVE = re.compile(r"([a-z]+)(?::([A-Za-z0-9_. +-]{1,60}))?")
_CONSTRAINT = re.compile(r"([^<>=]+)(>=|<=)\s*([0-9.eE+-]{1,20})")


@dataclass(frozen=True)
class Objective:
    """One axis: ``kind`` on ``target`` (a test set or a device; empty where the cost is the same on every device)."""

    kind: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.target}" if self.target else self.kind

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """``maximize`` or ``minimize``, as Optuna spells it."""
        return direction(self.kind)

    @property
    def needs_training(self) -> bool:
        """True for quality; speed and size depend on the architecture alone."""
        return self.kind in QUALITY

    def axis(self, value: float) -> float:
        """The value on an axis where larger is better and equal steps matter equally (logarithm of a speed).

        Not finite for a value that has none (a speed of 0).
        """
        if self.kind in COSTS:
            value = math.log(value) if value > 0 else -math.inf
        return value if self.direction == "maximize" else -value

    def free_value(self, config: Config) -> float | None:
        """Parameters or MACs (Full HD) of a config; None for what has to be measured."""
        if self.kind == "parameters":
            return float(describe(config).parameters)
        return float(describe(config).macs_full_hd) if self.kind == "macs" else None


@dataclass(frozen=True)
class Constraint:
    """A bound on an objective, for example at least 30 frames/s on a device."""

    objective: Objective
    at_least: bool
    bound: float

    def __str__(self) -> str:
        return f"{self.objective}{'>=' if self.at_least else '<='}{self.bound:g}"

    def violation(self, value: float) -> float:
        """How far a value is beyond the bound; 0 or negative where it is kept (Optuna's convention)."""
        return self.bound - value if self.at_least else value - self.bound

    def value(self, violation: float) -> float:
        """The value that is beyond the bound by ``violation``.

        >>> Constraint(Objective("fps", "RPI"), True, 30.0).value(-2.0)
        32.0
        """
        return self.bound - violation if self.at_least else self.bound + violation


def parse_objective(text: str) -> Objective:
    """One objective. Raises BadSpace naming the kinds there are."""
    match = _OBJECTIVE.fullmatch(text.strip())
    kind, target = (match[1], (match[2] or "").strip()) if match else ("", "")
    if kind in FREE and not target:
        return Objective(kind)
    if kind in (*QUALITY, *MEASURED) and target:
        return Objective(kind, target)
    raise BadSpace(
        f"{text[:60]!r} is not an objective (write {', '.join(QUALITY)} with a test set, as psnr:Set14; "
        f"{', '.join(MEASURED)} with a device, as fps:RPI; or {' or '.join(FREE)})"
    )


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """Two or more different objectives, separated by commas."""
    objectives = tuple(parse_objective(part) for part in text.split(","))
    if len(objectives) < 2 or len(set(objectives)) < len(objectives):
        raise BadSpace(f"--objectives {text[:80]!r}: give two or more different ones, as psnr:Set14,fps:RPI")
    return objectives


def parse_percentage(text: str) -> float:
    """A percentage as a fraction, ``0.5%`` -> 0.005. Raises BadSpace.

    >>> parse_percentage("0.5%")
    0.005
    """
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%", text.strip())
    if match is None or not 0 < float(match[1]) < 100:
        raise BadSpace(f"{text[:20]!r} is not a percentage between 0 and 100 (write it as 0.5%)")
    return float(match[1]) / 100


def parse_constraint(text: str) -> Constraint:
    """A bound such as ``fps:RPI>=30`` or ``power:AGX<=5``."""
    match = _CONSTRAINT.fullmatch(text.strip())
    try:
        bound = float(match[3]) if match else math.nan
    except ValueError:
        bound = math.nan
    if match is None or not math.isfinite(bound):
        raise BadSpace(f"{text[:60]!r} is not a constraint (write fps:RPI>=30 or power:AGX<=5)")
    return Constraint(parse_objective(match[1]), match[2] == ">=", bound)
