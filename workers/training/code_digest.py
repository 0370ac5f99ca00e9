"""The digest of the code that decides a trial's numbers: part of the trial's key.

It covers what the reference way of training (``train.Reference``: one config alone, in plain PyTorch) and the
schedule reach (``code_walk`` says how that is found): every function, class and module-level constant, in a normal
form (``normal_form``) that is blind to comments, docstrings, layout, annotations, imports, ``assert``, the text of
errors, local variables' names, functions' and classes' names, and the files they lie in. Names of methods,
attributes and parameters do count.

Not in it: progress, checkpoints, ``Recipe``'s own checks (the recipe's values have a digest of their own), and the
engines of ``workers.packs``, which tests hold to the reference; ``Provenance`` says which of them made a result.

A config's own digest (``code_of``) covers what its family reaches, so that a change in FSRCNN's layers leaves ESPCN's
trials as they are; ``code_digest`` is of all families shipped.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import linecache
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from search_space import user_code
from workers.training.code_walk import Module, Program, Unit, reach, tokens

if TYPE_CHECKING:
    from search_space.config import Config

PACKAGES = ("search_space", "workers")
REFERENCE = Unit("workers.training.train", "Reference")
RECIPE = Unit("workers.training.recipe", "Recipe")
ROOTS = (REFERENCE, Unit(REFERENCE.module, REFERENCE.name, "steps"), RECIPE)


class InstalledSources(Mapping[str, str]):
    """The text of modules that can be imported here, by dotted name, wherever they lie; none of them is run.

    ``name.__init__`` is there for a package. Parents of a module are imported, as Python does to find it.
    """

    def __getitem__(self, name: str) -> str:
        text = _source(name)
        if text is None:
            raise KeyError(name)
        return text

    def __contains__(self, name: object) -> bool:
        return _source(str(name)) is not None

    def __iter__(self) -> Iterator[str]:
        """Modules of our packages."""
        for package in PACKAGES:
            spec = importlib.util.find_spec(package)
            places = list(spec.submodule_search_locations or ()) if spec else []
            yield from _names_under(package, places)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def _source(name: str) -> str | None:
    package = name.removesuffix(".__init__")
    try:
        spec = getattr(sys.modules.get(package), "__spec__", None) or importlib.util.find_spec(package)
        loader: Any = spec.loader if spec else None
        source = loader.get_source(package) if loader else None
    except (ImportError, AttributeError, ValueError, OSError):
        return None
    is_plain = spec is not None and spec.submodule_search_locations is None
    return None if source is None or (name != package and is_plain) else str(source)


def _names_under(package: str, places: list[str]) -> Iterator[str]:
    yield package
    for info in pkgutil.iter_modules(places):
        name = f"{package}.{info.name}"
        if info.ispkg:
            yield from _names_under(name, [f"{place}/{info.name}" for place in places])
        else:
            yield name


def digest_of(program: Program, roots: tuple[Unit, ...]) -> str:
    """Twelve hex digits: the digest of everything that ``roots`` reach."""
    text = "\n".join(tokens(program, reach(program, roots)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def roots_of(family: Unit) -> tuple[Unit, ...]:
    """Where the walk begins for a family's config class (or the module of a user's family)."""
    return (*ROOTS, family)


def shipped_families(program: Program, sources: Mapping[str, str]) -> list[Unit]:
    """The config classes that ``search_space`` registers."""
    names = [name for name in sources if name.split(".")[0] == "search_space"]
    modules = [program.module(name) for name in names if "\n@family(" in sources[name]]
    return [
        Unit(module.name, statement.name)
        for module in modules
        for statement in module.tree.body
        if isinstance(statement, ast.ClassDef) and any(map(_registers, statement.decorator_list))
    ]


def _registers(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "family"


def digest_of_all(program: Program, sources: Mapping[str, str]) -> str:
    """Twelve hex digits of the digests of all shipped families, whatever order their files are in."""
    each = sorted(digest_of(program, roots_of(family)) for family in shipped_families(program, sources))
    return hashlib.sha256(" ".join(each).encode()).hexdigest()[:12]


@cache
def _installed() -> Program:
    return Program(InstalledSources(), PACKAGES)


@cache
def code_digest() -> str:
    """Twelve hex digits of the shipped code that decides training numbers, all families together.

    Raises SweepError where sources are missing.
    """
    return digest_of_all(_installed(), InstalledSources())


def code_of(config: Config) -> str:
    """Twelve hex digits of the code that decides the numbers of ``config``'s trials.

    A family of the user's own adds all of its file, in the same normal form. Raises SweepError without sources.
    """
    kind = type(config)
    if kind.__module__.split(".")[0] in PACKAGES:
        return _shipped(kind.__module__, kind.__qualname__)
    return _foreign(kind.__module__, family_source(kind.__module__))


@cache
def _shipped(module: str, name: str) -> str:
    return digest_of(_installed(), roots_of(Unit(module, name)))


@cache
def _foreign(module: str, source: str) -> str:
    """Covers the family's own package too: a plug-in may consist of several files."""
    own = Module(module, ast.parse(source))
    own.is_package = f"{module}.__init__" in InstalledSources()
    return digest_of(Program(InstalledSources(), (*PACKAGES, module.split(".")[0]), [own]), roots_of(Unit(module)))


def family_source(module: str) -> str:
    """The text of the file a family outside this package was read from; empty when it cannot be known."""
    for code in user_code.loaded():
        if code.module == module:
            return code.source
    # A plug-in of another package: installed like ours, not carried as text.
    imported = sys.modules.get(module)
    place = getattr(imported, "__file__", None)
    if imported is None or not place:
        return ""
    return InstalledSources().get(module) or "".join(linecache.getlines(place))
