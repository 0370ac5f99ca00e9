"""Whatever decides a training run decides the recipe's digest."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from workers.training.recipe import Recipe, recipe_for

SMOKE = recipe_for("smoke")
OTHER: dict[str, Any] = {
    "steps": 41,
    "batch": 9,
    "patch": 18,
    "border": 2,
    "lr": 1e-2,
    "family_lr": (("ESPCN", 2e-3),),
    "warmup": 6,
    "final_lr": 0.1,
    "betas": (0.8, 0.99),
    "eps": 1e-7,
    "filters": "taps",
    "gate": 2.0,
    "deep_gate": 2.0,
    "start": "passing",
    "espcn": "adam",
    "momentum": 0.9,
    "refresh": 400,
    "loss": "l1",
    "precision": "bf16",
    "diverged": 5.0,
    "esr_cnn": "orthogonal",
    "esr_cnn_momentum": 0.95,
    "family_steps": (("ESPCN", 50),),
    "schedule": "linear",
}
"""Another allowed value of each field."""


def test_every_field_but_the_name_has_another_value_to_try() -> None:
    assert {field.name for field in fields(Recipe)} - {"name"} <= set(OTHER)


@pytest.mark.parametrize("name", [field.name for field in fields(Recipe) if field.name != "name"])
def test_another_value_of_a_field_is_another_digest(name: str) -> None:
    changed = SMOKE.with_changes(**{name: OTHER[name]})
    assert getattr(changed, name) != getattr(SMOKE, name)
    assert changed.digest != SMOKE.digest


def test_the_name_alone_does_not_change_the_digest() -> None:
    assert SMOKE.with_changes(name="other").digest == SMOKE.digest
