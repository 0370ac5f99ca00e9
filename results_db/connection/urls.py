"""Database addresses: a bare path means SQLite; passwords never leave this module in a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from search_space.errors import StoreError

_SECRET = re.compile(
    r"((?:password|passwd|passfile|pgpassword|sslpassword|token|secret|(?:api|access|account|private|secret)[_-]?key"
    r"|access[_-]?key[_-]?id|credentials?|signature|x-amz-\w+|x-goog-\w+|sig)[\"']?\s*[=:]\s*)"
    # A value without quotes may hold blanks: it ends at a separator or before the next key.
    r"(\"[^\"]*\"|'[^']*'|[^\s&;,]+(?:[ \t]+(?!\w+[\"']?\s*[=:])[^\s&;,]+)*)",
    re.IGNORECASE,
)
_BEARER = re.compile(
    r"\b((?:proxy-)?authorization[\"']?\s*[=:]\s*[\"']?(?:\w+\s+)?|bearer\s+)[^\s\"',;]+", re.IGNORECASE
)
"""What a request proves its sender with."""
_SECRET_NAME = re.compile(
    r"password|passwd|token|secret|(api|access|account|private)[_-]?key|credential|authorization", re.IGNORECASE
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*://")
_MEANT = re.compile(r"(sqlite|postgres\w*)(\+\w+)?:|[A-Za-z][A-Za-z0-9+._-]+:/[^/].*@", re.DOTALL)
"""An address that lacks a slash or two, not a file name."""
_ACCOUNT = re.compile(r"^([A-Za-z][A-Za-z0-9+._-]*:/*).*@", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """Where a store is. ``path`` is set for SQLite only."""

    url: URL = field(repr=False)
    path: Path | None

    @property
    def engine(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return "sqlite" if self.path is not None else "postgresql"

    @property
    def whole(self) -> str:
        """To connect with, never to show: with the password."""
        return str(self.path) if self.path is not None else self.url.render_as_string(hide_password=False)

    def __str__(self) -> str:
        """Fit for messages and logs: the password is shown as ***."""
        return str(self.path) if self.path is not None else redact(self.url.render_as_string(hide_password=True))


def parse(text: str) -> Address:
    """Read ``sqlite:///FILE``, ``postgresql+psycopg://USER@HOST/NAME`` or a bare path.

    Raises StoreError for anything else, naming the kinds there are and never a password.
    """
    if not text or "\0" in text:
        raise StoreError("a database address must not be empty (a file name, or postgresql+psycopg://USER@HOST/NAME)")
    if not _SCHEME.match(text):
        if _MEANT.match(text):
            raise StoreError(
                f"{_told(text)!r} is not a database address "
                "(write sqlite:///FILE, postgresql+psycopg://USER@HOST/NAME or a plain path)"
            )
        return _sqlite(text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError, TypeError):
        raise StoreError(
            f"{_told(text)!r} is not a database address "
            "(sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME)"
        ) from None
    backend = url.drivername.split("+")[0]
    if backend == "sqlite":
        if url.host or url.username or url.query:
            raise StoreError("a SQLite address is sqlite:///FILE (three slashes, no host, no options)")
        if not url.database or url.database == ":memory:":
            raise StoreError("a store in memory would be lost: name a file, for example sqlite:///sweep.db")
        return _sqlite(url.database)
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return Address(url.set(drivername="postgresql+psycopg"), None)
    raise StoreError(f"{url.drivername[:40]!r} is not a database the store knows (sqlite or postgresql+psycopg)")


def _sqlite(path: str) -> Address:
    if path == ":memory:":
        raise StoreError("a store in memory would be lost: name a file, for example sqlite:///sweep.db")
    try:
        resolved = Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise StoreError(f"{path[:80]!r} is not a usable file name: {error}") from None
    return Address(URL.create("sqlite+pysqlite", database=str(resolved)), resolved)


def _told(text: str) -> str:
    """An address that cannot be read, for a message: nobody knows where its password ends, so all before @ goes."""
    return redact(_ACCOUNT.sub(r"\1***@", text))[:80]


def redact(text: str) -> str:
    """``text`` with every password in a URL, query or key=value form replaced by ***.

    >>> redact("postgresql+psycopg://me:secret@host/db?password=x")
    'postgresql+psycopg://me:***@host/db?password=***'
    """
    # Greedy up to the last @ before the path: a password may itself hold @ or /.
    text = re.sub(r"(:/+[^\s:/@]*):[^\s]*@", r"\1:***@", text)
    # Or blanks; better too much is hidden than half of it shown.
    text = re.sub(r"(:/+[^\s:/@]*):[^\n/]*@", r"\1:***@", text)
    return _SECRET.sub(r"\1***", _BEARER.sub(r"\1***", text))


def scrub(value: Any, name: str = "") -> Any:
    """A JSON-like value with every secret in it replaced by ***, by its name or inside a text.

    >>> scrub({"token": "abc", "db": "postgresql://me:x@h/d", "seed": 1})
    {'token': '***', 'db': 'postgresql://me:***@h/d', 'seed': 1}
    """
    if isinstance(value, Mapping):
        return {str(key): scrub(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(item, name) for item in value]
    if isinstance(value, str):
        return "***" if value and _SECRET_NAME.search(name) else redact(value)
    return value


_PASSWORD_URL = re.compile(r"""://[^\s:/@'"{}]+:[^\s:/@'"{}]+@""")


def password_line(source: str) -> int:
    """The first line (from 1) of a program's text that spells an address with its password out; 0 for none.

    >>> password_line("import os\\nurl = 'postgresql://me:secret@host/db'")
    2
    >>> password_line("token = self.K")
    0
    """
    lines = enumerate(source.splitlines(), start=1)
    return next((number for number, line in lines if _PASSWORD_URL.search(line)), 0)


def storable(text: str) -> str:
    """``text`` as both engines can keep it (no NUL, no lone surrogates) and without secrets."""
    clean = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
    return redact(clean)
