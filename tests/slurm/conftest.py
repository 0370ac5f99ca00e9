from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.results_db_tests.kit.servers import server as server
from tests.slurm.kit import Slurm, why_not


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A Slurm of three nodes; its folder has a short name, as sockets want it."""
    if reason := why_not():
        pytest.skip(reason)
    made = Slurm(Path(tempfile.mkdtemp(prefix="slurm-")))
    made.down()
    try:
        made.up()
        yield made
    finally:
        made.down()
    shutil.rmtree(made.folder, ignore_errors=True)
