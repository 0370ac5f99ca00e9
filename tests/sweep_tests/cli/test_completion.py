"""Tab in a real shell: the script that the command gives it, and what it then offers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from results_db.reading.sweeps import change
from results_db.store import Store
from sweep.cli import completion
from tests.results_db_tests.kit.facts import finish, key, planned, speed
from tests.sweep_tests.cli.test_option_names import ALL
from workers.backends import backends
from workers.benchmark.protocols import PROTOCOLS
from workers.quality import protocol

SWEEP = Path(sys.executable).parent / "sweep"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a database, a recipe, a space and image sets of its own."""
    with Store.open(str(tmp_path / "lab.db")) as store:
        _, trials = planned(store, 2, "night-run")
        finish(store, trials)
        store.add_speeds([speed(key(1).config, device="my-board")])
        change(store, "night-run", ["baseline"])
        store.create_sweep("search-wide", "demo", "{}")
    for name in ("mine.yaml", "space.py", "net.onnx", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "sr" / "Set5").mkdir(parents=True)
    (tmp_path / "edge-sweep.toml").write_text('db = "lab.db"\ndata-root = "sr"\ndevice = "bench"\n')
    return tmp_path


def offered(folder: Path, *words: str, **environment: str) -> list[str]:
    """What the command answers a shell that completes the last word."""
    line = {"COMP_WORDS": " ".join(["sweep", *words]), "COMP_CWORD": str(len(words))}
    asked = {**os.environ, **line, "_SWEEP_COMPLETE": "complete_bash", **environment}
    told = subprocess.run([SWEEP], capture_output=True, text=True, cwd=folder, env=asked)
    assert told.stderr == ""
    return told.stdout.split()


@pytest.mark.parametrize(
    ("words", "there"),
    [
        (("export", "ESPCN_s2_D22_S3"), {"ESPCN_s2_D22_S32"}),
        (("logs", "eSR-TM_s4_K7_C1"), {"eSR-TM_s4_K7_C1", "eSR-TM_s4_K7_C16"}),
        (("run", "--family", "eSR"), {"eSR-MAX", "eSR-TM", "eSR-TR", "eSR-CNN"}),
        (("run", "--space", ""), {"demo", "paper", "extended", "ESPCN", "mine.yaml", "space.py"}),
        (("run", "--recipe", ""), {"demo", "paper", "evening", "mine.yaml"}),
        (("recipe", "show", "ev"), {"evening"}),
        (("plot", "pa"), {"pareto"}),
        (("status", "--sweep", ""), {"night-run"}),
        (("tag", "ni"), {"night-run"}),
        (("list", "--tag", "b"), {"baseline"}),
        (("best", "--device", ""), {"my-board", "bench"}),
        (("table", "--metric", "psnr"), {"psnr:Set5"}),
        (("run", "--test", "S"), {"Set5"}),
        (("evaluate", "--data", "emb"), {"embedded-test"}),
        (("db", "ch"), {"check"}),
        (("upscale", "--model", "eSR-TM_s2_K5_C"), {"eSR-TM_s2_K5_C1", "eSR-TM_s2_K5_C4"}),
        (("upscale", "--model", "net"), {"net.onnx"}),
        (("benchmark", "--backend", ""), {"eager", "onnxruntime", "vulkan"}),
        (("benchmark", "--precision", "b"), {"bf16"}),
        (("bundle", "--precision", ""), {"fp32", "fp16", "int8"}),
        (("evaluate", "--db", "lab.db", "--sweep", "ni"), {"night-run"}),
        (("evaluate", "--metric", ""), {"psnr", "ssim", "lpips"}),
        (("evaluate", "--quality-protocol", ""), {"aa", "matlab"}),
        (("plot", "--quality-protocol", ""), {"y-v1"}),
        (("plot", "--against", "p"), {"published"}),
        (("search", "--sweep", ""), {"wide"}),
        (("import-measurements", "--device", "my"), {"my-board"}),
        (("data", "check", "S"), {"Set5"}),
        (("data", "fetch", "DIV"), {"DIV2K-valid"}),
        (("table", "--test-set", ""), {"Set5"}),
        (("replay", "--table", "published", "--dataset", "Urb"), {"Urban100"}),
        (("export", "--data", "emb"), {"embedded-test"}),
    ],
)  # fmt: skip
def test_names_are_completed(folder: Path, words: tuple[str, ...], there: set[str]) -> None:
    found = offered(folder, *words)
    assert there <= set(found)
    assert "notes.txt" not in found and all(one.startswith(words[-1]) for one in found)


NAMED = {
    *("--space", "--family", "--recipe", "--train-set", "--test-set", "--device", "--sweep", "--source", "--against"),
    *("--backend", "--precision", "--speed-protocol", "--quality-protocol", "--metric", "--model", "--config", "--tag"),
    *("--data", "--table"),
}
"""Options whose values are names."""
NO_NAMES = {"IN...", "FILE", "BACKUP", "SRC", "DST", "DIR|URL", "NAME[=WHERE]"}
"""Arguments that are files, addresses and trackers."""


@pytest.mark.parametrize("name", ALL)
def test_every_option_and_argument_that_takes_a_name_completes_it(name: str) -> None:
    for parameter in ALL[name].params:
        is_option = parameter.param_type_name == "option"
        if (set(parameter.opts) & NAMED) if is_option else parameter.metavar not in NO_NAMES:
            assert parameter._custom_shell_complete is not None, parameter.opts


def test_there_is_a_command_with_each_option_that_takes_a_name() -> None:
    assert {option for one in ALL.values() for parameter in one.params for option in parameter.opts} >= NAMED


def test_backends_and_precisions_are_those_there_are() -> None:
    built_in = {name: one for name, one in backends().items() if one.prepare.__module__.startswith("workers.")}
    assert tuple(sorted(completion.BACKENDS)) == tuple(sorted(built_in))
    assert set(completion.PRECISIONS) == {name for one in built_in.values() for name in one.precisions}


def test_protocols_are_those_there_are() -> None:
    assert set(completion.SPEED_PROTOCOLS) == set(PROTOCOLS)
    assert set(completion.QUALITY_PROTOCOLS) == set(protocol.PROTOCOLS)


def test_another_database_on_the_line_is_asked(folder: Path) -> None:
    Store.open(str(folder / "other.db")).close()
    assert offered(folder, "status", "--db", "other.db", "--sweep", "") == []
    assert offered(folder, "status", "--sweep", "", SWEEP_DB="other.db") == []


def test_what_cannot_be_asked_is_no_error(folder: Path) -> None:
    (folder / "lab.db").write_bytes(b"not a database, but long enough to be looked at")
    assert offered(folder, "status", "--sweep", "") == []
    (folder / "edge-sweep.toml").write_text("db = [")
    assert offered(folder, "best", "--device", "") == [] == offered(folder, "status", "--sweep", "")
    assert "pareto" in offered(folder, "plot", "")


def test_bash_completes_with_the_script_that_the_command_prints(folder: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    asked = {**os.environ, "_SWEEP_COMPLETE": "source_bash", "PATH": f"{SWEEP.parent}:{os.environ['PATH']}"}
    script = subprocess.run([SWEEP], capture_output=True, text=True, env=asked).stdout
    press = 'COMP_WORDS=(sweep plot par); COMP_CWORD=2; _sweep_completion sweep; echo "${COMPREPLY[@]}"'
    told = subprocess.run(
        [bash, "--norc", "-c", f"{script}\n{press}"], capture_output=True, text=True, cwd=folder, env=asked
    )
    assert told.stdout.split() == ["pareto"]
