"""Optuna studies beside the results: ordinary studies, in Optuna's own storage, on the same database server.

SQLite: a second file, ``sweep.optuna.db`` beside ``sweep.db`` (both have a table ``trials``, so they cannot share
one). PostgreSQL: a schema ``optuna`` of the same database. ``optuna-dashboard URL`` opens either as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from search_space import Config
from search_space.errors import StoreError, SweepError
from sweep.search.encoding import Encoding, config_of
from sweep.search.objectives import Constraint, Objective

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage

SCHEMA = "optuna"


def storage_url(db: str) -> str:
    """Where the studies of a results database live, as Optuna and its dashboard take it (with the password)."""
    from results_db.connection.urls import parse

    address = parse(db)
    if address.path is not None:
        return f"sqlite:///{address.path.with_suffix('')}.optuna.db"
    query = {**address.url.query, "options": f"-csearch_path={SCHEMA}"}
    return address.url.set(query=query).render_as_string(hide_password=False)


def open_storage(db: str) -> RDBStorage:
    """Optuna's storage, made when it is not there. Raises StoreError when the database cannot be reached."""
    from optuna.storages import RDBStorage
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    from results_db.connection.urls import parse, redact

    address = parse(db)
    try:
        if address.path is None:
            engine = create_engine(address.url)
            with engine.begin() as connection:
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            engine.dispose()
        return RDBStorage(storage_url(db))
    except (SQLAlchemyError, RuntimeError) as error:
        reason = redact(str(error)).splitlines()[0]
        raise StoreError(f"Optuna's storage beside {address} cannot be opened: {reason}") from None


def open_study(
    storage: RDBStorage | str | None, name: str, objectives: Sequence[Objective], sampler: BaseSampler
) -> Study:
    """The study of that name, made when there is none. Raises SweepError when it has other objectives."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        sampler=sampler,
        directions=[objective.direction for objective in objectives],
        load_if_exists=True,
    )
    names = [str(objective) for objective in objectives]
    stored_names = study.metric_names
    if stored_names is None:
        with warnings.catch_warnings():
            # Names are marked experimental; without them a dashboard shows "Objective 0".
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(names)
    elif list(stored_names) != names:
        raise SweepError(f"study {name!r} has the objectives {', '.join(stored_names)}; give it another --name")
    return study


def add_result(
    study: Study,
    encoding: Encoding,
    config: Config,
    values: Sequence[float],
    constraints: Sequence[Constraint] = (),
    facts: Mapping[Objective, float] | None = None,
    source: str = "earlier",
) -> bool:
    """Put a finished result into a study as a completed trial; False when the space does not hold the config."""
    import optuna

    params = encoding.encode(config)
    if params is None:
        return False
    distributions = encoding.distributions()
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE,
        values=[float(value) for value in values],
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs={"config": config.id, "source": source},
    )
    for bound in constraints:
        if facts is not None and bound.objective in facts:
            trial.set_constraint(str(bound), bound.violation(facts[bound.objective]))
    study.add_trial(trial)
    return True


def configs_in(study: Study, encoding: Encoding) -> dict[Config, str]:
    """Every config a study has tried, with the state of its newest trial in lower case."""
    out: dict[Config, str] = {}
    for trial in study.get_trials(deepcopy=False):
        config = config_of(encoding, trial.params)
        if config is not None:
            out[config] = trial.state.name.lower()
    return out


def copy_study(source_url: str, name: str, target: RDBStorage | str, new_name: str | None = None) -> str:
    """Copy a study between storages, trials and all; returns its name there. Raises SweepError.

    ``source_url`` is any Optuna storage (a database URL, or a path to a SQLite file).
    """
    import optuna

    url = source_url if "://" in source_url else f"sqlite:///{source_url}"
    target_name = new_name or name
    try:
        optuna.copy_study(from_study_name=name, from_storage=url, to_storage=target, to_study_name=target_name)
    except KeyError:
        raise SweepError(f"there is no study {name!r} in that storage") from None
    except optuna.exceptions.DuplicatedStudyError:
        raise SweepError(f"there is already a study {target_name!r} there") from None
    return target_name
