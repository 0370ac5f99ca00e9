"""Find the code that a computation reaches, from the sources alone: nothing is imported or run.

A *unit* is a top-level function, a class without its methods, one method, or a name set at the top of a module. From
the units it begins with, the walk goes to

- every unit of our packages that a reached one names, through imports (also those inside functions), re-exports and
  dotted names; a name that is only compared with (``isinstance``, ``==``, ``is``, a dictionary's key) does not bring a
  class, since it makes none;
- of each reached class, and so of its bases, every method whose name a reached unit writes after any dot, whatever
  object that is (or gives to ``getattr``), and those that Python or PyTorch call: ``__init__`` and the other dunder
  methods, ``forward``. Not ``__post_init__`` of a frozen dataclass that sets nothing: all it can do is refuse.

The walk errs on the side of too much. It cannot see names that are composed at run time, or ``exec``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from search_space.errors import SweepError
from workers.training.normal_form import Foreign, Normal, Reader, Ref, Target, bound_names, own_nodes

_BY_TORCH = frozenset({"forward", "backward", "setup_context", "reset_parameters"})
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Unit:
    """A piece of code: a module's ``name``, or one ``method`` of the class of that name; without a name the module."""

    module: str
    name: str = ""
    method: str = ""

    def __str__(self) -> str:
        return ".".join(part for part in (self.module, self.name, self.method) if part)


class Module:
    """One module's syntax tree and what its names stand for."""

    def __init__(self, name: str, tree: ast.Module, is_package: bool = False) -> None:
        self.name, self.tree, self.is_package = name, tree, is_package
        self.bindings: dict[str, list[ast.stmt]] = {}
        for statement in tree.body:
            names = bound_names(own_nodes([statement]))
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                # Something done to a global name, as ``TABLE.update(...)``, belongs to that name.
                names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            elif isinstance(statement, (ast.Assign, ast.AugAssign, ast.Delete)):
                targets = [statement.target] if isinstance(statement, ast.AugAssign) else statement.targets
                names |= {node.id for t in targets for node in ast.walk(t) if isinstance(node, ast.Name)}
            for bound in names:
                self.bindings.setdefault(bound, []).append(statement)
        self.imports = [node for node in own_nodes(tree.body) if isinstance(node, (ast.Import, ast.ImportFrom))]
        self._methods: dict[str, dict[str, bool]] = {}

    def methods(self, name: str) -> dict[str, bool]:
        """A class's methods by name, in that order, and whether Python or PyTorch call them; {} for no class."""
        if name not in self._methods:
            node = self.class_of(name)
            names = sorted({s.name for s in node.body if isinstance(s, _FUNCTION)}) if node else []
            self._methods[name] = {method: node is not None and _is_implicit(node, method) for method in names}
        return self._methods[name]

    def class_of(self, name: str) -> ast.ClassDef | None:
        """The class of a name, where the name is only that."""
        statements = self.bindings.get(name, [])
        return statements[0] if len(statements) == 1 and isinstance(statements[0], ast.ClassDef) else None


