"""A CUDA device for machines without one: tensors that say they lie on ``cuda:0`` and compute on the CPU.

Inside ``fake_cuda()`` code that is written for a GPU runs, raises where a GPU would (two devices in one operation,
``.numpy()``), and is counted: kernels, bytes they touch at least, and *syncs*, points where the host waits for the
device (a value that is looked at, a copy to the CPU, a copy from memory that is not pinned). What it cannot show is
speed, races, and numbers that differ because a GPU rounds in another order.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

CUDA = torch.device("cuda", 0)
MEMORY = 80 * 2**30
PROPERTIES = SimpleNamespace(name="made-up GPU", major=9, minor=0, multi_processor_count=132, total_memory=MEMORY)

# Operations that start no kernel, besides views.
FREE = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "lift_fresh"}
FREE |= {"_unsafe_view", "unsqueeze_"}
LOOKS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "item", "_unique2"}
# Their CUDA versions wait for an error code.
SOLVERS = {"linalg_cholesky", "linalg_eigh", "_linalg_eigh", "_linalg_svd", "_linalg_solve_ex", "linalg_lstsq"}
FACTORIES = {"zeros", "ones", "full", "empty", "arange", "eye", "linspace", "rand", "randn", "tensor", "as_tensor"}


@dataclass
class Counts:
    """What was counted since the last ``reset``."""

    kernels: Counter[str] = field(default_factory=Counter)
    syncs: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    compute: bool = True
    """Whether kernels of our own are carried out (interpreted) or only counted."""

    @property
    def launches(self) -> int:
        return sum(self.kernels.values())

    def reset(self) -> None:
        self.kernels.clear()
        self.syncs.clear()
        self.bytes = 0


COUNTS = Counts()


def _sync(what: str) -> None:
    if _Graph.capturing is not None:
        raise RuntimeError(f"operation not permitted when stream is capturing ({what})")
    frames = [f for f in traceback.extract_stack() if "/workers/" in f.filename]
    COUNTS.syncs[f"{what} at {frames[-1].filename.split('/workers/')[1]}:{frames[-1].lineno}" if frames else what] += 1


class CudaTensor(torch.Tensor):
    """Holds a CPU tensor ``elem``. To autograd's C++ it is on the CPU, to Python and to every operation on cuda:0."""

    elem: torch.Tensor

    @staticmethod
    def __new__(cls, elem: torch.Tensor) -> CudaTensor:
        out = torch.Tensor._make_wrapper_subclass(
            cls, elem.size(), strides=elem.stride(), storage_offset=elem.storage_offset(), dtype=elem.dtype,
            device="cpu",
        )  # fmt: skip
        out.elem = elem
        return out

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)

    @property
    def data(self):
        return self.detach()

    @data.setter
    def data(self, value):
        assert isinstance(value, CudaTensor), "set_data of a CUDA tensor with one on the CPU"
        self.elem = value.elem

    def __repr__(self, *, tensor_contents=None):
        return f"CudaTensor({self.elem!r})"

    def numpy(self, *args, **kwargs):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")

    __array__ = numpy

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _run(func, args, kwargs):
    name = func._overloadpacket.__name__
    flat, spec = tree_flatten((args, kwargs))
    cuda = [x for x in flat if isinstance(x, CudaTensor)]
    foreign = [x for x in flat if isinstance(x, torch.Tensor) and not isinstance(x, CudaTensor) and x.dim() > 0]
    if name == "copy_":
        if not isinstance(args[0], CudaTensor):
            _sync("copy to the CPU")
        elif foreign and not (foreign[0].is_pinned() and kwargs.get("non_blocking")):
            _sync("copy from pageable memory")
    elif name in ("index", "index_put", "index_put_", "_index_put_impl_") and isinstance(args[0], CudaTensor):
        if foreign:
            _sync("indices on the CPU")
    elif foreign:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu ({func})")
    if name in LOOKS or name in SOLVERS:
        _sync(name)
    real_args, real_kwargs = tree_unflatten([x.elem if isinstance(x, CudaTensor) else x for x in flat], spec)
    graph = _Graph.capturing
    if graph is not None:
        graph.keep_what_changes(func, real_args, real_kwargs)
    with _disable_current_modes():
        out = func(*real_args, **real_kwargs)
    if graph is not None:
        graph.note(func, real_args, real_kwargs, out)
    else:
        _count(func, real_args, out)
    if name == "copy_" and not isinstance(args[0], CudaTensor):
        return args[0]
    known = {id(x.elem): x for x in cuda}

    def wrap(x: Any) -> Any:
        if not isinstance(x, torch.Tensor) or isinstance(x, CudaTensor):
            return x
        return known.get(id(x)) if id(x) in known else CudaTensor(x)

    return tree_map(wrap, out)


