"""Two sweeps of one's own beside each other: chart, table and page."""

from __future__ import annotations

import csv
import io
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.compare import compared
from analysis.reading.selection import Selection
from analysis.report.content import content
from results_db.store import Store
from search_space import parse_id
from search_space.errors import SweepError
from search_space.facts import Done, TrialKey
from search_space.spaces import load_space
from tests.analysis_tests import kit

GAIN = 0.25
"""dB of every model of the second sweep over the first."""
BOTH = Selection(sweep="before", other_sweep="after")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``before`` has the demo's configs, ``after`` all but two of them, better, by another recipe."""
    path = tmp_path_factory.mktemp("two") / "two.db"
    configs = load_space("demo").configs
    with Store.open(str(path)) as store:
        kit.finish(store, kit.plan(store, "before"))
        after = store.create_sweep("after", "demo", '{"steps": 200}')
        store.plan(after, [TrialKey(config.id, 0, "other", "data", "code") for config in configs[2:]])
        found = {config.id: config for config in configs}
        for claim in store.claim([row.id for row in store.missing(after)], "test", 60):
            config = found[claim.key.config]
            better = kit.worse(kit.qualities(config), -GAIN)
            store.record([Done(claim.trial, claim.attempt, better, (kit.artifact(config),), 2.5, 100, "node-1")])
    return path


@pytest.fixture
def store(db: Path) -> Iterator[Store]:
    with Store.open(str(db), readonly=True) as opened:
        yield opened


def test_the_chart_has_the_second_against_the_first(store: Store) -> None:
    figure, agreements, _ = compared(store, BOTH)
    assert sum(one.count for one in agreements) == 28
    assert [round(one.median, 6) for one in agreements] == [GAIN] * len(agreements)
    assert figure.axes[0].get_ylabel() == "after (dB)"
    back, *_ = compared(store, replace(BOTH, sweep="after", other_sweep="before"))
    assert back.axes[0].get_ylabel() == "before (dB)"


def test_the_table_says_what_the_second_changed(sweep, db: Path) -> None:
    status, out, _ = sweep("table", "--compare", "--sweep", "before", "--sweep", "after", "--format", "csv", "--db", db)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0 and sum(int(row["models"]) for row in rows if row["family"] == "all") == 28
    for row in rows:
        changes = [float(value) for name, value in row.items() if "change" in name or name in ("lowest", "highest")]
        assert changes == pytest.approx([GAIN] * 3)
        assert row["config of before"] == row["config of after"]
        assert float(row["best of after"]) == pytest.approx(float(row["best of before"]) + GAIN)
    assert sweep("table", "--sweep", "before", "--sweep", "after", "--db", db)[1].startswith("| scale")


def test_the_page_has_both_and_an_export_of_the_right_one(store: Store, sweep, db: Path, tmp_path: Path) -> None:
    shown = content(store, BOTH)
    assert shown.title == "before and after"
    assert [source["name"] for source in shown.sources] == ["before", "after"]
    assert shown.health["counts"]["done"] == 58 and shown.training["costs"]["attempts"] == 58
    commands = list(zip(shown.exports, shown.models["source"], strict=True))
    for place, name in enumerate(("before", "after")):
        mine = [shlex.split(command) for command, source in commands if source == place]
        named = [words[words.index("--sweep") + 1] for words in mine if "--sweep" in words]
        assert named and set(named) == {name}
    out = tmp_path / "both.html"
    assert sweep("report", "--sweep", "before", "--sweep", "after", "--out", out, "--db", db)[0] == 0
    assert re.search(r"before and after", out.read_text())


def test_one_sweep_is_as_it_was(store: Store) -> None:
    shown = content(store, Selection(sweep="after"))
    assert [source["name"] for source in shown.sources] == ["ours"] and shown.health["counts"]["planned"] == 28
    assert len(shown.exports) == len(shown.models["config"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("plot", "compare", "--sweep", "before", "--sweep", "before"), "two different sweeps"),
        (("plot", "compare", "--sweep", "before", "--sweep", "never"), "no sweep 'never'"),
        (("plot", "pareto", "--sweep", "before", "--sweep", "after"), "only compare takes two"),
        (("table", "--compare", "--sweep", "before"), "--sweep A --sweep B"),
        (("report", *("--sweep", "before") * 3), "two sweeps at a time"),
    ],
)
def test_what_cannot_be_compared_is_refused(sweep, db: Path, tmp_path: Path, arguments, reason: str) -> None:
    form = () if arguments[0] == "table" else ("--out", tmp_path / ("x.html" if arguments[0] == "report" else "x.png"))
    status, _, err = sweep(*arguments, *form, "--db", db)
    assert status == 2 and reason in err


def test_the_chart_says_how_both_were_measured_and_what_is_disturbed(sweep, db: Path, tmp_path: Path) -> None:
    noisy = shutil.copy(db, tmp_path / "noisy.db")
    with Store.open(str(noisy)) as store:
        store.add_speeds([
            replace(one, detail={"disturbed": parse_id(one.config).scale == 2, "threads": 2})
            for one in store.speeds(device="board")
        ])  # fmt: skip
        figure, _, speeds = compared(store, BOTH)
        quiet, *_ = compared(store, replace(BOTH, undisturbed_only=True))
    said = figure.texts[1].get_text().replace("\n", " · ")
    assert said.startswith("after (ours): y-test, 1 seed · before (ours): y-test, 1 seed · speeds: 1920x1080")
    count = int(((speeds["device"] == "board") & (speeds["scale"] == 2)).sum())
    assert "(fullhd14), eager fp32" in said and f"{count} of 56 speeds disturbed" in said and count >= 8
    assert "disturbed" not in quiet.texts[1].get_text()
    pair = ("plot", "compare", "--sweep", "before", "--sweep", "after", "--db", noisy, "--out", tmp_path / "x.png")
    told = sweep(*pair)[2]
    assert f"{count} of 56 speeds disturbed" in told and "repeat on board: sweep benchmark --disturbed" in told
    assert "disturbed" not in sweep(*pair, "--undisturbed-only")[2]


def test_the_command_and_the_script_draw_the_same_chart(sweep, db: Path, tmp_path: Path) -> None:
    from analysis.script import main

    pair = ("--sweep", "before", "--sweep", "after", "--db", str(db))
    assert sweep("plot", "compare", *pair, "--out", tmp_path / "a.svg")[0] == 0
    main("compare", [*pair, "--out", str(tmp_path / "b.svg")])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_no_model_in_common_is_said(tmp_path: Path) -> None:
    configs = load_space("demo").configs
    with Store.open(str(tmp_path / "x.db")) as store:
        for name, part in (("before", configs[:2]), ("after", configs[2:4])):
            kit.finish(store, kit.plan(store, name, part), trained=False)
        with pytest.raises(SweepError, match="after and before have no model in common"):
            compared(store, BOTH)
