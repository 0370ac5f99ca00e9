from collections.abc import Iterator

import pytest

from workers.packs import proof
from workers.packs.kernels import graph


@pytest.fixture
def fresh_proofs() -> Iterator[None]:
    """Engines prove themselves anew, and what a test found out of them is forgotten after it."""
    proof.fault_of.cache_clear()
    yield
    proof.fault_of.cache_clear()
    graph.allow()
