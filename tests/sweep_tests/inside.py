"""``sweep`` within this process: what a user would see, without the seconds that imports take in a new one."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from unittest import mock

from sweep.cli.main import main


def inside(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command; exit status, stdout and stderr as from a process."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["sweep", *arguments]),
        mock.patch.dict("os.environ", {"COLUMNS": "200"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return subprocess.CompletedProcess(arguments, code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())
