"""Settings of a project: what common options are where the command line does not say.

Precedence: an option on the command line, then an environment variable, then ``edge-sweep.toml`` (or the table
``[tool.edge-sweep]`` of ``pyproject.toml``) in the current folder or the nearest one above it, then the default.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_space.errors import SweepError

FILE, TABLE_FILE = "edge-sweep.toml", "pyproject.toml"
VARIABLES = {
    "db": "SWEEP_DB",
    "data-root": "EDGE_SWEEP_DATA",
    "device": "EDGE_SWEEP_DEVICE",
    "address": "EDGE_SWEEP_ADDRESS",
}
"""The environment variable of each setting."""
DEFAULTS = {
    "db": "sqlite:///sweep.db",
    "data-root": "embedded photographs",
    "device": "this machine's name",
    "address": "local",
}
"""In words, for ``sweep config show``."""
NOT_IN = {
    "db": ("evaluate",),
    "data-root": ("resume",),
    "device": ("import-measurements", "plot", "table", "export-results", "bundle", "upscale", "replay"),
    "address": ("benchmark",),
}
"""Commands where an option of that name asks for something else than the project's."""


@dataclass(frozen=True)
class Setting:
    """A setting's value and where it comes from; ``None`` where only the default is there."""

    value: str | None
    origin: str


def settings(environment: Mapping[str, str], folder: Path) -> dict[str, Setting]:
    """Every setting. Raises SweepError for a file that cannot be read or sets what there is not."""
    path, table = find(folder)
    out = {}
    for name, variable in VARIABLES.items():
        if environment.get(variable):
            out[name] = Setting(environment[variable], variable)
        elif name in table:
            out[name] = Setting(_value(name, table[name], path), str(path))
        else:
            out[name] = Setting(None, "default")
    return out


def find(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """The nearest project file and its settings. Raises SweepError."""
    for above in (folder, *folder.parents):
        own = above / FILE
        if own.is_file():
            return own, _checked(own, _read(own))
        project = above / TABLE_FILE
        if project.is_file():
            table = _read(project).get("tool", {}).get("edge-sweep")
            if table is not None:
                return project, _checked(project, table)
    return None, {}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SweepError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SweepError(f"{path}: {error}") from None


def _checked(path: Path, table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise SweepError(f"{path}: edge-sweep's settings are a table")
    unknown = sorted(set(table) - set(VARIABLES))
    if unknown:
        raise SweepError(f"{path}: there is no setting {unknown[0]!r} (there are {', '.join(VARIABLES)})")
    return table


def _value(name: str, value: Any, path: Path | None) -> str:
    if not isinstance(value, str) or not value:
        raise SweepError(f"{path}: {name} must be a text ({value!r})")
    assert path is not None
    if name == "data-root":
        return str((path.parent / Path(value).expanduser()).resolve())
    if name == "db" and "://" not in value:
        # A path in the file is meant beside the file, wherever the command is called.
        return str((path.parent / Path(value).expanduser()).resolve())
    return value


def defaults_for(command: Any, known: Mapping[str, Setting], name: str = "") -> dict[str, Any]:
    """What click takes for options that are not given (``Context.default_map``), for a command and those below it."""
    below = getattr(command, "commands", {})
    out: dict[str, Any] = {key: defaults_for(each, known, name or key) for key, each in below.items()}
    names = {parameter.name for parameter in command.params}
    for key, setting in known.items():
        parameter = key.replace("-", "_")
        if setting.value is not None and parameter in names and name not in NOT_IN[key]:
            out[parameter] = setting.value
    return out
