"""Options that several commands share, spelt and explained once."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated

import typer

from search_space.errors import BadData, SweepError
from sweep.api.arguments import DEFAULT_DB as DEFAULT_DB
from sweep.cli import completion
from sweep.settings_file import VARIABLES


def finite(value: float | None) -> float | None:
    """Refuse NaN and infinities, which pass every comparison or none."""
    if value is not None and not math.isfinite(value):
        raise SweepError(f"{value} is not a number to work with")
    return value


def sides(size: str | None) -> tuple[int, int] | None:
    """Width and height of ``--size``; BadData when it names none.

    >>> sides("3840x2160")
    (3840, 2160)
    """
    if size is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", size.lower())
    if found is None:
        raise BadData(f"--size {size!r} is not a width and a height (write 3840x2160)")
    return int(found[1]), int(found[2])


# The database and the form of the output

Db = Annotated[
    str,
    typer.Option(
        "--db", envvar=VARIABLES["db"], help="Results database: a path, sqlite:///FILE or postgresql+psycopg://..."
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show each event: what starts, ends, is tried again.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress; the log beside the database has all.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]

# Which configs

Space = Annotated[
    str,
    typer.Option(
        "--space",
        "-s",
        help="demo, paper, extended, a family's name, or a YAML or Python file.",
        autocompletion=completion.spaces,
    ),
]
OptionalSpace = Annotated[
    str | None,
    typer.Option(
        "--space",
        "-s",
        help="demo, paper (the default), extended, a family's name, or a YAML or Python file.",
        autocompletion=completion.spaces,
    ),
]
Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Configs; default a whole space.", autocompletion=completion.ids),
]
ConfigId = Annotated[str, typer.Argument(metavar="ID", help="Such as eSR-TM_s2_K5_C4.", autocompletion=completion.ids)]
Family = Annotated[
    list[str] | None,
    typer.Option("--family", help="Only this family (repeatable).", autocompletion=completion.families),
]
Scale = Annotated[list[int] | None, typer.Option("--scale", help="Only this scale (repeatable).")]
Where = Annotated[
    str | None,
    typer.Option("--where", help='Such as "C<=8 and K==3"; also family, scale, parameters, macs (Full HD).'),
]
Limit = Annotated[int | None, typer.Option("--limit", min=0, help="The first N configs.")]
Sample = Annotated[
    int | None, typer.Option("--sample", min=0, help="N configs at random, fairly over families and scales.")
]
SampleSeed = Annotated[int, typer.Option("--seed", min=-(2**63), max=2**63 - 1, help="Of the sample.")]

# What they are trained and measured with

DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        envvar=VARIABLES["data-root"],
        metavar="DIR",
        help="Folder of image sets (T91, Set5, ...); default: embedded photographs.",
    ),
]
MovedDataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", metavar="DIR", help="Where the image sets are now; default where the sweep had them."),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME|FILE",
        help="One of `sweep recipe list`, or a .yaml or .json file; default demo for --space demo, else paper.",
        autocompletion=completion.recipes,
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", min=0, help="Training steps instead of the recipe's.")]
TrainSets = Annotated[
    list[str] | None,
    typer.Option("--train-set", "--train", help="Training set (repeatable).", autocompletion=completion.image_sets),
]
TestSets = Annotated[
    list[str] | None,
    typer.Option("--test-set", "--test", help="Test set (repeatable).", autocompletion=completion.image_sets),
]

# Where and how training runs

Address = Annotated[
    str,
    typer.Option(
        "--address",
        envvar=VARIABLES["address"],
        metavar="A",
        help="Ray cluster: local, auto, HOST:PORT or ray://HOST:PORT.",
    ),
]
ExecutorName = Annotated[str, typer.Option("--executor", help="actors (Ray Core), tune (Ray Tune) or inline (no Ray).")]
PackSize = Annotated[
    int | None,
    typer.Option(
        "--pack-size",
        min=1,
        help="Most configs trained together; 1 trains each alone. Default 48, and on GPUs a whole scale.",
    ),
]
MaxAttempts = Annotated[int, typer.Option("--max-attempts", min=1, help="Attempts at a trial before it stays failed.")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0, help="Seconds a pack may take; 0 gives up those without progress for 20 minutes."),
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        "--checkpoint-every",
        min=0,
        metavar="S",
        help="Seconds between two stored states of a trial in training; 0 stores one only when stopped.",
    ),
]
Cpus = Annotated[float, typer.Option("--cpus-per-worker", min=0.1, callback=finite, help="CPUs of one worker.")]
Gpus = Annotated[
    str,
    typer.Option(
        "--gpus-per-worker",
        metavar="auto|N",
        help="GPUs of one worker; auto: one on nodes that have some, CPUs elsewhere; 0 trains on CPUs.",
    ),
]
WorkerCount = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        metavar="N",
        help="Workers to have: a cluster that grows is asked for them. 0 takes all there is room for.",
    ),
]
DataVia = Annotated[
    str,
    typer.Option(
        "--data-via",
        metavar="WAY",
        help="How images reach workers: store (Ray's object store), path (each reads --data-root itself), "
        "or a folder's URL (s3://bucket/folder, file:///mnt/x).",
    ),
]
SpeedPhase = Annotated[bool, typer.Option("--benchmark/--no-benchmark", help="Measure speed here after training.")]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="NAME[=WHERE]",
        help="Tell tensorboard, mlflow, wandb, webhook=URL (or EDGE_SWEEP_WEBHOOK), command=COMMAND or a plug-in what "
        "happens (repeatable).",
    ),
]
DeviceName = Annotated[
    str | None,
    typer.Option(
        "--device",
        envvar=VARIABLES["device"],
        help="Name under which this machine's speed is stored.",
        autocompletion=completion.devices,
    ),
]
MeasureProtocol = Annotated[
    str | None,
    typer.Option(
        "--speed-protocol",
        help="How speed is measured: fullhd14 (the paper's), uhd14 (4K) or qhd5 (quick); "
        "default the stored one, or qhd5 for recipes below 10,000 steps and else fullhd14.",
        autocompletion=completion.speed_protocols,
    ),
]

# Which stored results

SweepName = Annotated[
    str | None,
    typer.Option(
        "--sweep", "--name", help="A sweep's name or number; default the newest.", autocompletion=completion.sweeps
    ),
]
SweepNames = Annotated[
    list[str], typer.Argument(metavar="SWEEP...", help="Names or numbers of sweeps.", autocompletion=completion.sweeps)
]
OneSweep = Annotated[
    str | None,
    typer.Option("--sweep", "--name", help="One sweep; default all of the source.", autocompletion=completion.sweeps),
]
TwoSweeps = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        "--name",
        help="One sweep; default all of the source. Twice: two sweeps beside each other.",
        autocompletion=completion.sweeps,
    ),
]
SourceName = Annotated[
    str | None, typer.Option("--source", help="ours, re-evaluated or published.", autocompletion=completion.sources)
]
OfDevice = Annotated[
    str | None, typer.Option("--device", help="One device; default all.", autocompletion=completion.devices)
]
TheDevice = Annotated[
    str | None,
    typer.Option(
        "--device",
        envvar=VARIABLES["device"],
        help="The device; default the only one that is there.",
        autocompletion=completion.devices,
    ),
]
OfBackend = Annotated[
    str | None, typer.Option("--backend", "-b", help="Only speeds of this backend.", autocompletion=completion.backends)
]
OfPrecision = Annotated[
    str | None,
    typer.Option("--precision", "-p", help="Only speeds of this precision.", autocompletion=completion.precisions),
]
UndisturbedOnly = Annotated[
    bool, typer.Option("--undisturbed-only", help="Leave out speeds that were measured while the machine was busy.")
]
SpeedProtocolName = Annotated[
    str | None,
    typer.Option(
        "--speed-protocol",
        help="For example fullhd14-t1; default that of most models.",
        autocompletion=completion.speed_protocols,
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric", help="For example psnr:Set14 or lpips:Set5; default the first.", autocompletion=completion.metrics
    ),
]
