"""Options that several commands share, spelt and explained once."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_DB = "sqlite:///sweep.db"

Db = Annotated[
    str,
    typer.Option(
        "--db", envvar="SWEEP_DB", help="Results database: a path, sqlite:///FILE or postgresql+psycopg://..."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
Address = Annotated[
    str, typer.Option("--address", help="Ray cluster: local, auto, HOST:PORT or ray://HOST:PORT.", metavar="A")
]
ExecutorName = Annotated[str, typer.Option("--executor", help="actors (Ray Core), tune (Ray Tune) or inline (no Ray).")]
PackSize = Annotated[
    int, typer.Option("--pack-size", min=1, help="Most configs trained together; 1 trains each alone.")
]
MaxAttempts = Annotated[int, typer.Option("--max-attempts", min=1, help="Attempts at a trial before it stays failed.")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0, help="Seconds a pack may take; 0 gives up those without progress for 20 minutes."),
]
Cpus = Annotated[float, typer.Option("--cpus-per-worker", min=0.1, help="CPUs of one worker.")]
Gpus = Annotated[float, typer.Option("--gpus-per-worker", min=0, help="GPUs of one worker (0 trains on CPUs).")]
SweepName = Annotated[
    str | None, typer.Option("--name", "--sweep", help="A sweep's name or number; default the newest.")
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
SpeedProtocolName = Annotated[
    str | None, typer.Option("--speed-protocol", help="For example fullhd14-t1; default that of most models.")
]
