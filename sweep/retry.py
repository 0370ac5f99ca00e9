"""What a failed attempt leads to, by the class of its failure. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from search_space.facts import Failure


@dataclass(frozen=True)
class Decision:
    """Try again or not, and how the next attempt differs."""

    again: bool
    lr_scale: float = 1.0
    alone: bool = False
    why: str = ""


def decide(
    failure: Failure, attempts: int, max_attempts: int, lr_scale: float = 1.0, alike: int | None = None
) -> Decision:
    """What follows an attempt that ended in ``failure``.

    ``attempts`` counts the trial's attempts that failed, this one included (those given back or cut short with
    their driver do not count), ``alike`` those of them that failed in the same way (default: all).

    >>> decide(Failure.DIVERGENCE, 1, 3)
    Decision(again=True, lr_scale=0.3, alone=True, why='again alone with 0.3 of the learning rate')
    >>> decide(Failure.BAD_DATA, 1, 3).again
    False
    """
    alike = attempts if alike is None else alike
    if attempts >= max_attempts:
        return Decision(False, lr_scale, why=f"{attempts} failed attempts of at most {max_attempts}")
    match failure:
        case Failure.DIVERGENCE:
            lower = round(lr_scale * 0.3, 6)
            return Decision(True, lower, True, f"again alone with {lower:g} of the learning rate")
        case Failure.OOM:
            return Decision(True, lr_scale, True, "again alone, with all the memory of its worker")
        case Failure.WORKER_LOST if alike < 2:
            return Decision(True, lr_scale, why="again on another worker")
        case Failure.WORKER_LOST | Failure.TIMEOUT:
            # One member of a pack may be what kills or stops its worker: the others must not share its fate.
            return Decision(True, lr_scale, True, "again on another worker, alone")
        case Failure.BUG if alike < 2:
            return Decision(True, lr_scale, True, "once more, alone")
        case Failure.BUG:
            return Decision(False, lr_scale, why="the same error twice: a bug is not retried for ever")
        case Failure.BAD_DATA:
            return Decision(False, lr_scale, why="the data has to be mended first")
