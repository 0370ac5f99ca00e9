from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from search_space import parse_id
from search_space.errors import BadSpace
from search_space.spaces import load_space, select
from sweep.search.encoding import CHOICE, encoding, listed


@pytest.mark.parametrize("space", ["paper", "extended", "demo"])
def test_every_config_of_a_scale_is_encoded_and_read_back(space: str) -> None:
    loaded = load_space(space)
    for scale in (2, 3, 4):
        encoded = encoding(loaded, scale)
        for config in select(loaded.configs, scale=[scale]):
            params = encoded.encode(config)
            assert params is not None
            assert encoded.decode(params) == config


def test_a_trial_is_asked_only_for_the_fields_of_its_own_grid() -> None:
    encoded = encoding(load_space("paper"), 2)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    paper = set(select(load_space("paper").configs, scale=[2]))
    for _ in range(60):
        trial = study.ask()
        assert encoded.suggest(trial) in paper
        label = trial.params[CHOICE]
        assert all(name == CHOICE or name.startswith(f"{label}.") for name in trial.params)
        study.tell(trial, 0.0)


def test_the_two_halves_of_espcn_are_branches_of_their_own() -> None:
    labels = [branch.label for branch in encoding(load_space("paper"), 3).branches]
    assert "ESPCN/1" in labels
    assert "ESPCN/2" in labels


def test_configs_named_one_by_one_are_a_branch(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("grids:\n- ids: [Bicubic_s2, FSRCNN_s2_D6_S3_M1]\n- {family: eSR-TM, K: [3, 5], C: 1..4}\n")
    encoded = encoding(load_space(str(file)), 2)
    config = parse_id("FSRCNN_s2_D6_S3_M1")
    assert encoded.decode(encoded.encode(config) or {}) == config


def test_a_config_outside_the_space_has_no_parameters() -> None:
    assert encoding(load_space("paper"), 2).encode(parse_id("eSR-TM_s2_K9_C4")) is None
    assert encoding(load_space("paper"), 2).encode(parse_id("eSR-TM_s3_K3_C4")) is None


def test_parameters_of_another_space_are_refused() -> None:
    with pytest.raises(BadSpace, match="do not belong"):
        encoding(load_space("paper"), 2).decode({"x": 3})


def test_configs_of_two_scales_are_refused() -> None:
    with pytest.raises(BadSpace, match="one scale"):
        listed([parse_id("Bicubic_s2"), parse_id("Bicubic_s3")])
