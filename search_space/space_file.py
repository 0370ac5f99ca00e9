"""A user's own space: a YAML file of grids, or a Python file that makes configs.

A YAML space::

    name: small-attention
    imports: [my_network.py]      # optional: Python files that register families (they are run: trust them)
    scale: [2, 3]                 # optional: for every grid that names none
    grids:                        # their union is the space
      - family: eSR-TM
        K: [3, 5]
        C: 1..8                   # also 2..16 step 2, and lists of both: [1..4, 8]
      - family: ESPCN
        scale: 4
        D: 22
        S: [6, 12]
        where: D * S < 200        # optional: the same expressions as --where
      - ids: [Bicubic_s2]
      - preset: demo

A Python space defines ``space``: configs, ids or grids, or a function that returns them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from search_space.config import SCALES, Config
from search_space.errors import BadConfig, BadSpace, SweepError, first_line
from search_space.grids import Grid, Part, make_grid
from search_space.ids import parse_id
from search_space.presets import by_name
from search_space.user_code import load_file

LARGEST_FILE = 4 * 2**20
"""Bytes of a space file."""
LONGEST_LIST = 100_000
_NUMBER = re.compile(r"[0-9]{1,7}", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,18}) ?\.\. ?([0-9]{1,18})(?: step ([0-9]{1,18}))?", re.ASCII)


def read_yaml(path: Path) -> tuple[str, tuple[Part, ...]]:
    """Name and parts of a YAML space file. Raises BadSpace with ``file:line``."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadSpace(f"{path}: larger than {LARGEST_FILE} bytes is not a space file")
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadSpace(f"{path}:{line}: {error.problem or 'not YAML'}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadSpace(f"{path}: cannot be read as YAML ({first_line(error)})") from None
    return _Yaml(path).read(root)


class _Yaml:
    """Walks YAML nodes, which still know their lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def at(self, node: yaml.Node | None) -> str:
        return f"{self.path}:{node.start_mark.line + 1}" if node else f"{self.path}:1"

    def refuse(self, node: yaml.Node | None, reason: str) -> BadSpace:
        return BadSpace(f"{self.at(node)}: {reason}")

    def read(self, root: yaml.Node | None) -> tuple[str, tuple[Part, ...]]:
        top = self.mapping(root, "a space file is a mapping with 'grids:'")
        surplus = [key for key in top if key not in ("name", "imports", "scale", "grids")]
        if surplus:
            raise self.refuse(top[surplus[0]], f"unknown key {surplus[0][:40]!r} (name, imports, scale, grids)")
        if "grids" not in top:
            raise self.refuse(root, "there is no 'grids:'")
        for node in self.sequence(top["imports"]) if "imports" in top else []:
            load_file(self.path.parent / self.scalar(node, "the path of a Python file"))
        name = self.scalar(top["name"], "a name") if "name" in top else self.path.stem
        default = self.numbers(top["scale"]) if "scale" in top else dict.fromkeys(SCALES, 0)
        nodes = self.sequence(top["grids"])
        if not nodes:
            raise self.refuse(top["grids"], "'grids:' is empty")
        return name, tuple(part for node in nodes for part in self.part(node, default))

    def part(self, node: yaml.Node, default_scale: dict[int, int]) -> list[Part]:
        entry = self.mapping(node, "an entry of 'grids:' is a mapping with 'family:', 'ids:' or 'preset:'")
        origin = self.at(node)
        kinds = [key for key in ("family", "ids", "preset") if key in entry]
        if len(kinds) != 1:
            raise self.refuse(node, "an entry has exactly one of 'family:', 'ids:' and 'preset:'")
        condition = self.scalar(entry.pop("where"), "an expression") if "where" in entry else None
        if condition is not None:
            self.check_where(node, condition)
        if kinds == ["ids"]:
            self.only(entry, "ids")
            return [
                Part(configs=(self.config(item),), where=condition, origin=self.at(item))
                for item in self.sequence(entry["ids"])
            ]
        if kinds == ["preset"]:
            self.only(entry, "preset")
            name = self.scalar(entry["preset"], "a preset's name")
            grids = by_name().get(name.lower())
            if grids is None:
                raise self.refuse(entry["preset"], f"unknown preset {name[:40]!r} ({', '.join(by_name())})")
            return [Part(Grid(g.family, g.axes, origin), condition, origin=origin) for g in grids]
        family = self.scalar(entry.pop("family"), "a family's name")
        axes = {key: self.numbers(value) for key, value in entry.items()}
        axes.setdefault("scale", default_scale)
        lines = {(key, number): line for key, values in axes.items() for number, line in values.items() if line}
        grid = make_grid(family, {key: tuple(values) for key, values in axes.items()}, origin, lines)
        grid.check()
        return [Part(grid, condition, origin=origin)]

    def only(self, entry: dict[str, yaml.Node], key: str) -> None:
        surplus = [name for name in entry if name != key]
        if surplus:
            raise self.refuse(entry[surplus[0]], f"{surplus[0][:40]!r} has no meaning beside {key!r}")

    def check_where(self, node: yaml.Node, condition: str) -> None:
        from search_space.filters import where

        try:
            where(condition)
        except BadSpace as error:
            raise self.refuse(node, str(error).removeprefix("--")) from None

    def config(self, node: yaml.Node) -> Config:
        try:
            return parse_id(self.scalar(node, "an id"))
        except BadConfig as error:
            raise self.refuse(node, str(error)) from None

    def numbers(self, node: yaml.Node) -> dict[int, int]:
        """Numbers in order with the line of each. Raises BadSpace for a repeat."""
        lines: dict[int, int] = {}
        for item in self.sequence(node):
            text = self.scalar(item, "a number or a range such as 1..8").strip()
            for number in self.expand(item, text):
                if number in lines:
                    raise self.refuse(item, f"{number} is listed twice")
                lines[number] = item.start_mark.line + 1
        return lines

    def expand(self, node: yaml.Node, text: str) -> Iterable[int]:
        if _NUMBER.fullmatch(text):
            return (int(text),)
        match = _RANGE.fullmatch(text)
        if match is None:
            raise self.refuse(node, f"{text[:40]!r} is not a whole number or a range such as 1..8")
        first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if last < first or step < 1:
            raise self.refuse(node, f"the range {text!r} is empty")
        if (last - first) // step > LONGEST_LIST:
            raise self.refuse(node, f"the range {text!r} has more than {LONGEST_LIST} values")
        return range(first, last + 1, step)

    def mapping(self, node: yaml.Node | None, expected: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse(node, expected)
        out: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self.scalar(key, "a key")
            if name in out:
                raise self.refuse(key, f"{name[:40]!r} is written twice")
            out[name] = value
        return out

    def sequence(self, node: yaml.Node) -> list[yaml.Node]:
        return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]

    def scalar(self, node: yaml.Node, expected: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.refuse(node, f"expected {expected}")
        return str(node.value)


def read_python(path: Path) -> tuple[str, tuple[Part, ...]]:
    """Name and parts of a Python space file, which is run. Raises BadSpace."""
    module = load_file(path)
    if not hasattr(module, "space"):
        raise BadSpace(f"{path}: define 'space': configs, ids or grids, or a function that returns them")
    made: Any = module.space
    try:
        items = list(made() if callable(made) else made)
        parts = tuple(_python_part(path, item) for item in items)
    except SweepError as error:
        raise BadSpace(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None
    except Exception as error:
        raise BadSpace(f"{path}: {type(error).__name__} while making 'space': {error}") from None
    if not parts:
        raise BadSpace(f"{path}: 'space' is empty")
    return str(getattr(module, "name", path.stem)), parts


def _python_part(path: Path, item: object) -> Part:
    if isinstance(item, Grid):
        return Part(Grid(item.family, item.axes, item.origin or str(path), item.lines), origin=str(path))
    if isinstance(item, Config):
        return Part(configs=(item,), origin=str(path))
    if isinstance(item, str):
        return Part(configs=(parse_id(item),), origin=str(path))
    raise BadSpace(f"{path}: 'space' holds {type(item).__name__}; it takes configs, ids and grids")
