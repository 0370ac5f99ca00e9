"""Views that a person can read in any SQL client: plural names, plain words, times as dates (docs/sql.md).

They hold nothing themselves. They are made with a new store and made anew after every migration, so that a later
schema needs no migration of its own for them.
"""

from __future__ import annotations

from sqlalchemy import Connection

NAMES = ("sweeps", "trials", "qualities", "results")
"""In an order in which each may refer to those before it."""
FIELDS = ("K", "C", "D", "S", "M")
"""Fields of the paper's families; each is a column, and ``fields`` has those of every family as text."""
TEST_SETS = ("Set5", "Set14", "BSDS100", "Urban100", "Manga109")
"""Test sets with a PSNR column of their own; ``qualities`` has all."""


def make(connection: Connection) -> None:
    """Make the views, or make them anew. Raises SQLAlchemyError when the tables are not those of today."""
    drop(connection)
    words = _PostgreSQL() if connection.dialect.name == "postgresql" else _SQLite()
    for name in NAMES:
        # A word of the driver's own: a text may hold the mark of a parameter.
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {_TEXTS[name](words)}")


def drop(connection: Connection) -> None:
    """Remove the views: no table can change while a view reads it."""
    for name in reversed(NAMES):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


class _SQLite:
    """How SQLite says it."""

    def date(self, column: str) -> str:
        return f"datetime({column}, 'unixepoch')"

    def family(self, config: str) -> str:
        return f"substr({config}, 1, instr({config}, '_s') - 1)"

    def scale(self, config: str) -> str:
        return f"CAST(substr({config}, instr({config}, '_s') + 2) AS INTEGER)"

    def fields(self, config: str) -> str:
        rest = f"substr({config}, instr({config}, '_s') + 2) || '_'"
        return f"rtrim(replace(substr({rest}, instr({rest}, '_') + 1), '_', ' '))"

    def field(self, config: str, name: str) -> str:
        place = f"instr({config}, '_{name}')"
        return f"CASE WHEN {place} > 0 THEN CAST(substr({config}, {place} + 2) AS INTEGER) END"

    def text_in(self, column: str, key: str) -> str:
        return f"json_extract(nullif({column}, ''), '$.{key}')"

    def flag_in(self, column: str, key: str) -> str:
        return self.text_in(column, key)

    def list_in(self, column: str, key: str) -> str:
        return f"(SELECT group_concat(value, ', ') FROM json_each({column}, '$.{key}'))"


class _PostgreSQL:
    """How PostgreSQL says it."""

    def date(self, column: str) -> str:
        return f"to_timestamp({column})"

    def family(self, config: str) -> str:
        return f"split_part({config}, '_', 1)"

    def scale(self, config: str) -> str:
        return f"substring({config} from '_s([0-9]+)')::integer"

    def fields(self, config: str) -> str:
        return f"replace(regexp_replace({config}, '^[^_]+_s[0-9]+_?', ''), '_', ' ')"

    def field(self, config: str, name: str) -> str:
        return f"substring({config} from '_{name}([0-9]+)')::integer"

    def text_in(self, column: str, key: str) -> str:
        return f"(nullif({column}, '')::json ->> '{key}')"

    def flag_in(self, column: str, key: str) -> str:
        return f"{self.text_in(column, key)}::boolean"

    def list_in(self, column: str, key: str) -> str:
        return f"(SELECT string_agg(value, ', ') FROM json_array_elements_text({column}::json -> '{key}') AS value)"


_Words = _SQLite | _PostgreSQL


def _config(words: _Words, config: str) -> str:
    columns = [
        f"{config} AS config",
        f"{words.family(config)} AS family",
        f"{words.scale(config)} AS scale",
        f"{words.fields(config)} AS fields",
        *(f"{words.field(config, name)} AS {name.lower()}" for name in FIELDS),
    ]
    return ", ".join(columns)


