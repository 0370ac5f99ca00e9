"""``sweep space``: what there is to try, before anything is trained."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from search_space.config import Config


class Format(StrEnum):
    """How a list is printed."""

    IDS = "ids"
    TABLE = "table"
    JSON = "json"


def add(app: typer.Typer) -> None:
    """Register ``sweep space list`` and ``sweep space show``."""
    space = typer.Typer(help="List a space's configs, or what one config costs.", no_args_is_help=True)
    space.command("list")(list_space)
    space.command("show")(show)
    app.add_typer(space, name="space")


def list_space(
    space: Annotated[
        str, typer.Option("--space", "-s", help="demo, paper, extended, a family's name, or a YAML or Python file.")
    ] = "paper",
    output: Annotated[Format, typer.Option("--format", "-f", help="ids: one id a line, nothing else.")] = Format.TABLE,
    family: Annotated[list[str] | None, typer.Option("--family", help="Only this family (repeatable).")] = None,
    scale: Annotated[list[int] | None, typer.Option("--scale", help="Only this scale (repeatable).")] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", help='Such as "C<=8 and K==3"; also family, scale, parameters, macs (Full HD).'),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="The first N.")] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=0, help="N at random, shared fairly over families and scales.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the sample.")] = 0,
) -> None:
    """List the configs of a space that pass the filters.

    Example: sweep space list --space paper --family eSR-TM --where "C<=4" --format ids

    A Python space file is run as a program, and so is one that a YAML file imports: trust it first.
    """
    from search_space.spaces import load_space, select

    configs = select(load_space(space).configs, family or (), scale or (), where, limit, sample, seed)
    if output is Format.IDS:
        typer.echo("".join(f"{config.id}\n" for config in configs), nl=False)
    elif output is Format.JSON:
        typer.echo(json.dumps([_facts(config) for config in configs], indent=2))
    else:
        _table(space, configs)


def show(
    config_id: Annotated[str, typer.Argument(metavar="ID", help="Such as eSR-TM_s2_K5_C4.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
) -> None:
    """Show what one config costs: parameters, MACs for a Full-HD output, receptive field.

    Example: sweep space show ESPCN_s2_D22_S32
    """
    from search_space import parse_id

    config = parse_id(config_id)
    facts = _facts(config)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    summary = next(iter((type(config).__doc__ or "").strip().splitlines()), "")
    typer.echo(f"{config.id}: {config.family} at x{config.scale}. {summary}")
    for convolution in config.convs() or ():
        kind = f"transposed, stride {convolution.transposed_stride}" if convolution.transposed_stride else "convolution"
        side = convolution.kernel
        typer.echo(f"  {kind} {side} x {side}, {convolution.c_in} -> {convolution.c_out}")
    typer.echo(f"parameters       {facts['parameters']:,}")
    typer.echo(f"MACs (Full HD)   {facts['macs_full_hd']:,}")
    typer.echo(f"receptive field  {facts['receptive_field']} x {facts['receptive_field']} low-resolution pixels")


def _facts(config: Config) -> dict[str, Any]:
    from search_space.describe import describe

    known = describe(config)
    return {
        "config": config.id,
        "family": config.family,
        "scale": config.scale,
        "values": config.values,
        "parameters": known.parameters,
        "macs_full_hd": known.macs_full_hd,
        "receptive_field": known.receptive_field,
    }


def _table(title: str, configs: tuple[Config, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from search_space.describe import describe

    table = Table(title=f"{title}: {len(configs)} configs", show_edge=False)
    table.add_column("config", no_wrap=True)
    for heading in ("parameters", "MMACs (Full HD)", "field"):
        table.add_column(heading, justify="right")
    for config in configs:
        known = describe(config)
        table.add_row(
            config.id, f"{known.parameters:,}", f"{known.macs_full_hd / 1e6:,.0f}", str(known.receptive_field)
        )
    Console().print(table)
