"""Which pack a fast and a slow worker get, so that the slow ones do not hold the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.facts import TrialKey
from sweep.planning.pack_queue import BITE, HAND_OVER_S, NEWEST, PackQueue, PackSpeeds, with_only
from sweep.planning.packs import Item, Pack, order, packs

MIXED = {"cuda": 2, "cpu": 4}


def pack(cost: float, exclusive: bool = False) -> Pack:
    key = TrialKey(f"eSR-MAX_s2_K3_C{cost:g}", 0, "r", "d", "c")
    return Pack((Item(int(cost), key, exclusive=exclusive),), cost)


def queue(*costs: float) -> PackQueue:
    made = PackQueue()
    made.add(pack(cost) for cost in costs)
    return made


def test_workers_that_are_alike_take_the_costliest_first():
    made = queue(1, 5, 3)
    assert [made.take("cpu", {"cpu": 4}).cost for _ in range(3)] == [5, 3, 1]


def test_a_gpu_takes_the_costliest_and_a_cpu_beside_it_the_cheapest():
    made = queue(1, 5, 3, 2)
    assert made.take("cuda", MIXED).cost == 5
    assert made.take("cpu", MIXED).cost == 1
    assert [one.cost for one in made] == [3, 2]


@pytest.mark.parametrize(("slow", "taken"), [(10.0, True), (100.0, False)])
def test_a_cpu_leaves_what_the_gpus_would_do_sooner(slow, taken):
    made = queue(*[10.0] * 20)
    made.speeds.see("cuda", 10.0, 10.0)
    made.speeds.see("cpu", slow * 10.0, 10.0)
    # Two GPUs need 100 s for all that waits; the CPU needs 100 s or 1000 s for one pack.
    assert (made.take("cpu", MIXED) is not None) is taken
    assert made.take("cuda", MIXED) is not None


def test_a_cpu_takes_all_when_no_gpu_works_any_more():
    made = queue(5, 1)
    made.speeds.see("cuda", 1.0, 10.0)
    made.speeds.see("cpu", 1000.0, 10.0)
    assert made.take("cpu", {"cpu": 4}).cost == 5


def test_of_a_large_pack_a_cpu_takes_the_cheapest_members_and_the_gpus_keep_the_rest():
    configs = [f"eSR-MAX_s2_K7_C{c}" for c in range(16, 0, -1)] + [f"eSR-MAX_s2_K3_C{c}" for c in range(16, 0, -1)]
    items = tuple(Item(i, TrialKey(config, 0, "r", "d", "c")) for i, config in enumerate(configs))
    (whole,) = packs(items, whole=True)
    made = PackQueue()
    made.add([whole])
    bite = made.take("cpu", MIXED)
    (rest,) = made
    assert len(bite.items) == BITE and {*bite.items, *rest.items} == {*items}
    assert bite.cost + rest.cost == pytest.approx(whole.cost) and bite.cost < rest.cost
    assert made.take("cuda", MIXED) is rest


def test_exclusive_packs_wait_for_the_others_whoever_asks():
    made = queue(2)
    made.add([pack(9, exclusive=True)])
    assert not made.only_exclusive and made.take("cpu", MIXED).cost == 2
    assert made.only_exclusive and made.take("cpu", MIXED).cost == 9


def test_a_pack_is_moved_to_a_gpu_only_when_that_ends_it_sooner():
    made = queue()
    made.speeds.see("cuda", 5.0, 10.0)
    slow = pack(10)
    # Half of its steps took 100 s: 100 s are left here, 2.5 s and what the move costs there.
    assert made.better_moved(slow, "cpu", 100.0, 0.5, "cuda")
    assert not made.better_moved(slow, "cpu", HAND_OVER_S, 0.5, "cuda")
    assert not made.better_moved(slow, "cpu", 100.0, 1.0, "cuda"), "it is being measured"
    assert not made.better_moved(slow, "cuda", 100.0, 0.5, "cuda")
    assert not made.better_moved(slow, "cpu", 100.0, 0.5, "cpu")


COSTS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30)


def numbered(number: int, cost: float, members: int = 1, exclusive: bool = False) -> Pack:
    key = TrialKey("eSR-MAX_s2_K3_C1", 0, "r", "d", "c")
    return Pack(tuple(Item(100 * number + i, key, exclusive=exclusive) for i in range(members)), cost)


@given(COSTS, COSTS)
def test_packs_come_as_from_a_sorted_list_also_when_some_are_added_late(first, later):
    wanted = [numbered(n, cost, exclusive=exclusive) for n, (cost, exclusive) in enumerate([*first, *later])]
    made = PackQueue()
    made.add(wanted[: len(first)])
    taken = [made.take() for _ in range(len(first) // 2)]
    assert taken == sorted(wanted[: len(first)], key=order)[: len(taken)]
    made.add(wanted[len(first) :])
    left = sorted([one for one in wanted if one not in taken], key=order)
    assert list(made) == left and made.trials == len(left)
    assert made.take_trials(len(left)) == left and not made and made.trials == 0


def test_adding_a_pack_compares_it_with_few_of_those_that_wait(monkeypatch):
    made, asked = queue(*range(1000)), list[Pack]()
    monkeypatch.setattr("sweep.planning.pack_queue.order", lambda one: asked.append(one) or order(one))
    made.add([pack(500.5)])
    assert len(asked) <= 12


def test_members_that_another_driver_has_are_left_out():
    shared = numbered(1, 8.0, members=4)
    left = with_only(shared, {101, 103, 7})
    assert left is not None and [item.trial for item in left.items] == [101, 103] and left.cost == 4.0
    assert with_only(shared, {7}) is None


def test_only_the_newest_packs_say_what_one_may_take_and_the_slowest_is_not_forgotten():
    speeds = PackSpeeds()
    for seconds in [900.0] + [5.0] * NEWEST:
        speeds.see("cpu", seconds, 1.0)
    assert speeds.seconds("cpu", 2.0) == 10.0 and speeds.longest(2.0) == 1800.0
    assert len(speeds._seen["cpu"]) == NEWEST
