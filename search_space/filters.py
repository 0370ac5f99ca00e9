"""``--where``: a small expression over a config's fields, read from Python's syntax tree, never run as Python.

A field that a config does not have is *unknown*: a comparison with it is unknown, ``and``, ``or`` and
``not`` follow Kleene's three values, and a config matches only when the whole is true. So
``C <= 8`` leaves out every family without a C, and so does ``not C <= 8``.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import TypeAlias

from search_space.config import Config
from search_space.errors import BadSpace
from search_space.registry import families

LONGEST = 500
"""Characters of an expression."""
DEEPEST = 40
LARGEST = 10**15

Value: TypeAlias = int | float | str | bool | None
"""None is unknown."""
Node: TypeAlias = Callable[[Config], Value]

_COMPARE: dict[type[ast.cmpop], Callable[[Value, Value], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,  # type: ignore[dict-item]
    ast.LtE: operator.le,  # type: ignore[dict-item]
    ast.Gt: operator.gt,  # type: ignore[dict-item]
    ast.GtE: operator.ge,  # type: ignore[dict-item]
}
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
}


def where(text: str) -> Callable[[Config], bool]:
    """The predicate of an expression such as ``C<=8 and K==3``.

    Names: the fields of every known family, ``scale`` (or ``s``), ``family``, ``parameters`` and ``macs``
    (of a Full-HD output). Raises BadSpace for anything that is not a comparison of those with numbers.

    >>> from search_space import parse_id
    >>> test = where("C<=8 and K==3")
    >>> test(parse_id("eSR-TM_s2_K3_C4")), test(parse_id("eSR-TM_s2_K5_C4")), test(parse_id("Bicubic_s2"))
    (True, False, False)
    """
    if len(text) > LONGEST:
        raise BadSpace(f"--where: the expression has {len(text)} characters (at most {LONGEST})")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise BadSpace(f"--where {text!r}: cannot be read ({reason})") from None
    try:
        test = _Reader(text).truth(tree.body, 0)
    except RecursionError:
        raise BadSpace(f"--where {text!r}: nested too deeply") from None
    return lambda config: test(config) is True


class _Reader:
    """Turns a syntax tree into closures, refusing every node that is not listed here."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names = {"scale", "s", "family", "parameters", "macs"}
        for cls in families().values():
            self.names.update(f.name for f in fields(cls))

    def refuse(self, reason: str) -> BadSpace:
        return BadSpace(f"--where {self.text!r}: {reason}")

    def truth(self, node: ast.expr, depth: int) -> Node:
        """A node that is true, false or unknown."""
        if depth > DEEPEST:
            raise self.refuse("nested too deeply")
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(part, depth + 1) for part in node.values]
            decisive = isinstance(node.op, ast.Or)
            return lambda config: _kleene((part(config) for part in parts), decisive)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.truth(node.operand, depth + 1)
            return lambda config: None if (value := inner(config)) is None else not value
        if isinstance(node, ast.Compare):
            return self.comparison(node, depth)
        raise self.refuse("write comparisons such as C<=8, joined by and, or, not")

    def comparison(self, node: ast.Compare, depth: int) -> Node:
        sides = [node.left, *node.comparators]
        tests = [self.pair(a, op, b, depth) for a, op, b in zip(sides, node.ops, sides[1:], strict=False)]
        return lambda config: _kleene((test(config) for test in tests), False)

    def pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> Node:
        a = self.value(left, depth + 1)
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List):
                raise self.refuse("after 'in' write a list such as (3, 5)")
            among = [self.value(item, depth + 1) for item in right.elts]
            wanted = isinstance(op, ast.In)
            equal = [self.compare(a, ast.Eq(), item) for item in among]

            def member(config: Config) -> Value:
                found = _kleene((test(config) for test in equal), True)
                return None if found is None else found == wanted

            return member
        return self.compare(a, op, self.value(right, depth + 1))

    def compare(self, a: Node, op: ast.cmpop, b: Node) -> Node:
        if type(op) not in _COMPARE:
            raise self.refuse(f"{type(op).__name__} is not a comparison that can be used here")
        test = _COMPARE[type(op)]

        def compared(config: Config) -> Value:
            x, y = a(config), b(config)
            if x is None or y is None:
                return None
            if isinstance(x, str) != isinstance(y, str) or (
                isinstance(x, str) and not isinstance(op, ast.Eq | ast.NotEq)
            ):
                raise self.refuse(f"{x!r} and {y!r} cannot be compared that way")
            return test(x, y)

        return compared

    def value(self, node: ast.expr, depth: int) -> Node:
        """A node that is a number, a text or unknown."""
        if depth > DEEPEST:
            raise self.refuse("nested too deeply")
        if isinstance(node, ast.Constant):
            return self.constant(node.value)
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.number(node.operand, depth + 1)
            return lambda config: None if (x := inner(config)) is None else -x
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            return self.arithmetic(_ARITHMETIC[type(node.op)], node, depth)
        raise self.refuse(f"{ast.unparse(node)[:40]!r} is not a field, a number or a text")

    def arithmetic(self, apply: Callable[[float, float], float], node: ast.BinOp, depth: int) -> Node:
        a, b = self.number(node.left, depth + 1), self.number(node.right, depth + 1)

        def applied(config: Config) -> Value:
            x, y = a(config), b(config)
            if x is None or y is None:
                return None
            try:
                return apply(x, y)
            except (ZeroDivisionError, OverflowError) as error:
                raise self.refuse(str(error)) from None

        return applied

    def number(self, node: ast.expr, depth: int) -> Callable[[Config], int | float | None]:
        inner = self.value(node, depth)

        def checked(config: Config) -> int | float | None:
            x = inner(config)
            if isinstance(x, str):
                raise self.refuse(f"{x!r} is a text, not a number")
            return x

        return checked

    def constant(self, value: object) -> Node:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self.refuse(f"{value!r} is not a number or a text")
        if isinstance(value, int | float) and not abs(value) <= LARGEST:
            raise self.refuse(f"a number is larger than {LARGEST:.0e}")
        return lambda config: value

    def name(self, name: str) -> Node:
        if name not in self.names:
            raise self.refuse(f"unknown name {name!r} (known: {', '.join(sorted(self.names))})")
        if name in ("scale", "s"):
            return lambda config: config.scale
        if name == "family":
            return lambda config: config.family
        if name in ("parameters", "macs"):
            return lambda config: _described(config, name)
        return lambda config: config.values.get(name)


def _described(config: Config, name: str) -> int:
    from search_space.costs.describe import describe

    known = describe(config)
    return known.parameters if name == "parameters" else known.macs_full_hd


def _kleene(values: Iterable[Value], decisive: bool) -> bool | None:
    """``or`` (decisive True) or ``and`` (decisive False) of three-valued truths."""
    unknown = False
    for value in values:
        if value is None:
            unknown = True
        elif value is decisive:
            return decisive
    return None if unknown else not decisive
