"""The compiled step: C++ that is built once per machine with its compiler and called through ctypes.

Without a compiler (or with EDGE_SWEEP_NATIVE=0) ``library`` is None and ``why_not`` says why; packs then run in
torch operations, slower.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "native"
FLAGS = ("-O3", "-std=c++17", "-fPIC", "-shared", "-pthread", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi")
_TUNING = (("-march=native",), ("-mcpu=native",), ())


def library() -> ctypes.CDLL | None:
    """The loaded library, built on first use (about 10 s) and kept in the user's cache folder."""
    return _load()[0]


def why_not() -> str:
    """Why there is no compiled step; empty where there is one."""
    return _load()[1]


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    if os.environ.get("EDGE_SWEEP_NATIVE", "1") == "0":
        return None, "EDGE_SWEEP_NATIVE=0"
    compiler = find_compiler()
    if compiler is None:
        return None, "no C++ compiler was found (install g++ or clang, or set CXX)"
    try:
        path = _cache_folder() / f"step-{_digest(compiler)}.so"
        if not path.exists():
            build(compiler, SOURCES / "step.cpp", path)
        return _declare(ctypes.CDLL(str(path))), ""
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        return None, f"the compiled step cannot be built: {str(error).strip()[:300]}"


def find_compiler() -> str | None:
    """``$CXX``, or the C++ compiler that is installed; None where there is none."""
    return os.environ.get("CXX") or next((c for c in ("c++", "g++", "clang++") if shutil.which(c)), None)


def _cache_folder() -> Path:
    base = os.environ.get("EDGE_SWEEP_CACHE") or os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "edge-sweep"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    folder = Path(tempfile.gettempdir()) / f"edge-sweep-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to another user")
    return folder


def _digest(compiler: str) -> str:
    """Digest of the sources, the compiler and the processor: different machines may share a home folder."""
    digest = hashlib.sha256(" ".join((compiler, *FLAGS, platform.machine(), _processor())).encode())
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    fields = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in info.read_text().splitlines() if line.startswith(fields)}))


def build(compiler: str, source: Path, path: Path) -> None:
    """Build ``source`` for this processor as the library ``path``. Raises RuntimeError with the compiler's words.

    Several processes may build at once: each writes its own file and renames it into place.
    """
    error = ""
    handle, name = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    try:
        for tuning in _TUNING:
            command = [compiler, *FLAGS, *tuning, f"-I{SOURCES}", "-o", name, str(source)]
            result = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if result.returncode == 0:
                Path(name).replace(path)
                return
            error = error or result.stderr
        raise RuntimeError(error)
    finally:
        Path(name).unlink(missing_ok=True)


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, real = ctypes.c_void_p, ctypes.c_float
    library.pack_new.restype = pointer
    library.pack_new.argtypes = [pointer, ctypes.c_int]
    library.pack_rule.restype = None
    library.pack_rule.argtypes = [pointer, pointer, pointer, ctypes.c_int]
    library.pack_layers.restype = ctypes.c_int
    library.pack_layers.argtypes = [pointer, pointer, pointer, ctypes.c_int]
    library.pack_whiten.restype = None
    library.pack_whiten.argtypes = [pointer, ctypes.c_int, pointer]
    library.pack_free.restype = None
    library.pack_free.argtypes = [pointer]
    library.image_quality.restype = ctypes.c_int
    library.image_quality.argtypes = [pointer, pointer, *[ctypes.c_int] * 2, *[ctypes.c_int64] * 2, *[pointer] * 3]
    library.pack_step.restype = ctypes.c_int
    library.pack_step.argtypes = [*[pointer] * 8, real, real, real, real]
    return library
