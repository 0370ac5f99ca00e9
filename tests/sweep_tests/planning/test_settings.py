"""Settings as databases hold them: what any version stored is read, and nothing is lost when they are stored again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from results_db.store import Store
from search_space.user_code import UserCode
from sweep.planning.open_sweep import OpenSweep
from sweep.planning.settings import DataSettings, SweepSettings, usual_speed_protocol
from tests.sweep_tests import kit
from workers.training.recipe import recipe_for

STORED = {
    "data": {"root": "/sr", "train": ["T91"], "tests": ["Set5", "Set14"], "digests": {"Set5": "ab"}},
    "pack_size": 16,
    "user_code": [{"module": "m", "path": "net.py", "source": "x = 1"}],
}
names = st.text("abc", min_size=1, max_size=3)
settings = st.builds(
    SweepSettings,
    st.builds(
        DataSettings,
        st.none() | names,
        st.lists(names).map(tuple),
        st.lists(names).map(tuple),
        st.dictionaries(names, names),
    ),
    st.integers(1, 64),
    st.none() | st.sampled_from(["qhd5", "fullhd14"]),
    st.lists(st.builds(UserCode, names, names, names)).map(tuple),
    st.dictionaries(st.sampled_from(["newer", "other"]), st.integers()),
)


def test_settings_of_an_older_version_are_read_and_stored_again_as_they_were():
    read = SweepSettings.from_dict(STORED)
    assert (read.data.root, read.data.tests, read.pack_size) == ("/sr", ("Set5", "Set14"), 16)
    assert read.user_code == (UserCode("m", "net.py", "x = 1"),)
    assert read.speed_protocol is None
    assert read.to_dict() == STORED


def test_a_sweep_that_stored_no_settings_has_the_defaults():
    assert SweepSettings.from_dict({}) == SweepSettings()


@given(settings)
def test_settings_survive_being_stored(settings):
    assert SweepSettings.from_dict(settings.to_dict()) == settings


def test_the_speed_protocol_depends_on_the_steps_and_not_on_the_name_of_a_recipe():
    demo = recipe_for("demo")
    assert usual_speed_protocol(demo.with_changes(name="mine")) == usual_speed_protocol(demo) == "qhd5"
    assert usual_speed_protocol(demo.with_changes(steps=10_000)) == "fullhd14"


def test_the_speed_protocol_that_was_asked_for_is_stored_with_the_sweep(tmp_path):
    from sweep.planning import stored_plan

    with Store.open(str(tmp_path / "s.db")) as store:
        plan = stored_plan.make_plan(
            "paper", kit.configs(1), kit.RECIPE, kit.DATA, root=None, name="tiny", speed_protocol="uhd14"
        )
        assert stored_plan.open_plan(store, plan, kit.DATA).speed_protocol == "uhd14"
        older = store.sweep("tiny").settings
        store.change_settings(1, {name: value for name, value in older.items() if name != "speed_protocol"})
        assert OpenSweep.of(store, "tiny", kit.DATA).speed_protocol == "qhd5"
