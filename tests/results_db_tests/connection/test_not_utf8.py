"""Names of files and hosts that are not UTF-8: kept escaped where they are remembered, else refused in one line."""

from __future__ import annotations

import os

import pytest

from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import planned
from tests.results_db_tests.kit.servers import Server

ODD = os.fsdecode(b"caf\xe9")


def test_a_folder_that_is_not_utf8_is_remembered_as_it_is(store: Store) -> None:
    number = store.create_sweep("s", "paper", "{}", "g", settings={"data": {"root": f"/data/{ODD}"}})
    assert store.sweep(number).settings["data"]["root"] == f"/data/{ODD}"


def test_a_name_that_is_not_utf8_is_refused_in_one_line(store: Store) -> None:
    with pytest.raises(StoreError, match=r"caf\\+udce9.* is not UTF-8 text"):
        store.create_sweep(f"s-{ODD}", "paper", "{}", "g", settings={})


def test_a_host_that_is_not_utf8_is_refused_in_one_line_and_nothing_is_half_done(store: Store) -> None:
    _, trials = planned(store, 2)
    with pytest.raises(StoreError, match="is not UTF-8 text"):
        store.claim(trials, f"{ODD}:1:2", 60)
    assert store.counts().running == 0


def encoded(server: Server, encoding: str) -> str:
    """The address of a new database whose server stores text in ``encoding``."""
    name = f"in_{encoding.lower()}"
    server.admin(f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    return f"postgresql+psycopg://postgres@/{name}?host={server.host}"


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_postgresql_of_another_encoding_gives_text_back_as_it_was(server: Server, encoding: str) -> None:
    with Store.open(encoded(server, encoding)) as store:
        number = store.create_sweep("Größe", "paper", "{}", "g", settings={"note": "größer"})
        assert store.sweep(number).name == "Größe" and store.sweep(number).settings["note"] == "größer"
        _, trials = planned(store, 2)
        assert len(store.claim(trials, "müller:1:2", 60)) == 2


def test_what_a_postgresql_cannot_hold_in_its_encoding_is_one_line(server: Server) -> None:
    url = encoded(server, "LATIN2")
    with Store.open(url) as store:
        with pytest.raises(StoreError, match="encoding") as ended:
            store.create_sweep("日本", "paper", "{}", "g", settings={})
        assert "\n" not in str(ended.value) and not store.sweeps()
