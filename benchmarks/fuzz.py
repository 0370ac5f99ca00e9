"""Junk thrown at everything that reads what strangers bring: a result or one of our errors, and nothing else.

Two engines take turns on each target: hypothesis (valid samples, cut, spliced and edited, and plain junk) and, where
it is installed (``pip install atheris``; CPython on Linux), atheris, which steers by the lines of our code that an
input reaches. An input counts as a crash when another exception than ours comes out, or no answer within ten seconds.

    python benchmarks/fuzz.py             # 30 s a target and engine; writes benchmarks/results/fuzz.json
    python benchmarks/fuzz.py --target weights    # that one again; the file keeps the others
    python benchmarks/fuzz.py --quick     # 1 s; prints
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

MOST = 4096
"""Bytes of an input, about."""
HANG_S = 10
BATCH = 500


class Hang(Exception):
    """No answer in time."""


@dataclass
class Tally:
    """What one engine did to one target."""

    inputs: int = 0
    accepted: int = 0
    crashes: int = 0
    examples: list[str] = field(default_factory=list)


def try_one(target: Any, data: bytes, folder: Path, tally: Tally) -> None:
    """Feed one input and note how it ended."""
    from search_space.errors import SweepError

    tally.inputs += 1
    signal.alarm(HANG_S)
    try:
        target.feed(data, folder)
        tally.accepted += 1
    except SweepError:
        pass
    except Exception as error:
        tally.crashes += 1
        if len(tally.examples) < 5:
            tally.examples.append(f"{type(error).__name__}: {str(error)[:120]} <- {data[:200]!r}")
    finally:
        signal.alarm(0)


def warm(target: Any, samples: list[bytes], folder: Path) -> None:
    """Valid samples first, without a time limit: an import that the alarm cuts short leaves half a module."""
    for sample in samples:
        with suppress(Exception):
            target.feed(sample, folder)


def by_hypothesis(name: str, seconds: float) -> Tally:
    """Batches of seeded examples until the time is over."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st

    from benchmarks._fuzz_targets import TARGETS

    target, tally = TARGETS[name], Tally()
    samples = target.samples()
    pieces = st.sampled_from([s[i : i + 8] for s in samples for i in range(0, min(len(s), 400), 3)])

    @st.composite
    def edited(draw: st.DrawFn) -> bytes:
        data = bytearray(draw(st.sampled_from(samples)))
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(data)))
            gone = draw(st.sampled_from([0, 1, 1, 2, 8, 64]))
            data[at : at + gone] = draw(st.one_of(st.binary(max_size=6), pieces))
        return bytes(data[: draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))])

    words = st.lists(pieces, max_size=30).map(b"".join)
    junk = st.one_of(edited(), edited(), words, st.binary(max_size=MOST), st.text(max_size=200).map(str.encode))
    with tempfile.TemporaryDirectory() as folder:
        warm(target, samples, Path(folder))
        end, batch = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            batch += 1

            @seed(batch)
            @settings(
                max_examples=BATCH,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(junk)
            def run(data: bytes) -> None:
                if time.monotonic() < end:
                    try_one(target, data, Path(folder), tally)

            run()
    return tally


def by_atheris(name: str, seconds: float) -> Tally:
    """In a process of its own, since libFuzzer ends the one it runs in."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "tally.json"
        command = [sys.executable, __file__, "--child", name, "--seconds", str(seconds), "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if not out.exists():
            raise RuntimeError(f"atheris on {name}: {done.stderr[-2000:]}")
        return Tally(**json.loads(out.read_text()))


def child(name: str, seconds: float, out: Path) -> None:
    """libFuzzer's loop over one target."""
    import atheris

    with atheris.instrument_imports(include=["search_space", "workers", "results_db", "sweep"]):
        from benchmarks._fuzz_targets import TARGETS

        target, tally = TARGETS[name], Tally()
        corpus = Path("corpus")
        corpus.mkdir()
        for number, sample in enumerate(target.samples()):
            (corpus / str(number)).write_bytes(sample)
        warm(target, target.samples(), Path())
    end, last = time.monotonic() + seconds, 0.0

    def run(data: bytes) -> None:
        nonlocal last
        try_one(target, data, Path(), tally)
        now = time.monotonic()
        if now - last > 0.5 or now > end:
            out.write_text(json.dumps(vars(tally)))
            last = now
        if now > end:
            os._exit(0)

    atheris.Setup([sys.argv[0], f"-max_len={MOST}", "-rss_limit_mb=0", "-verbosity=0", "corpus"], run)
    atheris.Fuzz()


def quietly() -> None:
    """Ten seconds an input; warnings of the libraries are not ours."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Hang(f"no answer within {HANG_S} s")

    signal.signal(signal.SIGALRM, late)
    warnings.simplefilter("ignore")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, default=30.0, help="a target and engine")
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    quietly()
    if asked.child:
        child(asked.child, asked.seconds, asked.out)
        return

    from benchmarks._fuzz_targets import TARGETS
    from benchmarks._record import RESULTS, record

    engines = {"hypothesis": by_hypothesis}
    if importlib.util.find_spec("atheris"):
        engines["atheris"] = by_atheris
    else:
        print("atheris is not installed (pip install atheris): hypothesis alone")
    file = RESULTS / "fuzz.json"
    before = json.loads(file.read_text())["rows"] if asked.target and file.exists() else []
    rows: list[dict[str, Any]] = [row for row in before if row["target"] not in asked.target]
    for name in asked.target or TARGETS:
        for engine, fuzz in engines.items():
            tally = fuzz(name, 1.0 if asked.quick else asked.seconds)
            rows.append({"target": name, "engine": engine, **vars(tally)})
            print(json.dumps(rows[-1]), flush=True)
    rows.sort(key=lambda row: list(TARGETS).index(row["target"]))
    total = {"inputs": sum(row["inputs"] for row in rows), "crashes": sum(row["crashes"] for row in rows)}
    print(total)
    if not asked.quick or os.environ.get("EDGE_SWEEP_BENCH_OUT"):
        record("fuzz", {**total, "engines": list(engines), "rows": rows}, ("hypothesis", "atheris", "pillow", "torch"))


if __name__ == "__main__":
    main()
