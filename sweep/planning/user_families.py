"""A user's own families in a stored sweep: stored as text, recalled by a resume, compared by a second run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from results_db.connection.urls import password_line
from results_db.records import SweepRow
from search_space import Config, parse_id
from search_space.errors import BadConfig, StoreError, SweepError
from search_space.registry import families
from search_space.user_code import UserCode, install, loaded
from sweep.planning.settings import SweepSettings

if TYPE_CHECKING:
    from results_db.store import Store


def without_passwords(codes: Iterable[UserCode]) -> tuple[UserCode, ...]:
    """The same files. Raises SweepError for one whose text holds a password: the text is stored."""
    listed = tuple(codes)
    for code in listed:
        line = password_line(code.source)
        if line:
            raise SweepError(
                f"{code.path}:{line} holds an address with a password, and the file's text is kept in the database: "
                "read the password from the environment instead"
            )
    return listed


def recall(settings: SweepSettings) -> None:
    """Install the families that a stored sweep came with."""
    for code in settings.user_code:
        install(code)


def stored_config(config_id: str, db: str | Path | Store, sweep: int | str | None = None) -> Config:
    """The config of an id; a family that is not known here is taken from a sweep in ``db`` that has this config.

    **That runs the Python file which came with the sweep**, as ``sweep resume`` does. Raises BadConfig when no
    sweep (or not the one named) knows it either.
    """
    from results_db.store import opened

    try:
        return parse_id(config_id)
    except BadConfig as unknown:
        try:
            with opened(db, readonly=True) as store:
                rows = [store.sweep(sweep)] if sweep else list(reversed(store.sweeps()))
                for row in rows:
                    settings = SweepSettings.from_dict(row.settings)
                    if settings.user_code and any(trial.key.config == config_id for trial in store.trials(row.id)):
                        recall(settings)
                        return parse_id(config_id)
        except StoreError:
            # Without a database the id is what is wrong.
            pass
        raise unknown


def stored_configs(config_ids: Iterable[str], db: str | Path | Store) -> list[Config]:
    """``stored_config`` of each id, without repeats."""
    return [stored_config(config_id, db) for config_id in dict.fromkeys(config_ids)]


def with_families() -> list[UserCode]:
    """Those of the loaded user files that define a family; the others only list configs."""
    modules = {cls.__module__ for cls in families().values()}
    return [code for code in loaded() if code.module in modules]


def digest() -> str:
    """Digest of the text of all user families in this process; empty without one."""
    sources = sorted({code.source for code in with_families()})
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:12] if sources else ""


def check_unchanged(row: SweepRow, configs: Iterable[Config], url: str) -> None:
    """Refuse to put configs of a changed family into a sweep that was stored with its older text.

    A resume installs the stored text: it would find the new trials to be of other code. Raises SweepError, which names
    the command that goes on with the sweep in the database at ``url``.
    """
    modules = {type(config).__module__ for config in configs}
    sources = {code.source for code in SweepSettings.from_dict(row.settings).user_code}
    for code in with_families():
        if code.module in modules and code.source not in sources:
            raise SweepError(
                f"{code.path} is not the file that sweep {row.name!r} was made with: give its new version a sweep of "
                f"its own with --name, or go on with the old one by `sweep resume --name {quote(row.name)} "
                f"--db {quote(url)}`"
            )
