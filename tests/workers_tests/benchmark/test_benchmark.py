import multiprocessing
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from search_space import parse_id
from search_space.config import Config
from search_space.errors import BadData
from search_space.facts import Speed
from workers.backends import Job, backend, core, find
from workers.benchmark import FULLHD14, QHD5, REFERENCE, Session, benchmark, protocol, varied
from workers.benchmark.disturbance import CpuWatch
from workers.benchmark.lock import whole_machine
from workers.benchmark.subject import prepare
from workers.device_model import cuda_state
from workers.sensors import Reading, Sensors
from workers.timing.disturbance import Window
from workers.timing.turns import Turn, take_turns

TINY = replace(QHD5, name="tiny", width=96, height=96, rounds=2, warm_seconds=0.2)
TWO = [parse_id("Bicubic_s2"), parse_id("eSR-MAX_s3_K3_C2")]


@pytest.fixture(autouse=True)
def _own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_SWEEP_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr("workers.timing.turns.PATIENT_S", 0.0)


@pytest.fixture(autouse=True)
def _own_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(core, "_registry", core.backends())


def test_a_benchmark_gives_one_figure_a_config_with_its_spread() -> None:
    seen: list[Speed] = []
    speeds = benchmark(TWO, device_name="here", protocol=TINY, progress=seen.append)
    assert [s.config for s in speeds] == [c.id for c in TWO] == [s.config for s in seen]
    for speed in speeds:
        assert speed.runs >= TINY.timed
        assert speed.fps == pytest.approx(1 / (speed.seconds_median or 0))
        assert (speed.seconds_min or 0) <= (speed.seconds_median or 0)
        assert (speed.device, speed.backend, speed.precision, speed.protocol) == ("here", "eager", "fp32", "tiny")


def test_what_cannot_be_read_is_none_with_a_reason() -> None:
    session = Session("here", protocol=TINY, sensors=Sensors((), (("rapl", "no package zone"),)))
    ((speed,),) = session.measure(TWO[:1])
    assert speed.power_w is None
    assert speed.energy_j is None
    assert speed.detail["throttled"] is None
    for name in ("power_w", "energy_j", "temperature_c", "clock_mhz", "throttled"):
        assert "no package zone" in speed.detail["missing"][name]
    assert (speed.memory_mib is None) == ("memory_mib" in speed.detail["missing"])


class FourWatts:
    """A board whose power rises while it works; its counter adds up."""

    name = "recorded"

    def __init__(self) -> None:
        self.last = Reading(energy_j=0.0)

    def read(self) -> Reading:
        now = Reading()
        energy = (self.last.energy_j or 0.0) + 4.0 * (now.at - self.last.at)
        self.last = replace(now, energy_j=energy, temperature_c=50.0, throttled=("power cap",))
        return self.last


def test_power_and_temperature_come_from_the_sensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.timing.energy.idle_power.__defaults__", (0.05, 0.0))
    monkeypatch.setattr("workers.timing.energy.run_power.__defaults__", (0.05, 0.05))
    ((speed,),) = Session("here", protocol=TINY, sensors=Sensors((FourWatts(),))).measure(TWO[:1])
    assert speed.power_w == pytest.approx(4.0, rel=0.05)
    assert speed.temperature_c == 50.0
    assert speed.detail["throttled"] == ["power cap"]
    # Its power is the same when idle: rounding makes that a little energy, or none that can be told.
    assert speed.energy_j != 0
    assert (speed.energy_j is None) == ("idle" in speed.detail["missing"].get("energy_j", ""))
    assert not {"power_w", "temperature_c", "throttled"} & set(speed.detail["missing"])


def test_the_idle_power_is_read_when_a_network_is_ready_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    @backend("noting", precisions=("fp32",))
    def noting(job: Job) -> object:
        order.append(job.name)
        return find("eager").prepare(job)

    monkeypatch.setattr("workers.benchmark.session.idle_power", lambda sensors: order.append("idle"))
    list(Session("here", "noting", protocol=TINY).measure(TWO[:1]))
    assert order == [REFERENCE, "idle", TWO[0].id]


