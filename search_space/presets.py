"""The spaces that have a name: ``paper`` (1185), ``demo`` (30), ``extended``, and one per family."""

from __future__ import annotations

from search_space.grids import Grid, grid

_ONE_LAYER = ("eSR-MAX", "eSR-TM", "eSR-TR")


def paper() -> tuple[Grid, ...]:
    """The 1185 configs of the edge-SR paper (Navarrete Michelini et al., WACV 2022), 395 per scale."""
    return (
        grid("Bicubic"),
        *(grid(name, K=(3, 5, 7), C=range(1, 17)) for name in _ONE_LAYER),
        grid("eSR-CNN", C=(2, 4, 6, 8), D=(1, 3, 5, 7, 9), S=(3, 6, 9, 12, 15)),
        grid("ESPCN", D=(0, 1, 2, 3, 5, 6, 7, 9, 10, 11), S=(3, 9, 15, 21, 27)),
        grid("ESPCN", D=(4, 8, 12, 16, 22, 28, 34, 40, 52, 64), S=(6, 12, 18, 24, 32)),
        grid("FSRCNN", D=(6, 19, 32, 44, 56), S=(1, 3, 6, 9, 12), M=(1, 4)),
    )


def demo() -> tuple[Grid, ...]:
    """30 members of the paper's space that train in minutes: every family of the paper at every scale."""
    return (
        grid("Bicubic"),
        grid("eSR-MAX", K=(3,), C=(2,)),
        grid("eSR-MAX", K=(5,), C=(8,)),
        grid("eSR-TM", K=(3,), C=(4,)),
        grid("eSR-TM", K=(5,), C=(4,)),
        grid("eSR-TR", K=(3,), C=(4,)),
        grid("eSR-CNN", C=(2,), D=(3,), S=(6,)),
        grid("ESPCN", D=(4,), S=(12,)),
        grid("ESPCN", D=(22,), S=(32,)),
        grid("FSRCNN", D=(6,), S=(3,), M=(1,)),
    )


def extended() -> tuple[Grid, ...]:
    """The paper's space and the families of this project beyond it."""
    return (*paper(), *beyond())


def beyond() -> tuple[Grid, ...]:
    """The families that are not in the paper: 56 configs per scale."""
    return (
        grid("Linear", K=(3, 5, 7, 9, 11)),
        grid("ABPN", D=(4, 8, 12, 16, 28), M=(1, 2, 4)),
        grid("ESPCN-BR", D=(0, 4, 8, 16, 22), S=(6, 12, 24, 32)),
        grid("ECBSR", D=(4, 8, 12, 16), M=(0, 1, 2, 4)),
    )


def by_name() -> dict[str, tuple[Grid, ...]]:
    """Every preset by its lower-case name, in the order ``--help`` lists them."""
    named = {"demo": demo(), "paper": paper(), "extended": extended()}
    for one in named["extended"]:
        named[one.family.lower()] = (*named.get(one.family.lower(), ()), one)
    return named
