"""benchmarks/gpu_check.py , whole: on a made-up GPU with interpreted kernels, and with torch and numpy only."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.workers_tests.packs.fakecuda import fake_cuda
from tests.workers_tests.packs.interpreted import load_interpreted

load_interpreted()

from benchmarks import _gpu_frames, _gpu_watch, gpu_check  # noqa: E402
from search_space.spaces import load_space  # noqa: E402
from workers.packs import proof  # noqa: E402
from workers.packs.stacked_engine import StackedEngine  # noqa: E402
from workers.training.patches import PatchSampler  # noqa: E402

ROOT = Path(__file__).parents[2]
SMI = """#!/bin/sh
echo "made-up GPU, 580.65.06, 61.5, 345, 2619, 1980, 34, 37, 81559"
"""
WATTS = 400
NVML = """
#include <time.h>
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)1; return index != 0; }
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *millijoules = WATTS * (now.tv_sec * 1000ULL + now.tv_nsec / 1000000);
    return device != (void *)1;
}
"""
"""A GPU that draws 400 W by its energy counter, which is what counts, and 61.5 W by nvidia-smi."""
CC = shutil.which("cc") or shutil.which("gcc")


def uncomputed(stage, counts):
    """A stage in which kernels of our own are launched and not carried out."""

    def run(check, out):
        counts.compute = False
        try:
            stage(check, out)
        finally:
            counts.compute = True

    return run


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """All JSON files of a run with a made-up GPU."""
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "nvidia-smi").write_text(SMI)
    (folder / "nvidia-smi").chmod(0o755)
    proof.fault_of.cache_clear()
    with pytest.MonkeyPatch.context() as patch, fake_cuda() as counts:
        patch.setenv("PATH", str(folder), prepend=":")
        patch.setitem(sys.modules, "psutil", None)  # a GPU does without, as without all but torch and numpy
        if CC:
            (folder / "nvml.c").write_text(NVML)
            library = folder / "libnvidia-ml.so.1"
            subprocess.run([CC, "-shared", "-fPIC", f"-DWATTS={WATTS}", "-o", library, folder / "nvml.c"], check=True)
            patch.setattr(_gpu_watch, "LIBRARY", str(library))
        patch.setattr(proof, "PACK", ("eSR-TM_s2_K3_C2", "ESPCN_s2_D0_S3"))
        for name in ("rates", "whole_space"):  # interpreted, what is only timed would take minutes
            patch.setitem(gpu_check.RUN, name, uncomputed(gpu_check.RUN[name], counts))
        status = gpu_check.main(["--small", "--minutes", "20", "--out", str(folder / "out")])
    proof.fault_of.cache_clear()
    return status, {path.stem: json.loads(path.read_text()) for path in (folder / "out").glob("*.json")}


def test_every_stage_succeeds_and_has_its_file(found):
    status, files = found
    failed = {name: one["failed"] for name, one in files.items() if "failed" in one}
    assert not failed and status == 0
    assert set(files) == {*gpu_check.STAGES, "gpu_check", "fused_training_gpu"}
    for name in gpu_check.STAGES:
        assert files["gpu_check"][name] == files[name]
    assert files["gpu_check"]["measured_on_a_gpu"] is False, "it was a small run"


def test_the_stages_say_what_they_are_for(found):
    _, files = found
    assert files["idle"]["power_w"] == files["ready"]["power_w"] == 61.5
    assert files["idle"]["used_percent"] == files["whole_space"]["x3"]["used_percent"] == 37
    assert (
        files["card"]["gpu"]["name"] == "made-up GPU" and files["card"]["nvidia_smi"]["driver_version"] == "580.65.06"
    )
    assert files["card"]["at_start"]["tf32_cudnn"] is True, "torch's default, before anything is measured"
    assert files["patches"] | {"stage_seconds": 0} == {
        "x2": True,
        "x3": True,
        "x4": True,
        "equal": True,
        "stage_seconds": 0,
    }
    assert files["compile"]["variants"] > 10
    assert files["engines"]["used for fp32"] == ["kernels", "stacked", "plain"]
    assert not any(one["fault"] for one in files["engines"].values() if isinstance(one, dict))
    rates, training = files["rates"], files["fused_training_gpu"]
    assert rates["single"] > 0 and rates["stacked"] > 0 and rates["kernels"] > 0
    assert set(rates["compiled_of"]) | set(rates["not_compiled"])
    assert training["config_steps_per_s"]["fused"] == rates["kernels"]
    assert training["ratio_fused_single"] == pytest.approx(rates["kernels"] / rates["single"])
    assert files["whole_space"]["way"] == "kernels" and files["whole_space"]["configs"] == 12
    assert files["whole_space"]["projected_hours_paper_sweep"] is None, "a sample is not the space"
    frames = files["frames"]["seconds_a_frame"]
    assert len(frames) == 3 and files["frames"]["precision"] == "fp16"
    for row in frames.values():
        assert row["eager"] > 0 and row["cudagraph"] > 0, row
        assert 0 < row["eager, difference from float32"] < 0.05


@pytest.mark.skipif(CC is None, reason="a stand-in for NVML needs a C compiler")
def test_energy_comes_from_the_counter(found):
    _, files = found
    whole = files["whole_space"]
    for scale in ("x2", "x3", "x4"):
        assert whole[scale]["energy_j"] == pytest.approx(WATTS * whole[scale]["seconds"], rel=0.2, abs=4)
    assert whole["joules_a_config_step"] == pytest.approx(WATTS * whole["seconds_a_step"] / 12, rel=0.3)


def test_wrong_patches_and_a_wrong_engine_are_failures(tmp_path, monkeypatch, capsys):
    stages = {name: gpu_check.STAGES[name] for name in ("patches", "engines")}
    monkeypatch.setattr(gpu_check, "STAGES", stages)
    arguments = ["--device", "cpu", "--minutes", "9", "--out", str(tmp_path)]
    monkeypatch.setattr(proof, "PACK", ("eSR-TM_s2_K3_C2",))
    proof.fault_of.cache_clear()
    assert gpu_check.main(arguments) == 0
    assert capsys.readouterr().out.count(": done") == 2
    monkeypatch.setattr(PatchSampler, "batches", other_each_time(PatchSampler.batches))
    monkeypatch.setattr(StackedEngine, "steps", lambda self, *args: None)
    proof.fault_of.cache_clear()
    assert gpu_check.main(arguments) == 1
    proof.fault_of.cache_clear()
    whole = json.loads((tmp_path / "gpu_check.json").read_text())
    assert whole["patches"]["equal"] is False and "not those of the CPU" in whole["patches"]["failed"]
    assert whole["engines"]["failed"].startswith("stacked, fp32: ")
    assert "done" not in capsys.readouterr().out


def other_each_time(batches):
    """``PatchSampler.batches`` of a device that draws something else each time it is asked."""
    calls = itertools.count()

    def wrong(self, first, number):
        low, high = batches(self, first, number)
        return low + next(calls), high

    return wrong


HUNG = """
import ctypes, sys
from pathlib import Path
from benchmarks import gpu_check

