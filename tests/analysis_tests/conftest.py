from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from results_db.store import Store
from tests.analysis_tests import kit


@pytest.fixture(scope="session")
def sweep_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit.half_done(tmp_path_factory.mktemp("sweep") / "sweep.db")


@pytest.fixture(scope="session")
def sweep_store(sweep_db: Path) -> Iterator[Store]:
    with Store.open(str(sweep_db), readonly=True) as store:
        yield store


@pytest.fixture(scope="session")
def published_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from results_db.foreign import published

    table = published.read(kit.shared("published/tests.pkl"))
    path = tmp_path_factory.mktemp("published") / "published.db"
    with Store.open(str(path)) as store:
        published.keep(store, table)
    return path


@pytest.fixture(scope="session")
def published_store(published_db: Path) -> Iterator[Store]:
    with Store.open(str(published_db), readonly=True) as store:
        yield store
