"""Settings of a project: one precedence for options, variables, files and defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from results_db.store import Store
from search_space.errors import SweepError
from sweep.cli.main import app
from sweep.settings_file import NOT_IN, VARIABLES, defaults_for, settings
from tests.results_db_tests.kit import facts
from tests.sweep_tests.cli.test_option_names import ALL, WHOLE

runner = CliRunner()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stored(path: Path, name: str) -> None:
    with Store.open(str(path)) as store:
        store.create_sweep(name, "demo", "{}")


def test_an_option_comes_before_a_variable_before_the_file_before_the_default(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sweep", "filed", "varied", "given"):
        stored(project / f"{name}.db", name)

    def shown(*options: str) -> str:
        return str(json.loads(runner.invoke(app, ["status", "--json", *options]).stdout)["sweep"])

    assert shown() == "sweep"
    (project / "edge-sweep.toml").write_text('db = "filed.db"\n')
    assert shown() == "filed"
    monkeypatch.setenv("SWEEP_DB", "varied.db")
    assert shown() == "varied"
    assert shown("--db", "given.db") == "given"


def asked(project: Path, monkeypatch: pytest.MonkeyPatch, setting: str, *command: str) -> Iterator[Result]:
    """A command with a setting from the file, from a variable over that, and as an option over both."""
    (project / "edge-sweep.toml").write_text(f'{setting} = "filed"\n')
    yield runner.invoke(app, command)
    monkeypatch.setenv(VARIABLES[setting], "varied")
    yield runner.invoke(app, command)
    yield runner.invoke(app, [*command, f"--{setting}", "given"])


def test_the_data_root_has_the_same_precedence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("filed", "varied", "given"):
        (project / name / f"set-{name}").mkdir(parents=True)
        Image.new("L", (32, 32)).save(project / name / f"set-{name}" / "a.png")
    command = ("data", "check", "--json")
    runs = [runner.invoke(app, command), *asked(project, monkeypatch, "data-root", *command)]
    found = [[row["name"] for row in json.loads(one.stdout)] for one in runs]
    assert found == [["embedded-train", "embedded-test"], ["set-filed"], ["set-varied"], ["set-given"]]


def test_the_device_has_the_same_precedence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(str(project / "sweep.db")) as store:
        _, trials = facts.planned(store, 1)
        facts.finish(store, trials)
        store.add_speeds([facts.speed(facts.key().config, device=name) for name in ("filed", "varied", "given")])
    command = ("best", "--scale", "2", "--json")
    assert "choose one with --device" in str(runner.invoke(app, command).exception)
    chosen = [json.loads(one.stdout)["device"] for one in asked(project, monkeypatch, "device", *command)]
    assert chosen == ["filed", "varied", "given"]


def test_the_address_has_the_same_precedence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("run", "--space", "demo", "--recipe", "smoke", "--limit", "1", "--no-benchmark")
    refused = asked(project, monkeypatch, "address", *command)
    for one, name in zip(refused, ("filed", "varied", "given"), strict=True):
        assert f"unknown address '{name}'" in str(one.exception)


def test_a_setting_reaches_every_command_that_has_its_option(project: Path) -> None:
    known = settings(dict.fromkeys(VARIABLES.values(), "x"), project)
    reached = defaults_for(WHOLE, known)
    for name, command in ALL.items():
        words = name.split()[1:]
        found = reached
        for word in words:
            found = found.get(word, {})
        for setting in VARIABLES:
            has = any(f"--{setting}" in parameter.opts for parameter in command.params)
            wanted = has and words[0] not in NOT_IN[setting]
            assert (setting.replace("-", "_") in found) == wanted, (name, setting)


def test_a_path_in_the_file_is_beside_the_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "pyproject.toml").write_text('[tool.edge-sweep]\ndb = "s.db"\ndata-root = "sets"\n')
    below = project / "a" / "b"
    below.mkdir(parents=True)
    known = settings({}, below)
    assert known["db"].value == str(project / "s.db") and known["data-root"].value == str(project / "sets")
    assert known["device"].value is None
    stored(project / "s.db", "here")
    monkeypatch.chdir(below)
    assert runner.invoke(app, ["db", "info", "--json"]).exit_code == 0


def test_config_show_names_each_value_and_its_origin(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "edge-sweep.toml").write_text('device = "bench"\n')
    monkeypatch.setenv("SWEEP_DB", "postgresql+psycopg://me:secret@host/sweeps")
    shown = runner.invoke(app, ["config", "show", "--json"])
    facts = {row["name"]: (row["value"], row["origin"]) for row in json.loads(shown.stdout)}
    assert facts["device"] == ("bench", str(project / "edge-sweep.toml"))
    assert facts["db"][1] == "SWEEP_DB" and facts["address"] == ("local", "default")
    assert "secret" not in shown.output


@pytest.mark.parametrize(
    ("text", "said"),
    [('colour = "red"', "no setting 'colour' (there are db"), ("db = 3", "db must be a text"), ("db =", "toml")],
)
def test_a_file_that_is_wrong_is_refused_by_name(project: Path, text: str, said: str) -> None:
    (project / "edge-sweep.toml").write_text(text)
    with pytest.raises(SweepError) as caught:
        settings({}, project)
    assert said in str(caught.value) and "edge-sweep.toml" in str(caught.value)
