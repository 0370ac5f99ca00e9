"""The notebook in docs runs from top to bottom on a real store."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tour.ipynb"


def test_the_tour_runs_and_ends_with_the_command_to_ship(sweep_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_DB", str(sweep_db))
    tour = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(tour, timeout=300, kernel_name="python3").execute(cwd=str(NOTEBOOK.parent))
    assert "sweep export" in tour.cells[-1].outputs[0].text
    assert any("image/png" in out.get("data", {}) for cell in tour.cells for out in cell.get("outputs", []))
    nbformat.validate(tour)
