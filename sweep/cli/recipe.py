"""``sweep recipe``: the recipes there are, what is in one, and a new one of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.cli import completion, output
from sweep.cli.options import Json

group = typer.Typer(help="List, show and begin recipes: how networks are trained.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="recipe")


@group.command("list")
def list_recipes(as_json: Json = False) -> None:
    """The shipped recipes.

    Example: sweep recipe list
    """
    from workers.training.recipe import recipe_for, shipped

    recipes = [recipe_for(name) for name in shipped()]
    if as_json:
        from workers.training.recipe_file import plain

        output.print_json([plain(recipe) | {"digest": recipe.digest} for recipe in recipes])
        return
    rows = [[r.name, r.length, str(r.batch), str(r.patch), r.loss, r.digest] for r in recipes]
    output.print_table(["recipe", "training", "batch", "patch", "loss", "digest"], rows, left=2)


@group.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A shipped recipe, or a .json or .yaml file.", autocompletion=completion.recipes
        ),
    ],
    as_json: Json = False,
) -> None:
    """Everything in a recipe, a file's own values and those it begins with.

    Example: sweep recipe show paper
    """
    import yaml

    from workers.training.recipe import recipe_for
    from workers.training.recipe_file import plain

    recipe = recipe_for(name)
    if as_json:
        output.print_json(plain(recipe) | {"digest": recipe.digest})
        return
    text = yaml.safe_dump(plain(recipe), sort_keys=False, default_flow_style=None, width=100)
    output.print_text(f"# digest {recipe.digest}\n{text.rstrip()}")


@group.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new .yaml or .json file.")],
    base: Annotated[
        str, typer.Option("--from", help="The recipe to begin with.", autocompletion=completion.recipes)
    ] = "paper",
) -> None:
    """Write a file that begins with a recipe and changes nothing yet.

    Example: sweep recipe new mine.yaml --from paper
    """
    import shlex

    from workers.training.recipe import recipe_for
    from workers.training.recipe_file import write_new

    write_new(file, recipe_for(base), base)
    output.print_text(f"{file}")
    output.note(f"use it with: sweep run --space paper --recipe {shlex.quote(str(file))}")
