from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from search_space.spaces import load_space
from sweep.search.encoding import encoding
from sweep.search.objectives import parse_objective
from sweep.search.samplers import SamplerName, make_sampler
from sweep.search.studies import add_result, open_storage, open_study, storage_url
from tests.results_db_tests.conftest import server, url  # noqa: F401

DASHBOARD = str(Path(sys.executable).parent / "optuna-dashboard")


@contextmanager
def dashboard(storage: str) -> Iterator[str]:
    """optuna-dashboard as a user starts it, on a free port."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [DASHBOARD, storage, "--port", str(port), "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
        assert process.stderr
        process.stderr.close()


def fetch(address: str, patience: float = 60.0) -> Any:
    """JSON from a server that may still be starting."""
    until = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(address, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def test_optuna_dashboard_opens_a_search_as_it_is(url: str, tmp_path: Path) -> None:  # noqa: F811
    space = load_space("demo")
    encoded, name = encoding(space, 2), f"{tmp_path.name}-x2"
    objectives = [parse_objective("psnr:Set5"), parse_objective("macs")]
    configs = [c for c in space.configs if c.scale == 2]
    sampler = make_sampler(SamplerName.FRONTIER, encoded, configs, objectives)
    study = open_study(open_storage(url), name, objectives, sampler)
    for i, config in enumerate(configs[:4]):
        assert add_result(study, encoded, config, (30.0 + i, 100.0 * i))
    asked = study.ask()
    config = encoded.suggest(asked)
    study.tell(asked, (35.0, 50.0))
    with dashboard(storage_url(url)) as address:
        listed = fetch(f"{address}/api/studies")["study_summaries"]
        (mine,) = [one for one in listed if one["study_name"] == name]
        assert mine["directions"] == ["maximize", "minimize"]
        shown = fetch(f"{address}/api/studies/{mine['study_id']}?after=0")
    trials = shown["trials"]
    assert [trial["state"] for trial in trials] == ["Complete"] * 5
    assert [trial["values"] for trial in trials[:4]] == [[30.0 + i, 100.0 * i] for i in range(4)]
    assert trials[-1]["values"] == [35.0, 50.0]
    assert config not in configs[:4], "what is finished is not tried again"
    assert shown["objective_names"] == ["psnr:Set5", "macs"]
