from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from results_db import schema
from results_db.connection.engine import Database
from results_db.connection.migrate import upgrade
from results_db.connection.opening import HEAD, REVISIONS
from results_db.connection.urls import parse
from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import done, key
from tests.results_db_tests.kit.servers import Server

FILL = (
    "INSERT INTO sweep VALUES (1, 'old', 'demo', '{}', 'abc', 'ours', '{}', 1.0)",
    "INSERT INTO trial (id, config, seed, recipe, data, code, source, state, attempt, owner, lease_until, finished_at)"
    " VALUES (1, 'eSR-TM_s2_K5_C1', 0, 'r1', 'd1', 'c1', 'ours', 'done', 1, NULL, NULL, 5.0),"
    " (2, 'eSR-TM_s2_K5_C2', 0, 'r1', 'd1', 'c1', 'ours', 'running', 1, 'dead', 100.0, NULL)",
    "INSERT INTO sweep_trial VALUES (1, 1), (1, 2)",
    "INSERT INTO attempt (trial_id, number, owner, token, started_at, detail) VALUES"
    " (1, 1, 'dead', 'x', 1.0, '{}'), (2, 1, 'dead', 'y', 40.0, '{}')",
    "INSERT INTO measure VALUES (1, 'Set5', 'psnr', 'y-v1', 'dB')",
    "INSERT INTO quality VALUES (1, 1, 36.5)",
    "INSERT INTO artifact VALUES"
    " (1, 'weights', '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', 1, '\\x78')",
)


def old_store(url: str) -> None:
    """A database as the first revision left it, with a finished and a running trial."""
    database = Database(parse(url))

    def make(connection: Connection) -> None:
        upgrade(connection, REVISIONS[0])
        for statement in FILL:
            if connection.dialect.name == "sqlite":
                statement = statement.replace("'\\x78'", "x'78'")
            connection.exec_driver_sql(statement)
        if connection.dialect.name == "postgresql":
            for table in ("sweep", "trial", "measure"):
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 10)")

    database.write(make)
    database.close()


def test_an_older_store_is_migrated_and_keeps_its_facts(url: str) -> None:
    old_store(url)
    with Store.open(url) as store:
        from results_db.reading import frames

        assert store.counts(1).done == 1
        assert frames.results(store)["psnr:Set5"].tolist() == [36.5]
        artifact = store.artifact(1)
        assert artifact is not None and artifact.data == b"x"
        assert store.expire_leases() == [2]
        store.plan(1, [key(3)])
        (claim,) = store.claim([row.id for row in store.missing(1) if row.key == key(3)], "a", 60)
        assert store.record([done(claim)]).accepted
        assert "migrated" in [event.kind for event in store.events()]


def test_a_backup_is_made_first(tmp_path: Path) -> None:
    path = tmp_path / "sweep.db"
    old_store(str(path))
    Store.open(str(path)).close()
    (backup,) = tmp_path.glob("sweep.db.backup-0001-*")
    database = Database(parse(str(backup)), readonly=True)
    assert database.read(version) == REVISIONS[0]
    assert database.read(lambda c: c.execute(text("SELECT value FROM quality")).scalar()) == 36.5
    database.close()


def test_a_backup_is_made_first_on_postgresql(server: Server) -> None:
    url = server.database()
    old_store(url)
    Store.open(url).close()
    found = server.admin("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'edge_sweep_backup_0001_%'")
    name = found[-1][0]
    assert server.admin(f"SELECT value FROM {name}.quality") == [(36.5,)]
    for (schema_name,) in found:
        server.admin(f"DROP SCHEMA {schema_name} CASCADE")


def test_a_migration_that_fails_leaves_the_old_store_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old_store(url)
    database = Database(parse(url))
    # A table that stands in the way of the second revision's last step.
    database.write(lambda c: c.execute(text("CREATE TABLE quality_image (x INTEGER)")).close())
    with pytest.raises(StoreError, match="quality_image"):
        Store.open(url)
    assert database.read(version) == REVISIONS[0]
    assert "lease_from" not in database.read(lambda c: {column["name"] for column in inspect(c).get_columns("trial")})
    database.close()


def test_an_older_store_is_not_changed_by_looking_at_it(url: str) -> None:
    old_store(url)
    with pytest.raises(StoreError, match="older schema 0001: `sweep db migrate --db "):
        Store.open(url, readonly=True)


def test_migrating_ends_with_the_same_tables_as_making_anew(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    old_store(url)
    with Store.open(url) as store:

        def difference(connection: Connection) -> list[object]:
            context = MigrationContext.configure(
                connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True}
            )
            return list(compare_metadata(context, schema.metadata))

        assert store.database.read(version) == HEAD
        assert store.database.read(difference) == []


def version(connection: Connection) -> str:
    return str(connection.execute(text(f"SELECT version_num FROM {schema.VERSION_TABLE}")).scalar_one())


def test_each_revision_has_its_file() -> None:
    from results_db.connection.migrate import MIGRATIONS

    files = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert tuple(files) == REVISIONS


@pytest.mark.parametrize("old", [False, True])
def test_postgresql_clears_replaced_states_away_without_pauses(server: Server, old: bool) -> None:
    url = server.database()
    if old:
        old_store(url)
    with Store.open(url) as store:
        options = store.database.read(
            lambda c: c.execute(
                text(
                    "SELECT t.reloptions, b.reloptions FROM pg_class t JOIN pg_class b ON b.oid = t.reltoastrelid"
                    " WHERE t.oid = 'checkpoint'::regclass"
                )
            ).one()
        )
    assert list(options) == [["autovacuum_vacuum_cost_delay=0"]] * 2
