"""Python code as tokens that say what it computes and not how it is written: what ``code_digest`` hashes.

Left out: docstrings and other bare strings, comments, layout, annotations, ``assert``, ``import`` and the operand of
``raise``. A name of another library is its full dotted name, however it was imported; a name of our own is a ``Ref``
(which ``code_digest`` numbers in the order of reach, so that neither its file nor its spelling counts); a local
variable is a number. Names of attributes, methods and parameters stay: objects find each other by them.

The walk goes over nodes and the fields they hold, leaving out what is empty, so that Python 3.11, 3.12 and 3.13, whose
trees differ in optional fields, give the same tokens.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

_SKIPPED = frozenset({"ctx", "type_comment", "type_params", "kind", "annotation", "returns", "simple"})
_BY_STRING = frozenset({"getattr", "hasattr", "setattr", "operator.attrgetter", "operator.methodcaller"})
_COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Ref:
    """A name of our own; the module itself where ``name`` is empty. ``compared``: only its identity is asked for."""

    module: str
    name: str
    compared: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Foreign:
    """A name of another library, dotted."""

    name: str


Target = Ref | Foreign
Lookup = Callable[[str], Target | None]
"""What a global name of a module means; None for a builtin."""
Member = Callable[[str, str], Target]
"""What an attribute of one of our modules means: (module, name)."""
Imported = Callable[[ast.Import | ast.ImportFrom], dict[str, Target]]


@dataclass
class Normal:
    """One piece of code. ``attributes``: every name read or written after a dot, or given to ``getattr``."""

    tokens: list[str | Ref] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)

    def refs(self) -> Iterator[Ref]:
        """The names of our own, in order."""
        return (token for token in self.tokens if isinstance(token, Ref))


@dataclass
class _Scope:
    """Names bound in a function, class body or comprehension; None for a variable, else what was imported as it."""

    names: dict[str, Target | None]
    of_class: bool = False
    numbers: dict[str, int] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()


def bound_names(nodes: Iterable[ast.AST]) -> set[str]:
    """What the ``own_nodes`` of a scope bind, beside imports."""
    names: set[str] = set()
    outer: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, (*_FUNCTION, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
            names.update([node.name] if node.name else [])
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.add(node.rest)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            outer.update(node.names)
    return names - outer


def own_nodes(nodes: Iterable[ast.AST]) -> list[ast.AST]:
    """All nodes in the scope of some statements; nested functions, classes and comprehensions have their own scopes."""
    scope_nodes: list[ast.AST] = []
    queue = list(nodes)
    while queue:
        node = queue.pop()
        scope_nodes.append(node)
        if isinstance(node, (*_FUNCTION, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, _COMPREHENSION):
            # An assignment expression inside binds in the function around it.
            scope_nodes += (n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
            continue
        for name in node._fields:
            part = getattr(node, name, None)
            if isinstance(part, list):
                queue += (child for child in part if isinstance(child, ast.AST))
            elif isinstance(part, ast.AST):
                queue.append(part)
    return scope_nodes


class Reader:
    """Turns syntax trees of one module into a ``Normal``."""

    def __init__(self, lookup: Lookup, member: Member, imported: Imported) -> None:
        self._lookup, self._member, self._imported = lookup, member, imported
        self._scopes: list[_Scope] = []
        self.normal = Normal()

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Decorators, parameters, body; not the name."""
        self._put(type(node).__name__)
        for decorator in node.decorator_list:
            self.node(decorator)
        self._parameters_and_body(node.args, node.body)

    def class_header(self, node: ast.ClassDef) -> None:
        """Bases, decorators and what the body computes; of its methods nothing."""
        self._put("ClassDef")
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.node(part)
        rest = [statement for statement in node.body if not isinstance(statement, _FUNCTION)]
        self._scopes.append(self._scope(node.body, of_class=True))
        self.statements(rest)
        self._scopes.pop()

    def whole_class(self, node: ast.ClassDef) -> None:
        """The header and every method, in order."""
        self.class_header(node)
        self._scopes.append(self._scope(node.body, of_class=True))
        for statement in node.body:
            if isinstance(statement, _FUNCTION):
                self._put(statement.name)
                self.function(statement)
        self._scopes.pop()

    def statements(self, body: Sequence[ast.stmt]) -> None:
        """A block."""
        self._put("[")
        for statement in body:
            self.node(statement)
        self._put("]")

    def node(self, node: ast.AST, compared: bool = False) -> None:
        """Any part of a tree. ``compared``: only the identity of what it names is asked for."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Assert, ast.Pass, ast.Global, ast.Nonlocal)):
            return
        if isinstance(node, ast.Raise):
            self._put("Raise")
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self.node(ast.Assign([node.target], node.value))
        elif isinstance(node, _FUNCTION):
            self._name(node.name)
            self.function(node)
        elif isinstance(node, ast.ClassDef):
            self._name(node.name)
            self.whole_class(node)
        elif isinstance(node, ast.Lambda):
            self._put("Lambda")
            self._parameters_and_body(node.args, [ast.Return(node.body)])
        elif isinstance(node, _COMPREHENSION):
            self._comprehension(node)
        elif isinstance(node, ast.Constant):
            self._put(f"{type(node.value).__name__}:{node.value!r}")
        elif isinstance(node, ast.JoinedStr):
            self._text(node)
        elif isinstance(node, ast.Name):
            self._name(node.id, compared)
        elif isinstance(node, ast.Attribute):
            self._attribute(node, compared)
        elif isinstance(node, ast.Dict):
            self._put("Dict")
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    self._put("**")
                else:
                    self.node(key, compared=True)
                self.node(value)
            self._put(")")
        elif isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.Compare):
            self._put("Compare")
            for operand in (node.left, *node.comparators):
                self.node(operand, compared=isinstance(operand, (ast.Name, ast.Attribute)))
            self._put(*(type(operator).__name__ for operator in node.ops), ")")
        else:
            self._generic(node)

    def _generic(self, node: ast.AST) -> None:
        self._put(f"({type(node).__name__}")
        for name in node._fields:
            value = getattr(node, name, None)
            if name in _SKIPPED or value is None or value == []:
                continue
            self._put(f"{name}=")
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST):
                    self.node(part)
                elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping)):
                    self._name(str(part))
                else:
                    self._put(repr(part))
        self._put(")")

    def _call(self, node: ast.Call) -> None:
        target = self._target(node.func)
        name = target.name if isinstance(target, Foreign) else node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _BY_STRING:
            strings = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))
            self.normal.attributes.update(strings)
        asks_kind = name in ("isinstance", "issubclass")
        self._put("Call")
        self.node(node.func)
        for index, argument in enumerate(node.args):
            if asks_kind and index == 1:
                kinds = argument.elts if isinstance(argument, ast.Tuple) else [argument]
                for kind in kinds:
                    self.node(kind, compared=True)
            else:
                self.node(argument)
        for keyword in node.keywords:
            self.node(keyword)
        self._put(")")

    def _text(self, node: ast.JoinedStr) -> None:
        """An f-string; how Python cuts the text between its values into pieces differs by version."""
        self._put("JoinedStr")
        text = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value)
                continue
            self._put(repr(text))
            text = ""
            self._generic(part)
        self._put(repr(text), ")")

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self._put(type(node).__name__)
        self.node(node.generators[0].iter)
        targets = [generator.target for generator in node.generators]
        self._scopes.append(_Scope(dict.fromkeys(bound_names(own_nodes(targets)))))
        for index, generator in enumerate(node.generators):
            self._put(f"for{generator.is_async}")
            self.node(generator.target)
            if index:
                self.node(generator.iter)
            for condition in generator.ifs:
                self._put("if")
                self.node(condition)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.node(part)
        self._scopes.pop()
        self._put(")")

    def _parameters_and_body(self, arguments: ast.arguments, body: Sequence[ast.stmt]) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is None:
                self._put("required")
            else:
                self.node(default)
        lists = (arguments.posonlyargs, arguments.args, arguments.kwonlyargs)
        for listed in lists:
            self._put("(", *(argument.arg for argument in listed), ")")
        stars = [a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None]
        self._put(*(f"*{a.arg}" if a is not None else "" for a in (arguments.vararg, arguments.kwarg)))
        parameters = frozenset([*(a.arg for listed in lists for a in listed), *stars])
        self._scopes.append(self._scope(body, parameters))
        self.statements(body)
        self._scopes.pop()

    def _scope(
        self, body: Sequence[ast.stmt], parameters: frozenset[str] = frozenset(), of_class: bool = False
    ) -> _Scope:
        nodes = own_nodes(body)
        names: dict[str, Target | None] = dict.fromkeys(bound_names(nodes) | parameters)
        for node in nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names |= self._imported(node)
        return _Scope(names, of_class, parameters=parameters)

    def _find(self, name: str) -> tuple[_Scope | None, Target | None]:
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.names and (depth == 0 or not scope.of_class):
                return scope, scope.names[name]
        return None, self._lookup(name)

    def _target(self, node: ast.AST) -> Target | None:
        """What a name, or a dotted name that begins with a module, means; None for all else."""
        if isinstance(node, ast.Name):
            return self._find(node.id)[1]
        if not isinstance(node, ast.Attribute):
            return None
        owner = self._target(node.value)
        if isinstance(owner, Foreign):
            return Foreign(f"{owner.name}.{node.attr}")
        if isinstance(owner, Ref) and not owner.name:
            return self._member(owner.module, node.attr)
        return None

    def _name(self, name: str, compared: bool = False) -> None:
        scope, target = self._find(name)
        if target is not None:
            self._put_target(target, compared)
        elif scope is None or scope.of_class or name in scope.parameters:
            self._put(f"name:{name}")
        else:
            depth = next(depth for depth, candidate in enumerate(self._scopes) if candidate is scope)
            self._put(f"local:{depth}:{scope.numbers.setdefault(name, len(scope.numbers))}")

    def _attribute(self, node: ast.Attribute, compared: bool) -> None:
        target = self._target(node)
        if target is not None:
            self._put_target(target, compared)
            return
        self.normal.attributes.add(node.attr)
        self._put("Attribute")
        self.node(node.value)
        self._put(node.attr)

    def _put_target(self, target: Target, compared: bool) -> None:
        if isinstance(target, Foreign):
            self._put(f"foreign:{target.name}")
        else:
            self.normal.tokens.append(Ref(target.module, target.name, compared))

    def _put(self, *tokens: str) -> None:
        self.normal.tokens += tokens
