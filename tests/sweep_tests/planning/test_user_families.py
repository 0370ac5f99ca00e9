"""A user's own family in a stored sweep: kept to the letter, and never mixed with another version of itself."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from results_db.connection.urls import password_line
from results_db.store import Store
from search_space import user_code
from search_space.facts import Speed
from search_space.spaces import load_space
from sweep.planning import user_families
from sweep.planning.settings import SweepSettings
from tests.sweep_tests.conftest import command as elsewhere
from tests.sweep_tests.inside import inside as command

FAMILY = """
from dataclasses import dataclass
from search_space import Config, family

@family("{name}")
@dataclass(frozen=True)
class Mine(Config):
    "One convolution. {note}"
    K: int

    def build(self):
        from torch import nn
        token = self.K
        password = dict(token=token)
        return nn.Sequential(nn.Conv2d(1, self.scale**2, token, padding=token // 2), nn.PixelShuffle(self.scale))
"""
RUN = ("--recipe", "smoke", "--steps", "2", "--no-benchmark", "--executor", "inline")


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a space of one family, with a note in its source; gives the arguments that run it."""
    monkeypatch.setattr(user_code, "_loaded", {})

    def write(name: str, note: str = "") -> tuple[str, ...]:
        (tmp_path / "net.py").write_text(FAMILY.format(name=name, note=note))
        (tmp_path / "space.yaml").write_text(f"imports: net.py\ngrids:\n- {{family: {name}, scale: 2, K: [3, 5]}}\n")
        return ("run", "--space", str(tmp_path / "space.yaml"), *RUN, "--db", str(tmp_path / "s.db"))

    return write


def test_the_text_of_a_family_is_stored_as_it_is_and_a_resume_can_read_it(space, small_data, tmp_path):
    asked = space("Test-Kept")
    done = command(*asked, "--data-root", str(small_data))
    assert done.returncode == 0, done.stderr
    with Store.open(str(tmp_path / "s.db")) as store:
        (row,) = store.sweeps()
        assert "token = self.K" in row.settings["user_code"][-1]["source"]
        user_families.recall(SweepSettings.from_dict(row.settings))
    again = command("resume", "--executor", "inline", "--no-benchmark", "--db", str(tmp_path / "s.db"))
    assert again.returncode == 0, again.stderr


def test_a_changed_family_starts_a_sweep_of_its_own(space, small_data, tmp_path):
    data = ("--data-root", str(small_data))
    assert command(*space("Test-Changed"), *data).returncode == 0
    asked = space("Test-Changed", "A note changes nothing.")
    file = tmp_path / "net.py"
    file.write_text(file.read_text().replace("token // 2", "(token - 1) // 2"))
    assert command(*asked, *data).returncode == 0
    with Store.open(str(tmp_path / "s.db")) as store:
        assert len(store.sweeps()) == 2
        assert len({row.key.code for row in store.trials()}) == 2
        assert store.counts().done == 4


def test_a_changed_family_is_not_put_into_the_sweep_of_its_older_version(space, small_data, tmp_path):
    data = ("--data-root", str(small_data), "--name", "night")
    assert command(*space("Test-Named"), *data).returncode == 0
    refused = command(*space("Test-Named", "Better."), *data)
    assert refused.returncode == 2
    assert "net.py is not the file that sweep 'night' was made with" in refused.stderr
    (typed,) = re.findall(r"go on with the old one by `(sweep resume .*)`", refused.stderr)
    assert shlex.split(typed) == ["sweep", "resume", "--name", "night", "--db", str(tmp_path / "s.db")]
    with Store.open(str(tmp_path / "s.db")) as store:
        assert store.counts().planned == 2


def test_a_family_that_only_the_database_knows_can_be_named_by_any_command(space, small_data, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_SWEEP_LOCK", str(tmp_path / "lock"))
    db, name = str(tmp_path / "s.db"), "Test-Later_s2_K3"
    assert command(*space("Test-Later"), "--data-root", str(small_data)).returncode == 0
    with Store.open(db) as store:
        names = [c.id for c in load_space("demo").configs if c.scale == 2][:12]
        speeds = [Speed(c, "here", "eager", "fp32", "96x96x5", 1.0, 1.0) for c in [*names, "Test-Later_s2_K5"]]
        store.add_speeds(speeds)
    (tmp_path / "net.py").unlink()
    for asked in (
        ("benchmark", name, "--protocol", "qhd5", "--size", "96x96", "--device", "here"),
        ("cost", name, "--device", "here"),
        ("plot", "crops", "--config", name, "--out", "crops.png"),
        ("export", name, "--format", "safetensors", "-o", "net.safetensors"),
    ):
        # A process of its own, which has never seen the file.
        done = elsewhere(*asked, "--db", db, cwd=tmp_path)
        assert done.returncode == 0, (asked, done.stderr)


def test_a_family_with_a_password_in_it_is_not_stored(space, small_data):
    asked = space("Test-Secret", "postgresql://me:hunter2@host/db")
    refused = command(*asked, "--data-root", str(small_data))
    assert refused.returncode == 2 and "net.py:8 holds an address with a password" in refused.stderr
    assert "hunter2" not in refused.stderr


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("url = 'postgresql://me:x@host/db'", 1),
        ("\n\nurl = 'https://me:x@host'", 3),
        ("url = f'postgresql://{user}:{password}@host/db'", 0),
        ("token = self.K\npassword = 3", 0),
        ("url = 'http://localhost:8080/@me'", 0),
        ("@family('x')\nurl = 'https://host/path'", 0),
    ],
)
def test_a_password_is_found_where_an_address_spells_it_out(source, line):
    assert password_line(source) == line
