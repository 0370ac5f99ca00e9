"""A user's family that raises, hangs or crashes costs its own trials, never the run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from search_space import user_code
from search_space.costs import measure_apart
from search_space.costs.describe import describe
from search_space.errors import BadConfig
from search_space.spaces import load_space
from sweep.planning.stored_plan import estimate, make_plan
from tests.sweep_tests.conftest import command as elsewhere
from tests.sweep_tests.kit import DATA, RECIPE, configs

FAMILY = """
import os, time
from dataclasses import dataclass
from search_space import Config, family

@family("{name}")
@dataclass(frozen=True)
class Mine(Config):
    "One convolution, or trouble."
    K: int

    def build(self):
        import torch
        from torch import nn
        class Net(nn.Module):
            def __init__(self, scale, kernel):
                super().__init__()
                self.kernel = kernel
                self.conv = nn.Conv2d(1, scale**2, kernel, padding=kernel // 2)
                self.shuffle = nn.PixelShuffle(scale)
            def forward(self, x):
                if self.kernel == 5:
                    {trouble}
                return self.shuffle(self.conv(x))
        return Net(self.scale, self.K)
"""
TROUBLES = {
    "raises": ("raise ValueError('no such thing')", "raised ValueError: no such thing"),
    "hangs": ("time.sleep(600)", "did not end within 1 s"),
    "crashes": ("os._exit(11)", "crashed its process"),
}
IN_TRAINING = {
    "crashes": ("os._exit(11)", "worker-lost"),
    "hangs": ("time.sleep(600)", "timeout"),
}
"""How a training ends that does so, and its class."""


def space_of(folder: Path, name: str, trouble: str) -> str:
    (folder / "net.py").write_text(FAMILY.format(name=name, trouble=trouble))
    (folder / "space.yaml").write_text(f"imports: net.py\ngrids:\n- {{family: {name}, scale: 2, K: [3, 5]}}\n")
    return str(folder / "space.yaml")


@pytest.mark.parametrize("kind", TROUBLES)
def test_costs_of_a_family_in_trouble_are_an_error_in_words_and_soon(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(user_code, "_loaded", {})
    monkeypatch.setattr(measure_apart, "LIMIT_S", 1.0 if kind == "hangs" else 20.0)
    trouble, words = TROUBLES[kind]
    good, bad = load_space(space_of(tmp_path, f"Test-{kind.title()}", trouble)).configs
    with pytest.raises(BadConfig, match=words):
        describe(bad)
    began = time.monotonic()
    with pytest.raises(BadConfig, match=words):
        describe(bad)
    assert time.monotonic() - began < 0.5
    monkeypatch.setattr(measure_apart, "LIMIT_S", 60.0)
    assert describe(good).parameters == 4 * 9 + 4


@pytest.mark.slow
def test_a_run_with_a_family_that_raises_trains_the_others_and_records_the_failure(small_data, tmp_path):
    space = space_of(tmp_path, "Test-Trouble", TROUBLES["raises"][0])
    db = str(tmp_path / "s.db")
    asked = ("run", "--space", space, "--recipe", "smoke", "--steps", "2", "--no-benchmark", "--executor", "inline")
    done = elsewhere(*asked, "--data-root", str(small_data), "--db", db)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    facts = json.loads(elsewhere("status", "--failed", "--json", "--db", db).stdout)
    assert (facts["done"], facts["failed"]) == (1, 1)
    assert "no such thing" in facts["failures"][0]["error"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", IN_TRAINING)
def test_a_family_that_crashes_or_hangs_in_training_alone_fails_on_its_worker(small_data, tmp_path, kind):
    trouble, failure = IN_TRAINING[kind]
    # Costs are measured without gradients, or with those of the image.
    trouble = f"if torch.is_grad_enabled() and not x.requires_grad: {trouble}"
    space = space_of(tmp_path, f"Test-Training-{kind.title()}", trouble)
    db = str(tmp_path / "s.db")
    asked = ("run", "--space", space, "--recipe", "smoke", "--steps", "2", "--no-benchmark", "--pack-size", "1")
    asked += ("--max-attempts", "1", "--timeout", "40", "--data-root", str(small_data), "--db", db)
    done = elsewhere(*asked)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "training takes an unknown time" in done.stderr and "families of your own" in done.stderr
    facts = json.loads(elsewhere("status", "--failed", "--json", "--db", db).stdout)
    assert (facts["done"], facts["failed"]) == (1, 1)
    assert facts["failures"][0]["class"] == failure


def test_the_time_before_the_start_leaves_families_of_users_out_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(user_code, "_loaded", {})
    mine = load_space(space_of(tmp_path, "Test-Estimate", "os._exit(11)")).configs
    plan = make_plan("mine", (*configs(2), *mine), RECIPE, DATA, root=None)
    found = estimate(plan, plan.keys, {}, 1, DATA)
    assert found.seconds > 0 and "2 trial(s) of families of your own" in found.how
    alone = estimate(plan, [key for key in plan.keys if key.config.startswith("Test-Estimate")], {}, 1, DATA)
    assert alone.seconds != alone.seconds and "families of your own" in alone.how
