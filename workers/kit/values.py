"""Checked values of a results file from a stranger: each has its type and range, or BadData says where not."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, NoReturn

from search_space import parse_id
from search_space.errors import BadData, SweepError

HEX = re.compile(r"[0-9a-f]{64}")


def an_object(value: Any, where: str) -> dict[str, Any]:
    """A dict."""
    if not isinstance(value, dict):
        raise BadData(f"results file: {where} is not an object")
    return value


def a_number(value: Any, where: str, least: float, most: float) -> float:
    """A finite number of that range, ends included."""
    # Only comparisons take an integer of any size: isfinite and formatting as a float overflow.
    if isinstance(value, bool) or not isinstance(value, int | float):
        wrong(where, value)
    if not least <= value <= most:
        raise BadData(f"results file: {where} = {str(value)[:40]} is not possible ({least:g} to {most:g})")
    return float(value)


def maybe(line: dict[str, Any], key: str, where: str, least: float, most: float) -> float | None:
    """The number under ``key``, or None."""
    value = line.get(key)
    return None if value is None else a_number(value, f"{where}.{key}", least, most)


def a_text(value: Any, where: str, most: int) -> str:
    """A printable text of 1 to ``most`` characters, without spaces around it."""
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= most or not value.isprintable():
        wrong(where, value)
    return str(value).strip()


def texts(value: Any, where: str) -> dict[str, str]:
    """A dict of a few names and short texts; numbers become texts."""
    entries = an_object(value, where)
    if len(entries) > 20:
        wrong(where, "too many entries")
    for key, item in entries.items():
        if not isinstance(item, str | int | float | None):
            wrong(f"{where}.{key[:20]}", item)
    return {a_text(key, where, 40): a_text(str(item), f"{where}.{key[:20]}", 200) for key, item in entries.items()}


def a_list(value: Any, where: str, most: int) -> list[Any]:
    """A list of at most ``most`` items."""
    if not isinstance(value, list) or len(value) > most:
        wrong(where, value)
    return list(value)


def a_flag(value: Any, where: str) -> bool:
    """True or False."""
    return value if isinstance(value, bool) else wrong(where, value)


def a_precision(value: Any, where: str) -> str:
    """One that a kit can have."""
    return str(value) if value in ("fp32", "fp16", "int8") else wrong(where, value)


def a_hash(value: Any, where: str) -> str:
    """A SHA-256 in hexadecimal."""
    if not isinstance(value, str) or not HEX.fullmatch(value):
        wrong(where, value)
    return str(value)


def a_time(value: Any, where: str) -> str:
    """A moment in ISO 8601."""
    try:
        return dt.datetime.fromisoformat(value).isoformat() if isinstance(value, str) else wrong(where, value)
    except ValueError:
        wrong(where, value)


def a_config(value: Any, where: str) -> str:
    """The id of a config there can be."""
    if not isinstance(value, str) or len(value) > 100:
        wrong(where, value)
    try:
        return parse_id(value).id
    except SweepError as error:
        raise BadData(f"results file: {where}: {error}") from None


def wrong(where: str, value: Any) -> NoReturn:
    """Raise BadData naming the place and the value; of a list or an object only its type."""
    shown = repr(str(value)[:60]) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
    raise BadData(f"results file: {where} is not as it should be: {shown}")
