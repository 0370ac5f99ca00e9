"""Recipes of one's own: a file says only what it changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search_space.errors import SweepError
from workers.training.recipe import recipe_for, shipped
from workers.training.recipe_file import plain, write_new

FORMS = {
    "yaml": "from: demo\nsteps: 5000\nlr: 1e-3\nfamily_lr: {ESPCN: 2e-3}\n",
    "json": '{"from": "demo", "steps": 5000, "lr": 1e-3, "family_lr": {"ESPCN": 2e-3}}',
}


@pytest.mark.parametrize("form", list(FORMS))
def test_a_file_needs_only_what_it_changes(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{form}"
    path.write_text(FORMS[form])
    made, demo = recipe_for(str(path)), recipe_for("demo")
    assert made == demo.with_changes(name="mine", steps=5000, lr=1e-3, family_lr=(("ESPCN", 2e-3),))


def test_without_a_beginning_it_is_the_papers(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("batch: 8\n")
    assert recipe_for(str(path)) == recipe_for("paper").with_changes(name="mine", batch=8)


def test_a_file_may_begin_with_another_one_beside_it_but_not_with_itself(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("from: smoke\nbatch: 3\n")
    (tmp_path / "two.json").write_text('{"from": "one.yaml", "steps": 7}')
    made = recipe_for(str(tmp_path / "two.json"))
    assert (made.batch, made.steps, made.patch) == (3, 7, recipe_for("smoke").patch)
    (tmp_path / "round.yaml").write_text("from: round.yaml\n")
    with pytest.raises(SweepError, match="no beginning"):
        recipe_for(str(tmp_path / "round.yaml"))


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_a_new_file_is_the_recipe_it_begins_with(name: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{ending}"
    write_new(path, recipe_for(name), name)
    assert recipe_for(str(path)).digest == recipe_for(name).digest
    with pytest.raises(SweepError, match="exists already"):
        write_new(path, recipe_for(name), name)


@pytest.mark.parametrize("name", shipped())
def test_all_fields_of_a_recipe_written_out_give_it_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    path.write_text(json.dumps(plain(recipe_for(name))))
    assert recipe_for(str(path)) == recipe_for(name)
    path.write_text(recipe_for(name).to_json())
    assert recipe_for(str(path)) == recipe_for(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("step: 5", "a recipe has no 'step' (did you mean steps?)"),
        ("steps: many", "mine.yaml"),
        ("steps: 1.5", "steps must be a whole number (1.5)"),
        ("loss: 3", "loss cannot be 3"),
        ("lr: -1", "the learning rate of default must be positive"),
        ("from: nothing", "unknown recipe 'nothing'"),
        ("- 1", "a recipe is a list of names with values"),
        ("steps: [", "mine.yaml"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line_that_names_it(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SweepError) as caught:
        recipe_for(str(path))
    assert said in str(caught.value) and "mine.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_says_how_to_make_one() -> None:
    with pytest.raises(SweepError, match=r"there is no recipe file no\.yaml \(sweep recipe new no\.yaml writes one\)"):
        recipe_for("no.yaml")
