"""WHO drives: the command line, planning, Ray execution, retries and resume, guided search.

The top of the house: may import everything below. ``import sweep`` is also the Python API: the names of ``__all__``,
each loaded on first use, so that importing takes milliseconds and neither torch nor pandas. See docs/api.md.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from results_db.store import Store as Store
    from search_space.spaces import load_space as load_space
    from sweep.api.choosing import best as best
    from sweep.api.measuring import benchmark as benchmark
    from sweep.api.measuring import evaluate as evaluate
    from sweep.api.reading import frontier as frontier
    from sweep.api.reading import plot as plot
    from sweep.api.reading import results as results
    from sweep.api.searching import search as search
    from sweep.api.shipping import export as export
    from sweep.api.training import resume as resume
    from sweep.api.training import run as run
    from sweep.api.version import __version__ as __version__

_HOMES = {
    "run": "sweep.api.training",
    "resume": "sweep.api.training",
    "benchmark": "sweep.api.measuring",
    "search": "sweep.api.searching",
    "evaluate": "sweep.api.measuring",
    "export": "sweep.api.shipping",
    "Store": "results_db.store",
    "load_space": "search_space.spaces",
    "results": "sweep.api.reading",
    "frontier": "sweep.api.reading",
    "best": "sweep.api.choosing",
    "plot": "sweep.api.reading",
    "__version__": "sweep.api.version",
}

__all__ = [
    "Store",
    "__version__",
    "benchmark",
    "best",
    "evaluate",
    "export",
    "frontier",
    "load_space",
    "plot",
    "results",
    "resume",
    "run",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r} (it has {', '.join(__all__)})")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """Keeps ``sweep.search`` the function: importing ``sweep.search.loop`` would put the folder in its place."""

    @property
    def search(self) -> Any:
        return __getattr__("search")

    @search.setter
    def search(self, folder: ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = _Package
