"""Text of strangers commands no terminal and is no formula, wherever it is printed or drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.charts.output import save
from analysis.kinds import figure
from analysis.reading.selection import Selection
from results_db.store import Store
from search_space.facts import Speed
from search_space.visible import visible
from sweep.cli import output
from tests.sweep_tests.inside import inside as command

EVIL = "\x1b]0;owned\x07\x1b[2J$\\frac{$ \u202eevil"


@given(st.text())
def test_no_control_character_is_left_and_the_rest_stays(text: str) -> None:
    shown = visible(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert visible(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize("say", [output.print_text, output.note, output.warn, output.error, output.refuse])
def test_every_way_of_saying_something_shows_escapes_as_text(say, capsys) -> None:
    say(ValueError(EVIL) if say is output.refuse else EVIL)
    told = "".join(capsys.readouterr())
    assert "\\x1b]0;owned" in told and "\x1b]" not in told and "\u202e" not in told


def test_tables_and_lines_show_escapes_as_text(capsys) -> None:
    output.print_lines([EVIL])
    output.print_table(["a", "b"], [[EVIL, "1"]], title=EVIL)
    told = capsys.readouterr().out
    assert told.count("\\x1b]0;owned") == 3 and "\x1b]" not in told


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_device_of_a_strangers_database_is_drawn_as_text_not_as_a_formula(tmp_path: Path, ending: str) -> None:
    from tests.results_db_tests.kit import facts

    db = str(tmp_path / "s.db")
    with Store.open(db) as store:
        _, trials = facts.planned(store)
        facts.finish(store, trials)
        names = [row.key.config for row in store.trials()]
        store.add_speeds([Speed(name, EVIL, "eager", "fp32", "fullhd14", 30.0 + i) for i, name in enumerate(names)])
        drawn = figure("pareto", store, Selection(device=EVIL))
        save(drawn, tmp_path / f"p.{ending}")
    assert (tmp_path / f"p.{ending}").stat().st_size > 1000
    told = command("status", "--db", db)
    assert "Traceback" not in told.stderr
