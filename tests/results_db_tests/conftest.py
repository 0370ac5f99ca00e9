from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from results_db.store import Store
from tests.results_db_tests.kit.servers import server as server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address where there is no store yet, once for each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("server").database())


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened
