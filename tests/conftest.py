"""What all tests share: properties are about truth, not time, so no deadline on a busy machine."""

import sys

import pytest
from hypothesis import settings

settings.register_profile("edge-sweep", deadline=None)
settings.load_profile("edge-sweep")


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