def _count(func, args, out):
    name = func._overloadpacket.__name__
    if not (func.is_view or name in FREE or name in LOOKS):
        COUNTS.kernels[name] += 3 if name == "convolution_backward" else 1
        touched = [*tree_flatten(args)[0], *tree_flatten(out)[0]]
        COUNTS.bytes += sum(x.numel() * x.element_size() for x in touched if isinstance(x, torch.Tensor))


class _Move(torch.autograd.Function):
    """To another device and back, under autograd too."""

    @staticmethod
    def forward(ctx, x, to_cuda, waits):
        ctx.to_cuda = to_cuda
        if waits:
            _sync("copy from pageable memory" if to_cuda else "copy to the CPU")
        with _disable_current_modes():
            return CudaTensor(x.detach().clone()) if to_cuda else x.elem.detach().clone()

    @staticmethod
    def backward(ctx, gradient):
        return _Move.apply(gradient, not ctx.to_cuda, True), None, None


class _FakeCuda(TorchFunctionMode):
    """Sees calls as Python makes them: factories with a device, and moves between devices."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in FACTORIES and _is_cuda(kwargs.get("device")):
            kwargs["device"] = "cpu"
            with _disable_current_modes():
                made = func(*args, **kwargs)
            if name in ("tensor", "as_tensor"):
                _sync(f"torch.{name} from host values")
            elif name != "empty":
                COUNTS.kernels[name] += 1
            grad, made.requires_grad = made.requires_grad, False
            return CudaTensor(made).requires_grad_(grad)
        if name in ("to", "cpu", "cuda") and args and isinstance(args[0], torch.Tensor):
            return _to(name, args, kwargs)
        if name == "pin_memory":
            pinned = args[0].clone()
            pinned._fake_pinned = True
            return pinned
        if name == "is_pinned":
            return getattr(args[0], "_fake_pinned", False)
        if name == "tolist" and isinstance(args[0], CudaTensor):
            _sync("tolist")
            return args[0].elem.tolist()
        return func(*args, **kwargs)


def _is_cuda(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _to(name, args, kwargs):
    x, *rest = args
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    if name in ("cpu", "cuda"):
        device, rest = name, []
    for one in rest:
        if isinstance(one, torch.Tensor):
            device, dtype = one.device, one.dtype
        elif isinstance(one, torch.dtype):
            dtype = one
        elif isinstance(one, (str, torch.device)):
            device = one
    here = isinstance(x, CudaTensor)
    there = here if device is None else _is_cuda(device)
    if here != there:
        pinned = getattr(x, "_fake_pinned", False) and bool(kwargs.get("non_blocking"))
        x = _Move.apply(x, there, not pinned)
    return x if dtype is None or dtype == x.dtype else torch.Tensor.to(x, dtype)


class _Stream:
    def __init__(self, *args, **kwargs):
        pass

    def wait_stream(self, other):
        pass

    def synchronize(self):
        pass


class _Event:
    def __init__(self, enable_timing: bool = False):
        self.at = 0.0

    def record(self, stream=None):
        self.at = time.perf_counter()

    def synchronize(self):
        _sync("event")

    def elapsed_time(self, end):
        return 1000 * (end.at - self.at)


class _Graph:
    """Operations and launches that were captured: nothing is changed by them until ``replay``."""

    capturing: _Graph | None = None

    def __init__(self):
        self.calls = []
        self.before = {}

    def keep_what_changes(self, func, args, kwargs):
        """What an operation writes to, as it was: a capture computes nothing."""
        for place, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value = args[place] if place < len(args) else kwargs.get(argument.name)
                for x in tree_flatten(value)[0]:
                    if isinstance(x, torch.Tensor):
                        self.before.setdefault(id(x), (x, x.clone()))

    def note(self, func, args, kwargs, out):
        def again():
            # What was captured in inference mode can be written to in it alone.
            with _disable_current_modes(), torch.inference_mode():
                new = func(*args, **kwargs)
                for old, one in zip(tree_flatten(out)[0], tree_flatten(new)[0], strict=True):
                    if isinstance(old, torch.Tensor) and old is not one:
                        old.copy_(one)
            _count(func, args, out)

        if not func.is_view:
            self.calls.append(again)

    def replay(self):
        for call in self.calls:
            call()


@contextlib.contextmanager
def _capture(graph, pool=None, stream=None):
    _Graph.capturing = graph
    try:
        yield
    finally:
        _Graph.capturing = None
        with torch.inference_mode():
            for x, was in graph.before.values():
                x.copy_(was)
        graph.before.clear()


def _launch(kernel, grid, arguments, constants):
    """A kernel of our own: counted, and carried out (interpreted) on what the tensors hold."""
    if _Graph.capturing is not None:
        _Graph.capturing.calls.append(partial(_launch, kernel, grid, arguments, constants))
        return
    COUNTS.kernels[kernel.__name__] += 1
    if any(isinstance(x, torch.Tensor) and not isinstance(x, CudaTensor) for x in arguments):
        raise RuntimeError(f"{kernel.__name__}: Pointer argument cannot be accessed from Triton (cpu tensor?)")
    if COUNTS.compute:
        with _disable_current_modes():
            kernel[grid](*(x.elem if isinstance(x, CudaTensor) else x for x in arguments), **constants)


@contextlib.contextmanager
def fake_cuda(compute: bool = True) -> Iterator[Counts]:
    """``device="cuda"`` works inside; ``compute=False`` only counts kernels of our own."""
    from workers.packs.kernels import launch

    COUNTS.reset()
    COUNTS.compute = compute
    patches = {
        "is_available": lambda: True, "device_count": lambda: 1, "current_device": lambda: 0,
        "mem_get_info": lambda device=None: (MEMORY, MEMORY), "empty_cache": lambda: None,
        "synchronize": lambda device=None: _sync("synchronize"), "get_device_capability": lambda device=None: (9, 0),
        "get_device_name": lambda device=None: "made-up GPU", "Stream": _Stream,
        "current_stream": lambda device=None: _Stream(), "stream": lambda stream: contextlib.nullcontext(),
        "CUDAGraph": _Graph, "graph": _capture, "graph_pool_handle": lambda: None, "Event": _Event,
        "device": lambda device: contextlib.nullcontext(),
        "set_device": lambda device: None, "max_memory_allocated": lambda device=None: 0,
        "get_device_properties": lambda device=None: PROPERTIES,
    }  # fmt: skip
    future = torch.__future__
    overwrite = future.get_overwrite_module_params_on_conversion()
    future.set_overwrite_module_params_on_conversion(True)
    try:
        with mock.patch.multiple(torch.cuda, **patches), mock.patch.object(launch, "launch", _launch), _FakeCuda():
            yield COUNTS
    finally:
        future.set_overwrite_module_params_on_conversion(overwrite)
