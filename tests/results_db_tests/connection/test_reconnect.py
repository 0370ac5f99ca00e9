"""Faults between the store and a real PostgreSQL server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from results_db.store import Store
from results_db.tables import leases
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import done, planned
from tests.results_db_tests.kit.servers import Server

KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'edge-sweep'"


@pytest.fixture
def store(server: Server) -> Iterator[Store]:
    with Store.open(server.database(), reconnect_s=20) as opened:
        yield opened


def test_a_connection_dropped_between_writes_is_made_again(store: Store, server: Server) -> None:
    sweep, trials = planned(store)
    for number in trials:
        server.admin(KILL)
        (claim,) = store.claim([number], "a", 60)
        server.admin(KILL)
        assert store.record([done(claim)]).accepted == (number,)
    assert store.counts(sweep).done == len(trials)


def test_a_connection_dropped_inside_a_write_loses_and_doubles_nothing(store: Store, server: Server) -> None:
    _, trials = planned(store)
    claims = store.claim(trials, "a", 60)
    times = 0

    def work(connection: Connection) -> Any:
        nonlocal times
        from results_db.tables import outcomes

        recorded = outcomes.record(connection, [done(one) for one in claims])
        times += 1
        if times == 1:
            server.admin(KILL)
        return recorded

    assert store.database.write(work).accepted == tuple(trials)
    assert times == 2
    assert [one.outcome for one in store.attempts()] == ["done"] * 4


def test_a_claim_whose_answer_was_lost_finds_what_it_had_claimed(store: Store) -> None:
    _, trials = planned(store)
    token = leases.new_token()

    def work(connection: Connection) -> Any:
        return leases.claim(connection, trials, "a", 60, token, {})

    first = store.database.write(work)
    assert store.database.write(work) == first
    assert [one.attempt for one in first] == [1, 1, 1, 1]


def test_drivers_under_fire_end_with_one_result_each(server: Server) -> None:
    url = server.database()
    with Store.open(url) as opened:
        sweep, trials = planned(opened, 60)
    stop = threading.Event()

    def fire() -> None:
        while not stop.wait(0.15):
            server.admin(KILL)

    errors: list[BaseException] = []

    def drive(owner: str) -> None:
        try:
            with Store.open(url, reconnect_s=30) as mine:
                while missing := [row.id for row in mine.missing(sweep)]:
                    claims = mine.claim(missing[:5], owner, 60)
                    mine.record([done(one) for one in claims])
        except BaseException as error:
            errors.append(error)

    drivers = [threading.Thread(target=drive, args=(f"driver-{n}",)) for n in range(3)]
    gun = threading.Thread(target=fire)
    gun.start()
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    stop.set()
    gun.join()
    assert errors == []
    with Store.open(url) as opened:
        assert opened.counts(sweep).done == 60
        assert sorted(one.trial for one in opened.attempts() if one.outcome == "done") == trials


def test_a_server_that_stays_away_is_given_up_with_one_line() -> None:
    from results_db.connection.engine import Database
    from results_db.connection.urls import parse

    database = Database(parse("postgresql+psycopg://me:hunter2@127.0.0.1:9/db"), reconnect_s=0.3)
    start = time.monotonic()
    with pytest.raises(StoreError) as caught:
        database.read(lambda c: c.exec_driver_sql("SELECT 1").scalar())
    assert time.monotonic() - start < 30
    assert "hunter2" not in str(caught.value) and "\n" not in str(caught.value)
