"""Arguments that several functions of the API take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from search_space.spaces import Space
    from workers.training.recipe import Recipe

Value = TypeVar("Value", str, int)

DEFAULT_DB = "sqlite:///sweep.db"


def many(values: Value | Iterable[Value] | None) -> tuple[Value, ...]:
    """One value, several or none as a tuple.

    >>> many("eSR-MAX"), many([2, 3]), many(None)
    (('eSR-MAX',), (2, 3), ())
    """
    if values is None:
        return ()
    return (values,) if isinstance(values, (str, int)) else tuple(values)


def as_text(path: str | Path | None) -> str | None:
    """A path as text."""
    return None if path is None else str(path)


def space_of(space: str | Path | Space) -> tuple[Space, str]:
    """A space and the name it was asked for by."""
    from search_space.spaces import Space, load_space

    return (space, space.name) if isinstance(space, Space) else (load_space(space), str(space))


def recipe_of(recipe: str | Path | Recipe, steps: int | None = None) -> Recipe:
    """A recipe by name or file, with other ``steps`` if given. Raises SweepError."""
    from workers.training.recipe import Recipe, recipe_for

    chosen = recipe if isinstance(recipe, Recipe) else recipe_for(str(recipe))
    return chosen if steps is None else chosen.with_steps(steps)
