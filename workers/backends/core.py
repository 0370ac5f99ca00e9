"""What a backend is: a function from a job to a call that runs one frame. Registering one takes a few lines.

    @backend("mine", precisions=("fp32",), needs="mine_runtime")
    def mine(job: Job) -> Frame:
        session = mine_runtime.load(job.module, job.input)
        return lambda: session.run()

Another package registers through the entry point group ``edge_sweep.backends`` (a module to import).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from search_space.errors import BadData, MissingExtra

if TYPE_CHECKING:
    from torch import Tensor, nn

Frame = Callable[[], Any]
"""Runs the network once and returns its output: a tensor, or a numpy array (N, 1, sH, sW)."""


@dataclass(frozen=True)
class Job:
    """A network ready to be measured: the float32 module in evaluation mode on the CPU and its input."""

    name: str
    """The config's id."""
    module: nn.Module
    scale: int
    input: Tensor
    """(N, 1, H, W) float32 in [0, 1] on the CPU."""
    precision: str = "fp32"
    compute: str = "cpu"
    """Where it runs, as torch names it: ``cpu``, ``cuda``, ``cuda:1``."""
    threads: int = 1
    channels_last: bool = False


@dataclass(frozen=True)
class Backend:
    """One way to run a network."""

    name: str
    prepare: Callable[[Job], Frame]
    precisions: tuple[str, ...]
    computes: tuple[str, ...] = ("cpu",)
    needs: str | None = None
    """A module that must be importable."""
    extra: str | None = None
    """The pip extra that brings it."""
    in_torch: bool = False
    """It runs torch modules: torch's memory formats apply, and GPU memory is that of torch's allocator."""
    clips: bool = False
    """Its output is a plane of a picture: what lies outside [0, 1] is cut off."""
    about: Callable[[], dict[str, Any]] = dict
    """What to keep with its measurements (the driver's name of its device); raises MissingExtra where it cannot run."""

    def refuse(self, precision: str, compute: str, channels_last: bool = False) -> None:
        """Raise BadData or MissingExtra when it cannot run that here."""
        if precision not in self.precisions:
            raise BadData(f"{self.name} has no {precision} (it has {', '.join(self.precisions)})")
        if compute.split(":")[0] not in self.computes:
            raise BadData(f"{self.name} does not run on {compute} (it runs on {', '.join(self.computes)})")
        if channels_last and not self.in_torch:
            # It would be ignored, and the measurement would have a wrong name.
            able = ", ".join(one.name for one in _registry.values() if one.in_torch)
            raise BadData(f"{self.name} has no channels-last memory format (leave it out, or use {able})")
        if self.needs is not None and find_spec(self.needs) is None:
            pip = f"'edge-sweep[{self.extra}]'" if self.extra else self.needs
            raise MissingExtra(f"backend {self.name} needs {self.needs}: pip install {pip}")
        self.about()


_registry: dict[str, Backend] = {}
_BUILT_IN = ("torch_eager", "torch_compile", "cuda_graph", "onnx_runtime", "open_vino", "ncnn_cpu", "vulkan")


def backend(
    name: str,
    precisions: tuple[str, ...],
    computes: tuple[str, ...] = ("cpu",),
    needs: str | None = None,
    extra: str | None = None,
    in_torch: bool = False,
    clips: bool = False,
    about: Callable[[], dict[str, Any]] = dict,
) -> Callable[[Callable[[Job], Frame]], Callable[[Job], Frame]]:
    """Register a function as the backend ``name``."""

    def register(prepare: Callable[[Job], Frame]) -> Callable[[Job], Frame]:
        _registry[name] = Backend(name, prepare, precisions, computes, needs, extra, in_torch, clips, about)
        return prepare

    return register


def backends() -> dict[str, Backend]:
    """Every backend by name, installed or not; built-in ones first."""
    for module in _BUILT_IN:
        if find_spec(f"workers.backends.{module}") is not None:
            import_module(f"workers.backends.{module}")
    for point in entry_points(group="edge_sweep.backends"):
        point.load()
    return dict(_registry)


def find(name: str) -> Backend:
    """The backend ``name``; raises BadData naming those there are."""
    by_name = backends()
    if name not in by_name:
        raise BadData(f"there is no backend {name!r} (choose from {', '.join(by_name)})")
    return by_name[name]