def hang(check, out):
    out["first"] = 1
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)  # never comes back, and no signal ends it

gpu_check.RUN[sys.argv[2]] = hang
gpu_check.STAGES = {sys.argv[2]: 1.0, "card": 0.1}
gpu_check.GRACE_S, gpu_check.HUNG_S = 0.2, 0.5
gpu_check.main(["--device", "cpu", "--minutes", "0.02", "--out", sys.argv[1]])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="blocks in a mutex of the C library as Linux has it")
@pytest.mark.parametrize("stage", ["frames", "start"])
def test_a_call_that_never_returns_ends_the_run_and_what_was_found_stays(stage, tmp_path):
    command = [sys.executable, "-c", HUNG, str(tmp_path), stage]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3 and f"{stage}: hung" in done.stdout, done.stderr
    assert json.loads((tmp_path / f"{stage}.json").read_text()) == {"first": 1, "failed": "hung"}
    whole = json.loads((tmp_path / "gpu_check.json").read_text())
    assert whole[stage]["failed"] == "hung" and whole["device"] == "cpu" and "card" not in whole


def test_a_stage_that_takes_too_long_is_broken_off_and_keeps_what_it_found(tmp_path, monkeypatch, capsys):
    def slow(check, out):
        out["first"] = 1
        time.sleep(60)

    def careful(check, out):
        with suppress(Exception):  # as an engine does with what goes wrong in it
            slow(check, out)

    monkeypatch.setitem(gpu_check.RUN, "rates", careful)
    monkeypatch.setattr(gpu_check, "GRACE_S", 0.0)
    check = gpu_check.Check("cpu", 1.0, tmp_path, small=True)
    began = time.monotonic()
    gpu_check.run_stage(check, "rates", 0.2)
    assert time.monotonic() - began < 20
    kept = json.loads((tmp_path / "rates.json").read_text())
    assert kept["first"] == 1 and kept["failed"].startswith("OutOfTime")


def test_without_a_gpu_it_says_so_and_does_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_check.main(["--out", str(tmp_path / "out")]) == 2
    assert "there is no NVIDIA GPU here" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_it_needs_torch_and_numpy_only(tmp_path):
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[^a-zA-Z0-9_-]", pin)[0].lower() for pin in pins} - {"torch", "numpy"}
    names.discard("psutil")  # asked for a CPU's free memory; a GPU does without (see ``found``)
    assert {"ray", "sqlalchemy"} <= names
    modules = {name.replace("-", "_") for name in names} | {"PIL", "yaml", "skimage", "sklearn", "pynvml"}
    blocked = f"""
import sys
for name in {modules!r}:
    sys.modules[name] = None  # as if it were not installed
sys.argv = ["gpu_check.py", "--device", "cpu", "--minutes", "3", "--out", {str(tmp_path)!r}]
import runpy
runpy.run_path({str(ROOT / "benchmarks" / "gpu_check.py")!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", blocked], capture_output=True, text=True, cwd=tmp_path, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": done") == len(gpu_check.STAGES)


@pytest.mark.parametrize("count", [60, 237, 600])
def test_any_beginning_of_the_frames_is_a_fair_sample(count):
    configs = load_space("paper").configs
    ordered = _gpu_frames.stratified(configs)
    assert sorted(one.id for one in ordered) == sorted(one.id for one in configs)
    whole = Counter((one.family, one.scale) for one in configs)
    begun = Counter((one.family, one.scale) for one in ordered[:count])
    for group, number in whole.items():
        assert abs(begun[group] - count * number / len(configs)) <= 1.5, group
