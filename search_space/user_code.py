"""A user's own Python file: loaded once, and sent to other machines as text.

**Loading such a file runs it.** A Python space file, and a file named under ``imports:`` in a YAML
one, are trusted like any program you start; open a stranger's space file as text first.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from search_space.errors import BadSpace, SweepError

if TYPE_CHECKING:
    from search_space.config import Config


@dataclass(frozen=True)
class UserCode:
    """One file's text under the module name it was loaded as; with it a worker has the same families."""

    module: str
    path: str
    source: str


_loaded: dict[str, UserCode] = {}


def loaded() -> tuple[UserCode, ...]:
    """Every user file of this process, in the order it was loaded: send these along with the ids."""
    return tuple(_loaded.values())


def is_users(config: Config) -> bool:
    """Whether the family of a config stands in a user's file, whose code may raise, hang or crash."""
    return type(config).__module__ in _loaded


def load_file(path: Path) -> ModuleType:
    """Run a Python file as a module of its own. Raises BadSpace with the file's line where it fails."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadSpace(f"{path}: cannot be read ({error})") from None
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    stem = "".join(c if c.isalnum() else "_" for c in path.stem)
    return install(UserCode(f"edge_sweep_user_{stem}_{digest}", str(path), source))


def install(code: UserCode) -> ModuleType:
    """Make a user's families known in this process; a second time with the same text does nothing."""
    known = sys.modules.get(code.module)
    if known is not None and _loaded.get(code.module) == code:
        return known
    module = ModuleType(code.module)
    module.__file__ = code.path
    sys.modules[code.module] = module
    try:
        exec(compile(code.source, code.path, "exec"), module.__dict__)
    except SweepError as error:
        sys.modules.pop(code.module, None)
        raise BadSpace(f"{_place(code.path, error)}: {error}") from None
    except Exception as error:
        sys.modules.pop(code.module, None)
        raise BadSpace(f"{_place(code.path, error)}: {type(error).__name__}: {error}") from None
    _loaded[code.module] = code
    return module


def _place(path: str, error: Exception) -> str:
    """``file:line`` of the last line of the user's own file in the traceback."""
    if isinstance(error, SyntaxError):
        return f"{path}:{error.lineno}"
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == path:
            line = step.tb_lineno
        step = step.tb_next
    return f"{path}:{line}" if line else path
