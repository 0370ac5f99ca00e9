"""Names of files and hosts that are not UTF-8: kept escaped where they are remembered, else refused in one line."""

from __future__ import annotations

import os

import pytest

from results_db.store import Store
from search_space.errors import StoreError
from tests.results_db_tests.kit.facts import planned

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