def _sweeps(words: _Words) -> str:
    counts = ", ".join(
        f"count(CASE WHEN t.state = '{state}' THEN 1 END) AS {state}"
        for state in ("done", "failed", "running", "pending")
    )
    return f"""
        SELECT s.id, s.name, s.source, s.space, {words.date("s.created_at")} AS created,
            count(t.id) AS planned, {counts}, {words.list_in("s.settings", "tags")} AS tags,
            {words.text_in("s.settings", "note")} AS note, {words.text_in("s.settings", "archived")} AS archived
        FROM sweep s LEFT JOIN sweep_trial st ON st.sweep_id = s.id LEFT JOIN trial t ON t.id = st.trial_id
        GROUP BY s.id, s.name, s.source, s.space, s.created_at, s.settings"""


def _trials(words: _Words) -> str:
    return f"""
        SELECT s.name AS sweep, t.id AS trial, {_config(words, "t.config")}, t.seed, t.source, t.state,
            t.attempt AS attempts, t.failure, t.node, t.seconds, t.steps, {words.date("t.finished_at")} AS finished,
            t.engines, t.trained_on, t.training_precision, t.torch
        FROM trial t JOIN sweep_trial st ON st.trial_id = t.id JOIN sweep s ON s.id = st.sweep_id"""


def _qualities(words: _Words) -> str:
    return f"""
        SELECT s.name AS sweep, t.id AS trial, {_config(words, "t.config")}, t.seed, t.source,
            m.dataset AS test_set, m.metric, q.value, m.unit, m.protocol
        FROM quality q JOIN measure m ON m.id = q.measure_id JOIN trial t ON t.id = q.trial_id
            JOIN sweep_trial st ON st.trial_id = t.id JOIN sweep s ON s.id = st.sweep_id
        WHERE t.state = 'done' AND q.value IS NOT NULL"""


def _results(words: _Words) -> str:
    """Quality is the mean over the seeds of a sweep; every speed of a config stands beside it."""
    by_set = ", ".join(
        f"max(CASE WHEN metric = 'psnr' AND dataset = '{name}' THEN value END) AS psnr_{name.lower()}"
        for name in TEST_SETS
    )
    sets = ", ".join(f"model.psnr_{name.lower()}" for name in TEST_SETS)
    return f"""
        WITH mean AS (
            SELECT s.name AS sweep, t.source, t.config, m.protocol, m.id AS measure_id, m.dataset, m.metric,
                avg(q.value) AS value, count(q.value) AS seeds, max(t.finished_at) AS finished_at
            FROM trial t JOIN sweep_trial st ON st.trial_id = t.id JOIN sweep s ON s.id = st.sweep_id
                JOIN quality q ON q.trial_id = t.id JOIN measure m ON m.id = q.measure_id
            WHERE t.state = 'done'
            GROUP BY s.name, t.source, t.config, m.protocol, m.id, m.dataset, m.metric
        ), model AS (
            SELECT sweep, source, config, protocol, max(seeds) AS seeds, max(finished_at) AS finished_at,
                min(CASE WHEN metric = 'psnr' THEN measure_id END) AS first_psnr, {by_set}
            FROM mean GROUP BY sweep, source, config, protocol
        )
        SELECT model.sweep, model.source, {_config(words, "model.config")}, model.seeds,
            mean.dataset AS test_set, mean.value AS psnr, {sets}, model.protocol,
            v.device, v.backend, v.precision, v.protocol AS speed_protocol, v.source AS speed_source, v.fps,
            1000 * v.seconds_median AS milliseconds, v.power_w, v.energy_j, v.memory_mib,
            {words.flag_in("v.detail", "disturbed")} AS disturbed,
            {words.date("model.finished_at")} AS finished, {words.date("v.measured_at")} AS measured
        FROM model
            LEFT JOIN mean ON mean.sweep = model.sweep AND mean.source = model.source
                AND mean.config = model.config AND mean.measure_id = model.first_psnr
            LEFT JOIN speed v ON v.config = model.config"""


_TEXTS = {"sweeps": _sweeps, "trials": _trials, "qualities": _qualities, "results": _results}
