from __future__ import annotations

import csv
import io

import pytest

from analysis.reading.results import gather
from analysis.reading.selection import Selection
from analysis.table import Table, best_models, render
from results_db.store import Store
from search_space.errors import SweepError


@pytest.fixture(scope="module")
def table(sweep_store: Store) -> Table:
    results = gather(sweep_store, Selection(device="board"))
    return best_models(results, results.metric(None))


def test_each_family_and_scale_has_its_fastest_and_its_best(table: Table, sweep_store: Store) -> None:
    results = gather(sweep_store, Selection(device="board"))
    frame = results.table
    for (scale, family), mine in frame[frame["fps"].notna()].groupby(["scale", "family"]):
        rows = [row for row in table.rows if row[1] == scale and row[2] == family]
        fastest = next(row[4] for row in rows if "fastest" in row[3])
        best = next(row[4] for row in rows if "best" in row[3])
        assert fastest == mine.loc[mine["fps"].idxmax(), "config"]
        assert best == mine.loc[mine["psnr:Set5"].idxmax(), "config"]


def test_markdown_has_a_row_a_model_and_hides_empty_columns(table: Table) -> None:
    lines = render(table, "md").splitlines()
    assert len(lines) == len(table.rows) + 2
    assert "PSNR Set14" in lines[0] and len({line.count("|") for line in lines}) == 1


def test_latex_escapes_ids_and_is_a_whole_table(table: Table) -> None:
    text = render(table, "latex")
    assert text.startswith(r"\begin{tabular}{") and text.endswith("\\end{tabular}\n")
    assert r"eSR-TM\_s2\_K5\_C4" in text and "_s2_" not in text


def test_csv_keeps_all_digits(table: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert [row["config"] for row in rows] == [row[4] for row in table.rows]
    assert float(rows[0]["PSNR Set5"]) == table.rows[0][list(table.columns).index("PSNR Set5")]


def test_an_unknown_form_or_test_set_is_refused(table: Table, sweep_store: Store) -> None:
    with pytest.raises(SweepError, match="md, latex, csv"):
        render(table, "xlsx")
    results = gather(sweep_store)
    with pytest.raises(SweepError, match="choose from Set5, Set14"):
        best_models(results, results.metric(None), ("Set99",))