class Program:
    """Our packages' modules, parsed when they are first asked for, and their units in normal form.

    ``sources`` gives a module's text by its dotted name; ``packages`` are the top-level names that are ours.
    """

    def __init__(self, sources: Mapping[str, str], packages: Iterable[str], parsed: Iterable[Module] = ()) -> None:
        self._sources, self._packages = sources, frozenset(packages)
        self._modules: dict[str, Module] = {module.name: module for module in parsed}
        self._imported: dict[str, dict[str, Target]] = {}
        self._normals: dict[Unit, Normal] = {}
        self._named: dict[Unit, list[Unit]] = {}

    def with_module(self, module: Module) -> Program:
        """This program with one module replaced; the results for the other modules are kept."""
        other = Program(self._sources, self._packages, [*self._modules.values(), module])
        other._imported = {name: names for name, names in self._imported.items() if name != module.name}
        other._normals = {unit: normal for unit, normal in self._normals.items() if unit.module != module.name}
        other._named = {unit: names for unit, names in self._named.items() if unit.module != module.name}
        return other

    def module(self, name: str) -> Module:
        """Raises SweepError where there is no source, or none that can be read."""
        if name not in self._modules:
            try:
                tree = ast.parse(self._sources[name])
            except KeyError:
                raise SweepError(
                    f"the source of the module {name} is not installed, only perhaps its compiled form: the key of a "
                    "trial is made from the sources; install edge-sweep with its .py files"
                ) from None
            except (SyntaxError, ValueError) as error:
                raise SweepError(f"the source of the module {name} cannot be parsed: {error}") from None
            self._modules[name] = Module(name, tree, is_package=f"{name}.__init__" in self._sources)
        return self._modules[name]

    def class_of(self, unit: Unit | Ref) -> ast.ClassDef | None:
        """The class that a unit or a name is."""
        return self.module(unit.module).class_of(unit.name) if unit.name else None

    def normal(self, unit: Unit) -> Normal:
        """The unit in normal form. Raises SweepError for a unit that is not there."""
        if unit not in self._normals:
            self._normals[unit] = self._read(unit)
        return self._normals[unit]

    def named(self, unit: Unit) -> list[Unit]:
        """The units that a unit brings by their names."""
        if unit not in self._named:
            refs = (r for r in self.normal(unit).refs() if not (r.compared and self.class_of(r)))
            self._named[unit] = list(dict.fromkeys(Unit(r.module, r.name) for r in refs))
        return self._named[unit]

    def _read(self, unit: Unit) -> Normal:
        module = self.module(unit.module)
        reader = Reader(
            lambda name: self.resolve(module.name, name), self.member, lambda node: self._import(module, node)
        )
        if unit.method:
            owner = module.class_of(unit.name)
            for statement in owner.body if owner else ():
                if isinstance(statement, _FUNCTION) and statement.name == unit.method:
                    reader.normal.tokens.append(f"method {unit.method} of")
                    reader.normal.tokens.append(Ref(unit.module, unit.name))
                    reader.function(statement)
        elif not unit.name:
            reader.statements(module.tree.body)
        else:
            for statement in module.bindings.get(unit.name, ()):
                if isinstance(statement, _FUNCTION):
                    reader.function(statement)
                elif isinstance(statement, ast.ClassDef):
                    reader.class_header(statement)
                else:
                    reader.node(statement)
        if not reader.normal.tokens:
            raise SweepError(f"{unit} is not in the sources: the key of a trial cannot be made")
        return reader.normal

    def resolve(self, module: str, name: str) -> Target | None:
        """What a global name of a module means; None for a builtin."""
        code = self.module(module)
        if name in code.bindings:
            return Ref(module, name)
        if module not in self._imported:
            self._imported[module] = {}
            for statement in code.imports:
                self._imported[module] |= self._import(code, statement)
        return self._imported[module].get(name)

    def member(self, module: str, name: str) -> Target:
        """What an attribute of one of our modules means."""
        target = self.resolve(module, name)
        if target is not None:
            return target
        return Ref(f"{module}.{name}", "") if f"{module}.{name}" in self._sources else Foreign(f"{module}.{name}")

    def _import(self, module: Module, node: ast.Import | ast.ImportFrom) -> dict[str, Target]:
        out: dict[str, Target] = {}
        if isinstance(node, ast.Import):
            for alias in node.names:
                dotted = alias.name if alias.asname else alias.name.split(".")[0]
                out[alias.asname or dotted] = self._dotted(dotted)
            return out
        origin = node.module or ""
        if node.level:
            parts = module.name.split(".")
            parts = parts[: len(parts) - node.level + module.is_package]
            origin = ".".join([*parts, *([origin] if origin else [])])
        if origin == "__future__":
            return {}
        ours = origin.split(".")[0] in self._packages
        for alias in node.names:
            if alias.name == "*":
                names = [n for n in self.module(origin).bindings if not n.startswith("_")] if ours else []
                out |= {name: self.member(origin, name) for name in names}
            else:
                full = f"{origin}.{alias.name}"
                out[alias.asname or alias.name] = self.member(origin, alias.name) if ours else Foreign(full)
        return out

    def _dotted(self, name: str) -> Target:
        return Ref(name, "") if name.split(".")[0] in self._packages else Foreign(name)


def reach(program: Program, roots: Iterable[Unit]) -> list[Unit]:
    """Every unit that ``roots`` reach, in an order that depends on neither files nor names of functions."""
    reached = dict.fromkeys(roots)
    queue, attributes = list(reached), set[str]()

    def add(units: Iterable[Unit]) -> None:
        for unit in units:
            if unit not in reached:
                reached[unit] = None
                queue.append(unit)

    while queue:
        while queue:
            unit = queue.pop(0)
            attributes |= program.normal(unit).attributes
            add(program.named(unit))
        add(
            Unit(unit.module, unit.name, method)
            for unit in list(reached)
            if unit.name and not unit.method
            for method, implicit in program.module(unit.module).methods(unit.name).items()
            if implicit or method in attributes
        )
    return list(reached)


def tokens(program: Program, units: list[Unit]) -> Iterator[str]:
    """The units in normal form, with names of our own as numbers: of the unit, or of the name where none is reached."""
    numbers = {unit: str(number) for number, unit in enumerate(units)}
    for unit in units:
        yield f"unit {numbers[unit]}"
        for token in program.normal(unit).tokens:
            if isinstance(token, Ref):
                named = Unit(token.module, token.name)
                yield f"ref:{numbers.setdefault(named, f'unreached {len(numbers)}')}"
            else:
                yield token


def _is_implicit(node: ast.ClassDef, method: str) -> bool:
    if method == "__post_init__" and _is_frozen(node):
        body = next(s for s in node.body if isinstance(s, _FUNCTION) and s.name == method)
        return any(_last(n) in ("__setattr__", "setattr", "__dict__") for n in ast.walk(body))
    return method in _BY_TORCH or (method.startswith("__") and method.endswith("__"))


def _is_frozen(node: ast.ClassDef) -> bool:
    calls = (d for d in node.decorator_list if isinstance(d, ast.Call) and _last(d.func) == "dataclass")
    keywords = (k for call in calls for k in call.keywords if k.arg == "frozen")
    return any(isinstance(k.value, ast.Constant) and k.value.value is True for k in keywords)


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
