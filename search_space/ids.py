"""Ids: the published spelling of a config, read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from search_space.config import Config
from search_space.errors import BadConfig
from search_space.registry import family_class

_ID = re.compile(r"(?P<family>[A-Za-z][A-Za-z0-9+-]*)_s(?P<scale>[0-9]{1,2})(?P<rest>(_[A-Z][0-9]{1,5})*)", re.ASCII)


@dataclass(frozen=True)
class IdParts:
    """What an id says, whether or not its family is known here."""

    family: str
    scale: int
    values: Mapping[str, int]


def split_id(text: str) -> IdParts:
    """The parts of an id; no family is looked up. Raises BadConfig for what does not look like an id.

    >>> split_id("Mine_s2_K5_C4")
    IdParts(family='Mine', scale=2, values={'K': 5, 'C': 4})
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise BadConfig(f"{text[:80]!r} is not a config id (an id looks like eSR-TM_s2_K5_C4)")
    values = {part[0]: int(part[1:]) for part in match["rest"].split("_")[1:]}
    return IdParts(match["family"], int(match["scale"]), values)


def parse_id(text: str) -> Config:
    """The config an id names; the inverse of ``Config.id``.

    Raises BadConfig for an unknown family, a field that is missing, surplus, misspelt or out of
    range, and for a spelling that is not the canonical one (``C04``).
    """
    parts = split_id(text)
    cls = family_class(parts.family)
    names = [f.name for f in fields(cls) if f.name != "scale"]
    if list(parts.values) != names:
        expected = "_".join([cls.family, f"s{parts.scale}", *(f"{n}.." for n in names)])
        raise BadConfig(f"{text!r} has the wrong fields for {cls.family} (it wants {expected})")
    config = cls(scale=parts.scale, **dict(parts.values))
    if config.id != text:
        raise BadConfig(f"{text!r} is not spelt as an id: write {config.id}")
    return config


def config_id(config: Config) -> str:
    """The id of a config; ``parse_id(config_id(c)) == c``."""
    return config.id
