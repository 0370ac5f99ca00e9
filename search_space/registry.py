"""Which architecture families exist: ours, a user's own file, and other packages' entry points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from importlib import import_module
from typing import TypeVar

from search_space.config import Config
from search_space.errors import BadConfig

ENTRY_POINT_GROUP = "edge_sweep.families"
C = TypeVar("C", bound=type[Config])

_MODULES = ("bicubic", "edge_sr", "esr_cnn", "espcn", "fsrcnn", "linear", "abpn", "bilinear_espcn", "ecbsr")

_families: dict[str, type[Config]] = {}


def family(name: str) -> Callable[[C], C]:
    """Class decorator that names a config dataclass's family and makes its ids known.

    Write it above ``@dataclass(frozen=True)``; one file is enough for a new architecture.
    """

    def add(cls: C) -> C:
        known = _families.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise BadConfig(f"family {name!r} is already registered by {known.__module__}.{known.__qualname__}")
        if not is_dataclass(cls):
            raise BadConfig(f"family {name!r}: put @dataclass(frozen=True) under @family")
        cls.family = name
        _families[name] = cls
        return cls

    return add


@cache
def _load() -> None:
    # Here, not above: it brings the whole email package, and a command's help need not wait for that.
    from importlib.metadata import entry_points

    for module in _MODULES:
        import_module(f"search_space.families.{module}")
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            point.load()
        except Exception as error:
            raise BadConfig(f"the family plug-in {point.name!r} ({point.value}) cannot be loaded: {error}") from error


def families() -> dict[str, type[Config]]:
    """Every registered family by name, ours first."""
    _load()
    return dict(_families)


def family_class(name: str) -> type[Config]:
    """The config class of a family. Raises BadConfig naming those there are."""
    by_name = families()
    if name not in by_name:
        raise BadConfig(f"unknown family {name!r} (known: {', '.join(by_name)})")
    return by_name[name]
