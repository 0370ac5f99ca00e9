"""``sweep space``: what there is to try, before anything is trained."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import output
from sweep.cli.options import ConfigId, Family, Json, Limit, Sample, SampleSeed, Scale, Space, Where

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
    space: Space = "paper",
    form: Annotated[Format, typer.Option("--format", "-f", help="ids: one id per line, nothing else.")] = Format.TABLE,
    family: Family = None,
    scale: Scale = None,
    where: Where = None,
    limit: Limit = None,
    sample: Sample = None,
    seed: SampleSeed = 0,
) -> None:
    """List the configs of a space that pass the filters.

    Example: sweep space list --space paper --family eSR-TM --where "C<=4" --format ids

    A Python space file is run as a program, and so is one that a YAML file imports: trust it first.
    """
    from search_space.spaces import load_space, select

    configs = select(load_space(space).configs, family or (), scale or (), where, limit, sample, seed)
    if form is Format.IDS:
        output.print_lines(config.id for config in configs)
    elif form is Format.JSON:
        output.print_json([_facts(config) for config in configs])
    else:
        _table(space, configs)


def show(
    config_id: ConfigId,
    as_json: Json = False,
) -> None:
    """Show what one config costs: parameters, MACs for a Full-HD output, receptive field.

    Example: sweep space show ESPCN_s2_D22_S32
    """
    from search_space import parse_id

    config = parse_id(config_id)
    facts = _facts(config)
    if as_json:
        output.print_json(facts)
        return
    summary = next(iter((type(config).__doc__ or "").strip().splitlines()), "")
    output.print_text(f"{config.id}: {config.family} at x{config.scale}. {summary}")
    for convolution in config.convs() or ():
        kind = f"transposed, stride {convolution.transposed_stride}" if convolution.transposed_stride else "convolution"
        side = convolution.kernel
        output.print_text(f"  {kind} {side} x {side}, {convolution.c_in} -> {convolution.c_out}")
    output.print_text(f"parameters       {facts['parameters']:,}")
    output.print_text(f"MACs (Full HD)   {facts['macs_full_hd']:,}")
    output.print_text(f"receptive field  {facts['receptive_field']} x {facts['receptive_field']} low-resolution pixels")


def _facts(config: Config) -> dict[str, Any]:
    from search_space.costs.describe import describe

    description = describe(config)
    return {
        "config": config.id,
        "family": config.family,
        "scale": config.scale,
        "values": config.values,
        "parameters": description.parameters,
        "macs_full_hd": description.macs_full_hd,
        "receptive_field": description.receptive_field,
    }


def _table(space: str, configs: tuple[Config, ...]) -> None:
    rows = [
        [
            str(facts["config"]),
            f"{facts['parameters']:,}",
            f"{facts['macs_full_hd'] / 1e6:,.0f}",
            str(facts["receptive_field"]),
        ]
        for facts in map(_facts, configs)
    ]
    headings = ["config", "parameters", "MMACs (Full HD)", "field"]
    output.print_table(headings, rows, title=f"{space}: {len(configs)} configs")
