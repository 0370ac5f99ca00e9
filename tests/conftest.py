"""What all tests share: properties are about truth, not time, so no deadline on a busy machine."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from search_space import registry, user_code

settings.register_profile("edge-sweep", deadline=None)
settings.load_profile("edge-sweep")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a fixture of their module run in one process, which then sets it up once."""
    for item in items:
        fixtures = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
        shared = any(one.scope == "module" for of_a_name in fixtures for one in of_a_name)
        if shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_collection_finish(session: pytest.Session) -> None:
    """pytest 9.2 with xdist 3.8 forgets the groups without a word (pytest-xdist issue 1386)."""
    marked = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if getattr(session.config.option, "loadgroup", False) and any("@" not in item.nodeid for item in marked):
        raise pytest.UsageError(f"xdist does not group tests with pytest {pytest.__version__}: see constraints.txt")


@pytest.fixture(autouse=True)
def families_of_users_end_with_their_test() -> Iterator[None]:
    """A family that a test's own file defines is unknown to the next test of the process."""
    families, files = registry.families(), dict(user_code._loaded)
    yield
    for module in set(user_code._loaded) - set(files):
        sys.modules.pop(module, None)
    for known, before in ((registry._families, families), (user_code._loaded, files)):
        known.clear()
        known.update(before)


@pytest.fixture
def sweep(monkeypatch, capsys):
    """Run the command line as a shell does: (exit status, stdout, stderr)."""
    from sweep.cli.main import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sweep", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run