def test_float32_on_a_gpu_is_float32_while_it_is_measured_and_the_record_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The device is a CPU that is taken for a GPU: what is looked at is which flags are set."""
    flags: set[tuple[bool, bool]] = set()

    @backend("flags", precisions=("fp32",))
    def flagged(job: Job) -> object:
        frame = find("eager").prepare(job)
        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        return lambda: (flags.add((matmul.allow_tf32, cudnn.allow_tf32)), frame())[1]

    monkeypatch.setattr("workers.training.precision.kind_of", lambda device: "cuda")
    monkeypatch.setattr("workers.benchmark.session.cuda_state", lambda compute: cuda_state("cuda"))
    before = torch.backends.cudnn.allow_tf32
    assert before, "torch allows TF32 in convolutions by default"
    ((speed,),) = Session("here", "flags", protocol=TINY).measure(TWO[:1])
    assert flags == {(False, False)} and torch.backends.cudnn.allow_tf32 == before
    assert not speed.detail["cuda"]["tf32_cudnn"] and not speed.detail["cuda"]["tf32_matmul"]
    assert set(speed.detail["cuda"]) >= {"driver", "cudnn_autotune"}


@pytest.mark.parametrize("factor", [1.0, 1e6])
def test_half_precision_is_held_against_float32_also_in_torch(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def built(config: Config, plain: bool = False) -> torch.nn.Module:
        module = torch.nn.Conv2d(1, 1, 1, bias=False)
        torch.nn.init.constant_(module.weight, factor)
        return torch.nn.Sequential(module, torch.nn.Upsample(scale_factor=config.scale))

    monkeypatch.setattr("workers.benchmark.subject.build", built)
    ask = (TWO[0], TINY, find("eager"), "fp16", "cpu", 1)
    if factor == 1.0:
        assert prepare(*ask)().dtype == torch.float16
        return
    with pytest.raises(BadData, match="differs from torch"):
        prepare(*ask)


class RuntimesOwn(Exception):
    """ONNX Runtime's errors are plain exceptions."""


class HotAtFirst:
    """A board that throttles for the first rounds and then no more."""

    name = "recorded"

    def __init__(self, readings: int) -> None:
        self.left = readings

    def read(self) -> Reading:
        self.left -= 1
        return Reading(throttled=("hot",) if self.left >= 0 else ())


