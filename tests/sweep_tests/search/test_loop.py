from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import optuna
import pytest

from search_space import Config
from search_space.errors import BadSpace, SweepError
from search_space.spaces import load_space, select
from sweep.search.encoding import encoding
from sweep.search.loop import Facts, Interrupted, Search, frontier_of
from sweep.search.objectives import Objective, parse_constraint
from sweep.search.samplers import SamplerName, make_sampler
from sweep.search.studies import add_result, copy_study, open_storage, open_study, storage_url
from tests.sweep_tests.search.tables import FPS, PSNR, figures

SPACE = load_space("paper")
CANDIDATES = select(SPACE.configs, scale=[3])
AXES = (PSNR, FPS)


class Board:
    """Evaluates on the made-up board, and remembers what was asked."""

    def __init__(self, failing: Sequence[str] = (), stop_after: int | None = None) -> None:
        self.batches: list[list[Config]] = []
        self.short: list[Config] = []
        self.failing = set(failing)
        self.stop_after = stop_after

    def evaluate(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        if self.stop_after is not None and len(self.batches) >= self.stop_after:
            raise Interrupted("stopped")
        self.batches.append(list(configs))
        return {c: facts(c) for c in configs if c.family not in self.failing}

    def screen(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
        self.short += configs
        return {c: {**facts(c), PSNR: facts(c)[PSNR] - 1} for c in configs}


def facts(config: Config) -> dict[Objective, float]:
    fps, psnr = figures(config)
    return {FPS: fps, PSNR: psnr}


def make(
    db: str | Path, board: Board, *, constraint: str | None = None, batch: int = 4, screening: bool = False
) -> Search:
    bounds = (parse_constraint(constraint),) if constraint else ()
    encoded = encoding(SPACE, 3)
    sampler = make_sampler(
        SamplerName.FRONTIER, encoded, CANDIDATES, AXES, lambda c: {FPS: figures(c)[0]}, bounds, seed=1
    )
    study = open_study(open_storage(str(db)), "mine", AXES, sampler)
    return Search(study, encoded, AXES, CANDIDATES, board, bounds, batch, screening, seed=1)


def test_a_batch_is_of_different_configs_and_the_budget_holds(tmp_path: Path) -> None:
    board = Board()
    search = make(tmp_path / "s.db", board)
    search.run(18)
    assert [len(batch) for batch in board.batches] == [4, 4, 4, 4, 2]
    assert len({c for batch in board.batches for c in batch}) == 18
    assert search.spent() == 18


def test_a_killed_search_goes_on_where_it_was(tmp_path: Path) -> None:
    first = Board(stop_after=1)
    with pytest.raises(Interrupted):
        make(tmp_path / "s.db", first).run(12)
    second = Board()
    search = make(tmp_path / "s.db", second)
    search.run(12)
    tried = [c for board in (first, second) for batch in board.batches for c in batch]
    assert len(tried) == len(set(tried)) == 12
    assert search.spent() == 12
    assert not search.study.get_trials(states=(optuna.trial.TrialState.RUNNING,))


def test_a_finished_search_called_again_does_nothing(tmp_path: Path) -> None:
    make(tmp_path / "s.db", Board()).run(6)
    again = Board()
    make(tmp_path / "s.db", again).run(6)
    assert again.batches == []


def test_failed_trainings_count_and_are_not_tried_again(tmp_path: Path) -> None:
    board = Board(failing=["ESPCN", "Bicubic"])
    search = make(tmp_path / "s.db", board)
    search.run(12)
    tried = [c for batch in board.batches for c in batch]
    assert len(tried) == len(set(tried)) == 12
    assert all("ESPCN" not in config for config, _ in frontier_of(search.study))


def test_only_feasible_configs_are_tried_when_speed_is_known(tmp_path: Path) -> None:
    board = Board()
    search = make(tmp_path / "s.db", board, constraint="fps:BOARD>=20")
    search.run(8)
    assert all(figures(c)[0] >= 20 for batch in board.batches for c in batch)
    assert all(values[1] >= 20 for _, values in frontier_of(search.study))


def test_an_impossible_constraint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSpace, match="no config of the space satisfies fps:BOARD>=100000"):
        make(tmp_path / "s.db", Board(), constraint="fps:BOARD>=1e5")


def test_an_infeasible_result_is_not_on_the_frontier(tmp_path: Path) -> None:
    search = make(tmp_path / "s.db", Board(), constraint="fps:BOARD>=20")
    slow = max(CANDIDATES, key=lambda c: figures(c)[1])
    assert figures(slow)[0] < 20
    values = [facts(slow)[o] for o in AXES]
    assert add_result(search.study, search.encoding, slow, values, search.constraints, facts(slow))
    search.run(6)
    assert slow.id not in dict(frontier_of(search.study))


def test_a_config_that_is_suggested_again_is_on_the_frontier_once_and_keeps_its_constraints() -> None:
    bound = parse_constraint("fps:BOARD>=20")
    candidates = select(SPACE.configs, ["FSRCNN"], [3])
    assert {figures(c)[0] >= 20 for c in candidates} == {True, False}
    study = optuna.create_study(directions=[o.direction for o in AXES], sampler=optuna.samplers.RandomSampler(seed=0))
    search = Search(study, encoding(SPACE, 3, ["FSRCNN"]), AXES, candidates, Board(), (bound,), 4)
    search.run(len(candidates))
    assert len(study.trials) > len(candidates)
    found = frontier_of(study)
    assert {name for name, _ in found} <= {c.id for c in candidates}
    assert all(values[1] >= 20 for _, values in found)


def test_earlier_results_are_free_and_not_tried_again(tmp_path: Path) -> None:
    board = Board()
    search = make(tmp_path / "s.db", board)
    known = CANDIDATES[::20]
    for config in known:
        add_result(search.study, search.encoding, config, [facts(config)[o] for o in AXES])
    search.run(5)
    assert search.spent() == 5
    assert not set(known) & {c for batch in board.batches for c in batch}


def test_screening_gives_up_the_hopeless_after_a_short_training(tmp_path: Path) -> None:
    board = Board()
    search = make(tmp_path / "s.db", board, screening=True)
    search.run(24)
    pruned = search.study.get_trials(states=(optuna.trial.TrialState.PRUNED,))
    full = [c for batch in board.batches for c in batch]
    assert len(board.short) == 24
    assert len(full) + len(pruned) == 24
    best = {c.id for c in full}
    for trial in pruned:
        assert trial.user_attrs["config"] not in best


def test_the_study_is_an_ordinary_optuna_study_and_can_be_copied(tmp_path: Path) -> None:
    search = make(tmp_path / "s.db", Board())
    search.run(5)
    loaded = optuna.load_study(study_name="mine", storage=storage_url(str(tmp_path / "s.db")))
    assert loaded.metric_names == ["psnr:SetX", "fps:BOARD"]
    assert len(loaded.trials) == 5
    other = open_storage(str(tmp_path / "other.db"))
    assert copy_study(storage_url(str(tmp_path / "s.db")), "mine", other) == "mine"
    assert optuna.get_all_study_names(other) == ["mine"]
    with pytest.raises(SweepError, match="already"):
        copy_study(storage_url(str(tmp_path / "s.db")), "mine", other)
    with pytest.raises(SweepError, match="no study"):
        copy_study(storage_url(str(tmp_path / "s.db")), "absent", other)


def test_a_study_of_other_objectives_is_refused(tmp_path: Path) -> None:
    search = make(tmp_path / "s.db", Board())
    with pytest.raises(SweepError, match="has the objectives psnr:SetX, fps:BOARD"):
        open_study(open_storage(str(tmp_path / "s.db")), "mine", (FPS, PSNR), search.study.sampler)


def test_three_objectives_are_searched_too(tmp_path: Path) -> None:
    size = Objective("parameters")
    axes = (PSNR, FPS, size)
    encoded = encoding(SPACE, 3)
    sampler = make_sampler(SamplerName.FRONTIER, encoded, CANDIDATES, axes, lambda c: {FPS: figures(c)[0]}, seed=0)
    study = open_study(open_storage(str(tmp_path / "s.db")), "three", axes, sampler)

    class Sized(Board):
        def evaluate(self, configs: Sequence[Config]) -> Mapping[Config, Facts]:
            return {c: {**facts(c), size: size.free_value(c) or 0.0} for c in configs}

    Search(study, encoded, axes, CANDIDATES, Sized(), batch=3).run(9)
    assert len(study.trials) == 9
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MAXIMIZE", "MINIMIZE"]
