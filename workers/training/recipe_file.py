"""A recipe as a file: JSON or YAML that names only what it changes, and the recipe it begins with."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from search_space import atomic
from search_space.errors import SweepError

Recipe = TypeVar("Recipe")
"""``workers.training.recipe.Recipe``, whose fields are all that is known of it here."""
SUFFIXES = (".json", ".yaml", ".yml")
BASE = "from"
"""The key of a file that names the recipe (shipped, or another file) with everything it does not say itself."""
USUAL_BASE = "paper"
PAIRS = ("family_lr", "family_steps")
"""Fields of values by family: a mapping in a file."""


def read(path: Path, shipped: Callable[[str], Recipe]) -> Recipe:
    """The recipe of a file; ``shipped`` gives one by name. Raises SweepError naming the file and what is wrong."""
    return _read(path, shipped, ())


def _read(path: Path, shipped: Callable[[str], Recipe], above: tuple[Path, ...]) -> Recipe:
    if path.resolve() in above:
        raise SweepError(f"{path}: recipes that begin with each other have no beginning")
    content = _content(path)
    base = str(content.pop(BASE, USUAL_BASE))
    beside = path.parent / base
    if Path(base).suffix in SUFFIXES:
        start = _read(beside if beside.is_file() else Path(base), shipped, (*above, path.resolve()))
    else:
        try:
            start = shipped(base)
        except SweepError as error:
            raise SweepError(f"{path}: {error}") from None
    known = [field.name for field in fields(start)]  # type: ignore[arg-type]
    for name in content:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise SweepError(f"{path}: a recipe has no {name!r} ({hint})")
    content.setdefault("name", path.stem)
    try:
        changes = {name: _value(name, value, getattr(start, name)) for name, value in content.items()}
        return replace(start, **changes)  # type: ignore[type-var]
    except (TypeError, ValueError, OverflowError) as error:
        raise SweepError(f"{path}: {error}") from None
    except SweepError as error:
        raise SweepError(f"{path}: {error}") from None


def _content(path: Path) -> dict[str, Any]:
    import yaml  # not everything that trains by a shipped recipe has it

    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except FileNotFoundError:
        raise SweepError(f"there is no recipe file {path} (sweep recipe new {path} writes one)") from None
    except OSError as error:
        raise SweepError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise SweepError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(content, dict):
        raise SweepError(f"{path}: a recipe is a list of names with values, such as steps: 20000")
    return content


def _value(name: str, value: Any, like: Any) -> Any:
    """A value of the kind that the field has; YAML reads 1e-3 as a text."""
    if name in PAIRS:
        number = int if name == "family_steps" else float
        pairs = value.items() if isinstance(value, Mapping) else value
        return tuple((str(family), number(one)) for family, one in pairs)
    if isinstance(like, tuple):
        return tuple(float(one) for one in value)
    if isinstance(value, bool) or (isinstance(like, str) and not isinstance(value, str)):
        raise ValueError(f"{name} cannot be {value!r}")
    if isinstance(like, int):
        if float(value) != int(float(value)):
            raise ValueError(f"{name} must be a whole number ({value})")
        return int(float(value))
    return type(like)(value)


def plain(recipe: Recipe) -> dict[str, Any]:
    """All fields as a file has them."""
    content = asdict(recipe)  # type: ignore[call-overload]
    return {
        name: dict(value) if name in PAIRS else list(value) if isinstance(value, tuple) else value
        for name, value in content.items()
    }


def write_new(path: Path, base: Recipe, base_name: str) -> None:
    """A new file that changes nothing yet: every field of ``base`` is there as a comment to be changed.

    Raises SweepError for a file that exists already, another ending, or a folder that cannot be written.
    """
    import yaml

    if path.suffix not in SUFFIXES:
        raise SweepError(f"{path}: a recipe is a .yaml or .json file")
    if path.exists():
        raise SweepError(f"{path} exists already")
    if path.suffix == ".json":
        text = json.dumps({BASE: base_name, "name": path.stem, "steps": plain(base)["steps"]}, indent=1) + "\n"
    else:
        lines = [f"# Only what is changed need be here; the rest is as in {base_name}.", f"{BASE}: {base_name}"]
        lines.append(f"name: {path.stem}")
        for name, value in plain(base).items():
            if name != "name":
                lines.append("# " + yaml.safe_dump({name: value}, default_flow_style=None, width=1000).strip())
        text = "\n".join(lines) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise SweepError(f"cannot write {path}: {error.strerror or error}") from None
