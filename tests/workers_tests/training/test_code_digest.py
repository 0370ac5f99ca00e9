"""The code digest covers all that decides training numbers, a user's own family too."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_space import parse_id, user_code
from search_space.user_code import UserCode, install
from workers.training.recipe import code_digest, code_of, training_code

FAMILY = """
from dataclasses import dataclass
from search_space import Config, family

@family("{name}")
@dataclass(frozen=True)
class Mine(Config):
    "One convolution, times a gain."
    K: int

    def build(self):
        from torch import nn
        return nn.Sequential(nn.Conv2d(1, self.scale**2, self.K, padding={gain}), nn.PixelShuffle(self.scale))
"""


@pytest.mark.parametrize(
    "file",
    [
        "search_space/families/edge_sr.py",
        "search_space/architectures/edge_sr.py",
        "workers/training/train.py",
        "workers/packs/train.py",
        "workers/packs/native/step.cpp",
        "workers/packs/native/heads.hpp",
    ],
)
def test_the_shipped_code_that_decides_numbers_is_in_the_digest(file: str) -> None:
    assert file in {path.relative_to(root).as_posix() for root, path in training_code()}


def test_every_file_of_the_packs_is_in_the_digest() -> None:
    import workers

    there = {path for path in (Path(workers.__file__).parent / "packs").rglob("*") if path.is_file()}
    wanted = {path for path in there if path.suffix in (".py", ".cpp", ".hpp")}
    assert wanted <= {path for _, path in training_code()}


def test_a_family_of_ours_has_the_shipped_digest() -> None:
    assert code_of(parse_id("eSR-MAX_s2_K3_C1")) == code_digest()


def test_a_users_family_adds_its_text_and_not_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_code, "_loaded", {})
    first = UserCode("edge_sweep_user_digest_test", "/here/net.py", FAMILY.format(name="Test-Digest", gain=1))
    install(first)
    before = code_of(parse_id("Test-Digest_s2_K3"))
    assert before != code_digest()
    install(UserCode(first.module, "/there/net.py", first.source))
    assert code_of(parse_id("Test-Digest_s2_K3")) == before
    install(UserCode(first.module, "/here/net.py", FAMILY.format(name="Test-Digest", gain=2)))
    assert code_of(parse_id("Test-Digest_s2_K3")) != before
    assert code_of(parse_id("eSR-MAX_s2_K3_C1")) == code_digest()
