"""Reading a pickle of plain numbers without ever unpickling it.

A stack machine for the few opcodes that dicts, texts, numbers and NumPy scalars need. Nothing in the
file is imported or called: the two NumPy names a scalar refers to are recognised as words, and the
bytes of the number are read with ``struct``. Whatever else a file asks for is refused.
"""

from __future__ import annotations

import pickletools
import struct
from dataclasses import dataclass
from typing import Any

from search_space.errors import BadData

MAX_BYTES = 64 * 2**20
MAX_STEPS = 20_000_000

_MARK = object()
_SCALAR = object()
_DTYPE = object()
_NAMES = {
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
    ("numpy", "dtype"): _DTYPE,
}
_FORMATS = {
    "f2": "e", "f4": "f", "f8": "d",
    "i1": "b", "i2": "h", "i4": "i", "i8": "q",
    "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
}  # fmt: skip
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset(
    (
        "BININT",
        "BININT1",
        "BININT2",
        "BINFLOAT",
        "LONG1",
        "SHORT_BINBYTES",
        "BINBYTES",
        "SHORT_BINUNICODE",
        "BINUNICODE",
    )
)
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass
class _Kind:
    """A NumPy scalar type: its code and, once its state is set, its byte order."""

    code: str
    order: str = "<"


class _RefusedError(Exception):
    """Why the file is not one of plain numbers."""


def loads(data: bytes) -> Any:
    """The dicts, texts and numbers in a pickle.

    Raises BadData for a file that is too large, cut short, or that holds anything else; no code in
    the file is ever run.
    """
    if len(data) > MAX_BYTES:
        raise BadData(f"the file is larger than {MAX_BYTES // 2**20} MiB: not a table of results")
    try:
        return _Machine().run(data)
    except _RefusedError as why:
        raise BadData(f"refused: {why}; only dicts of numbers are read, nothing in the file was run") from None
    except (ValueError, IndexError, KeyError, TypeError, struct.error, OverflowError, MemoryError) as error:
        raise BadData(f"not a readable pickle ({type(error).__name__}: {str(error)[:80]})") from None


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if steps > MAX_STEPS:
                raise _RefusedError("it takes too many steps")
            name = opcode.name
            if name == "STOP":
                return self._pop(str, int, float, dict, tuple)
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name not in ("PROTO", "FRAME"):
                self._step(name, argument)
        raise _RefusedError("it has no end")

    def _step(self, name: str, argument: Any) -> None:
        match name:
            case "MARK":
                self.stack.append(_MARK)
            case "EMPTY_DICT":
                self.stack.append({})
            case "EMPTY_TUPLE":
                self.stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = _TUPLES[name]
                if len(self.stack) < count:
                    raise _RefusedError("it is damaged")
                items = tuple(self.stack[-count:])
                del self.stack[-count:]
                self.stack.append(items)
            case "TUPLE":
                self.stack.append(tuple(self._marked()))
            case "SETITEMS":
                self._set(self._marked())
            case "SETITEM":
                value, key = self.stack.pop(), self.stack.pop()
                self._set([key, value])
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                self.stack.append(self.memo[argument])
            case "GLOBAL":
                module, _, attribute = str(argument).partition(" ")
                self._name(module, attribute)
            case "STACK_GLOBAL":
                attribute, module = self._pop(str), self._pop(str)
                self._name(module, attribute)
            case "REDUCE":
                arguments, called = self._pop(tuple), self.stack.pop()
                self.stack.append(_make(called, arguments))
            case "BUILD":
                state, kind = self._pop(tuple), self.stack[-1]
                if not isinstance(kind, _Kind) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
                    raise _RefusedError("it sets the state of something that is not a number type")
                kind.order = "<" if state[1] in ("|", "=") else state[1]
            case _:
                raise _RefusedError(f"it uses {name}")

    def _pop(self, *kinds: type) -> Any:
        value = self.stack.pop()
        if not isinstance(value, kinds):
            raise _RefusedError("it is not a table of numbers")
        return value

    def _marked(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise _RefusedError("it is not a table of numbers")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise _RefusedError("a key is not a text")
            target[key] = value

    def _name(self, module: str, attribute: str) -> None:
        known = _NAMES.get((module, attribute))
        if known is None:
            raise _RefusedError(f"it asks for {module[:60]}.{attribute[:60]}")
        self.stack.append(known)


def _make(called: object, arguments: tuple[Any, ...]) -> Any:
    if called is _DTYPE:
        code = arguments[0]
        if not isinstance(code, str) or code not in _FORMATS:
            raise _RefusedError(f"it holds numbers of an unknown type {str(code)[:20]!r}")
        return _Kind(code)
    if called is _SCALAR:
        kind, raw = arguments
        if not isinstance(kind, _Kind) or not isinstance(raw, bytes):
            raise _RefusedError("a number is damaged")
        return struct.unpack(kind.order + _FORMATS[kind.code], raw)[0]
    raise _RefusedError("it calls something")
