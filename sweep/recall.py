"""Configs of a family that only the results database knows: a user's own file, kept there as text."""

from __future__ import annotations

from search_space.config import Config, parse_id
from search_space.errors import BadConfig, StoreError


def stored_config(config_id: str, db: str, sweep: str | None = None) -> Config:
    """The config of an id; a family that is not known here is taken from a sweep in ``db`` that has this config.

    **That runs the Python file which came with the sweep**, as ``sweep resume`` does. Raises BadConfig when no
    sweep (or not the one named) knows it either.
    """
    from results_db.store import Store
    from sweep.families import recall

    try:
        return parse_id(config_id)
    except BadConfig as unknown:
        try:
            with Store.open(db, readonly=True) as store:
                rows = [store.sweep(sweep)] if sweep else list(reversed(store.sweeps()))
                for row in rows:
                    if row.settings.get("user_code") and any(t.key.config == config_id for t in store.trials(row.id)):
                        recall(row)
                        return parse_id(config_id)
        except StoreError:
            # Without a database the id is what is wrong.
            pass
        raise unknown