@pytest.fixture
def _calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else this machine does during the test."""
    monkeypatch.setattr(CpuWatch, "stop", lambda self: Window(1.0, 1.0, 0.0, 0.0, 2))
    monkeypatch.setattr("workers.timing.disturbance.SLOW_REFERENCE", 1e9)


@pytest.mark.usefixtures("_calm")
def test_a_config_that_was_disturbed_to_the_end_is_measured_again_when_all_others_are() -> None:
    alone = replace(TINY, group=1)
    # One reading before the first round; then two rounds are wanted and four are tried.
    groups = list(Session("here", protocol=alone, sensors=Sensors((HotAtFirst(5),))).measure(TWO))
    assert [[(s.config, s.detail["disturbed"]) for s in group] for group in groups] == [
        [(TWO[0].id, True)],
        [(TWO[1].id, False)],
        [(TWO[0].id, False)],
    ]


@pytest.mark.usefixtures("_calm")
def test_the_better_of_two_figures_of_a_config_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Speed] = []
    monkeypatch.setattr("workers.benchmark.session.find_sensors", lambda compute: Sensors((HotAtFirst(5),)))
    speeds = benchmark(TWO, device_name="here", protocol=replace(TINY, group=1), progress=seen.append)
    assert [s.config for s in speeds] == [c.id for c in TWO]
    assert [s.detail["disturbed"] for s in speeds] == [False, False]
    assert [s.detail["disturbed"] for s in seen] == [True, False, False]


def test_a_machine_that_is_never_quiet_is_measured_and_says_so() -> None:
    groups = list(Session("here", protocol=replace(TINY, group=1), sensors=Sensors((HotAtFirst(1000),))).measure(TWO))
    assert [s.detail["disturbed"] for group in groups for s in group] == [True, True]


@pytest.mark.usefixtures("_calm")
@pytest.mark.parametrize("kind", [RuntimeError, RuntimesOwn])
def test_a_config_that_a_backend_cannot_run_does_not_cost_the_others(kind: type[Exception]) -> None:
    @backend("picky", precisions=("fp32",))
    def picky(job: Job) -> object:
        if job.name == TWO[0].id:
            raise kind("operator not supported\nmore")
        return lambda: job.module(job.input)

    session = Session("here", "picky", protocol=TINY)
    (group,) = session.measure(TWO)
    assert [s.config for s in group] == [TWO[1].id]
    assert session.failed == {TWO[0].id: "operator not supported"}


@pytest.mark.usefixtures("_calm")
def test_a_config_that_stops_on_the_way_does_not_cost_the_others() -> None:
    calls = 0

    @backend("tiring", precisions=("fp32",))
    def tiring(job: Job) -> object:
        def frame() -> torch.Tensor:
            nonlocal calls
            calls += job.name == TWO[0].id
            # Past the check and the warm-up.
            if job.name == TWO[0].id and calls > TINY.warm_frames + 3:
                raise RuntimesOwn("out of memory\nmore")
            return job.module(job.input)

        return frame

    session = Session("here", "tiring", protocol=TINY)
    (group,) = session.measure(TWO)
    assert [s.config for s in group] == [TWO[1].id]
    assert group[0].runs >= TINY.timed
    assert session.failed == {TWO[0].id: "out of memory"}


def test_a_runtime_that_cannot_even_run_the_reference_is_one_clean_error() -> None:
    @backend("broken", precisions=("fp32",))
    def broken(job: Job) -> object:
        raise RuntimesOwn("no kernel\nmore")

    with pytest.raises(BadData, match=r"broken cannot run the reference .* here: no kernel$"):
        list(Session("here", "broken", protocol=TINY).measure(TWO))


def test_a_reference_that_fails_on_the_way_is_one_clean_error() -> None:
    calls = 0

    @backend("dying", precisions=("fp32",))
    def dying(job: Job) -> object:
        def frame() -> torch.Tensor:
            nonlocal calls
            calls += job.name == REFERENCE
            if calls > TINY.warm_frames + 10:
                raise RuntimesOwn("device lost\nmore")
            return job.module(job.input)

        return frame

    with pytest.raises(BadData, match=r"^dying: the reference fails here: device lost$"):
        list(Session("here", "dying", protocol=TINY).measure(TWO))


def test_a_backend_that_computes_something_else_is_not_measured() -> None:
    @backend("liar", precisions=("fp32",))
    def liar(job: Job) -> object:
        if job.name != TWO[0].id:
            return lambda: job.module(job.input)
        return lambda: torch.zeros(1, 1, 96, 96)

    session = Session("here", "liar", protocol=TINY)
    assert list(session.measure(TWO[:1])) == [[]]
    assert "differs from torch" in session.failed[TWO[0].id]


def test_an_unknown_backend_precision_device_or_protocol_is_refused_by_name() -> None:
    with pytest.raises(BadData, match="no backend 'tpu'"):
        Session("here", "tpu")
    with pytest.raises(BadData, match="eager has no int8"):
        Session("here", precision="int8")
    with pytest.raises(BadData, match="no xpu device"):
        Session("here", compute="xpu")
    with pytest.raises(BadData, match="no speed protocol"):
        protocol("hd")


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "ncnn"])
def test_a_memory_format_that_a_backend_would_ignore_is_refused(name: str) -> None:
    with pytest.raises(BadData, match=f"{name} has no channels-last .* eager"):
        Session("here", name, protocol=varied(QHD5, channels_last=True))
    Session("here", "eager", protocol=varied(QHD5, channels_last=True), sensors=Sensors())


def test_a_variant_of_a_protocol_has_another_name() -> None:
    assert varied(FULLHD14, size=(3840, 2160), batch=2).name == "3840x2160x14-b2"
    assert varied(FULLHD14, plain=True).name == "fullhd14-plain"
    assert varied(FULLHD14, size=(1920, 1080), batch=1) == FULLHD14
    with pytest.raises(BadData, match="batch of 0"):
        varied(FULLHD14, batch=0)


def test_the_output_of_the_papers_protocol_is_full_hd_at_every_scale() -> None:
    for scale in (2, 3, 4):
        rows, columns = FULLHD14.low_resolution(scale)
        assert (rows * scale, columns * scale) == (1080, 1920)
    assert FULLHD14.timed == 14


def test_threads_of_torch_are_put_back() -> None:
    before = torch.get_num_threads()
    list(Session("here", protocol=replace(TINY, threads=1)).measure(TWO[:1]))
    assert torch.get_num_threads() == before


def _try_lock(answer: "multiprocessing.Queue[str]") -> None:
    try:
        with whole_machine(wait=False):
            answer.put("held")
    except BadData as error:
        answer.put(str(error))


def test_a_second_benchmark_on_the_machine_is_kept_out() -> None:
    context = multiprocessing.get_context("fork")
    answer: multiprocessing.Queue[str] = context.Queue()
    for inside in (True, False):
        if inside:
            with whole_machine():
                process = context.Process(target=_try_lock, args=(answer,))
                process.start()
                assert "another benchmark" in answer.get(timeout=30)
        else:
            process = context.Process(target=_try_lock, args=(answer,))
            process.start()
            assert answer.get(timeout=30) == "held"
        process.join()


def test_who_waits_is_told_for_whom_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_SWEEP_LOCK", str(tmp_path / "lock"))
    holds = (
        "import time\nfrom workers.benchmark.lock import whole_machine\n"
        "with whole_machine():\n    print(1, flush=True)\n    time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", holds], stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline()
    told: list[str] = []

    def notice(text: str) -> None:
        told.append(text)
        other.kill()

    with whole_machine(notice=notice):
        other.wait()
        other.stdout.close()
    (text,) = told
    assert f"process {other.pid} of " in text and "whole_machine" in text and "slow each other" in text


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(BadData, match="lock"), whole_machine():
        pass
    assert not (tmp_path / "victim").exists()


@pytest.mark.usefixtures("_calm")
def test_a_group_whose_networks_would_fill_the_memory_is_measured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    free, parts = iter((100, 70, 40, 100)), list[int]()

    def noted(turns: Sequence[Turn], *rest: Any) -> Any:
        parts.append(len(turns))
        return take_turns(turns, *rest)

    monkeypatch.setattr("workers.benchmark.session.free_memory", lambda: next(free))
    monkeypatch.setattr("workers.benchmark.session.take_turns", noted)
    three = [*TWO, parse_id("eSR-MAX_s2_K3_C1")]
    (group,) = Session("here", protocol=TINY).measure(three)
    assert [s.config for s in group] == [config.id for config in three] and parts == [2, 1]
