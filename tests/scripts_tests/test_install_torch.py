"""scripts/install-torch, run for real with small stand-ins for pip, nvidia-smi and uname on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = re.findall(r"^torch==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[0]
PIP = """#!/bin/bash
echo "$*" >> "$LOG"
for known in $NOT_FOUND; do [[ "$*" == *"$known"* ]] && exit 1; done
exit 0
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        for name, text in (("pip", PIP), ("python", "#!/bin/bash\nexit $CANNOT_USE\n")):
            self.has(name, text)
        for tool in ("bash", "sed", "dirname", "grep"):
            (folder / tool).symlink_to(str(shutil.which(tool)))
        self.has("uname", "#!/bin/bash\necho Linux\n")

    def has(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def run(self, **environment: str) -> tuple[list[str], str]:
        """What pip was asked for, and what people were told."""
        known = {"PATH": str(self.folder), "LOG": str(self.log), "NVIDIA_PROC": str(self.folder / "nvidia")}
        done = subprocess.run(
            [str(self.folder / "bash"), str(ROOT / "scripts" / "install-torch"), str(self.folder / "pip")],
            env={**known, "NOT_FOUND": "", "CANNOT_USE": "0", **environment},
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode == 0) == (environment.get("TORCH") != "tpu"), done.stderr
        asked = self.log.read_text().splitlines() if self.log.exists() else []
        assert all("--constraint constraints.txt" in line for line in asked)
        return [line.split("constraints.txt ")[1] for line in asked], done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


CPU_INDEX = "--timeout 20 --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu"


def test_without_a_gpu_the_cpu_build_is_taken_and_it_says_so(machine: Machine) -> None:
    asked, told = machine.run()
    assert asked == [f"torch=={VERSION}+cpu"]
    assert f"PyTorch {VERSION} for CPUs (there is no NVIDIA GPU here)" in told


def test_the_cpu_build_comes_from_pytorchs_own_index_where_pip_knows_no_other(machine: Machine) -> None:
    machine.has("pip", PIP.replace('"$*" == *"$known"*', '"$*" == *"constraints.txt torch"*"$known"*'))
    asked, _ = machine.run(NOT_FOUND="+cpu")
    assert asked == [f"torch=={VERSION}+cpu", f"{CPU_INDEX} torch=={VERSION}+cpu"]


def test_where_the_cpu_build_cannot_be_had_pips_own_is_taken_with_a_warning(machine: Machine) -> None:
    asked, told = machine.run(NOT_FOUND="+cpu")
    assert asked[-1] == f"torch=={VERSION}" and len(asked) == 3
    assert "the CPU build cannot be had here" in told


def test_with_a_gpu_the_cuda_build_is_taken_and_it_says_so(machine: Machine) -> None:
    machine.has("nvidia-smi", "#!/bin/bash\necho 'GPU 0: NVIDIA H100 (UUID: GPU-1)'\n")
    asked, told = machine.run()
    assert asked == [f"torch==={VERSION}"]
    assert "with CUDA (nvidia-smi lists a GPU)" in told and "cannot use the GPU" not in told


def test_a_loaded_driver_is_enough_and_a_tool_without_a_gpu_is_not(machine: Machine) -> None:
    machine.has("nvidia-smi", "#!/bin/bash\necho 'NVIDIA-SMI has failed' ; exit 9\n")
    assert machine.run()[0] == [f"torch=={VERSION}+cpu"]
    (machine.folder / "nvidia").mkdir()
    (machine.folder / "nvidia" / "version").touch()
    asked, told = machine.run()
    assert asked[-1] == f"torch==={VERSION}" and "the NVIDIA driver is loaded" in told


@pytest.mark.parametrize(("choice", "wanted"), [("cpu", f"torch=={VERSION}+cpu"), ("cuda", f"torch==={VERSION}")])
def test_a_choice_counts_whatever_the_machine_has(choice: str, wanted: str, machine: Machine) -> None:
    machine.has("nvidia-smi", "#!/bin/bash\necho 'GPU 0: NVIDIA H100 (UUID: GPU-1)'\n")
    asked, told = machine.run(TORCH=choice)
    assert asked == [wanted] and f"TORCH={choice}" in told


def test_a_build_that_cannot_use_the_driver_is_named_with_the_way_out(machine: Machine) -> None:
    _, told = machine.run(TORCH="cuda", CANNOT_USE="1")
    assert "this PyTorch cannot use the GPU" in told and "TORCH_INDEX=" in told


def test_another_index_is_used_where_it_is_named(machine: Machine) -> None:
    asked, _ = machine.run(TORCH="cuda", TORCH_INDEX="https://download.pytorch.org/whl/cu126")
    assert asked == [
        f"--index-url https://download.pytorch.org/whl/cu126 --extra-index-url https://pypi.org/simple torch=={VERSION}"
    ]


def test_a_mac_takes_what_pypi_has_and_an_unknown_choice_is_refused(machine: Machine) -> None:
    machine.has("uname", "#!/bin/bash\necho Darwin\n")
    assert machine.run()[0] == [f"torch=={VERSION}"]
    _, told = machine.run(TORCH="tpu")
    assert "TORCH must be auto, cpu or cuda, not 'tpu'" in told


def test_make_passes_the_choice_on_and_installs_again_for_another() -> None:
    def planned(*arguments: str) -> str:
        command = ["make", "--dry-run", "install", "VENV=/nowhere", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "TORCH=auto TORCH_INDEX= bash scripts/install-torch /nowhere/bin/pip" in planned()
    assert "TORCH=cuda" in planned("TORCH=cuda") and "touch /nowhere/.installed-cuda" in planned("TORCH=cuda")
