from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_space import parse_id
from search_space.errors import BadSpace, SweepError
from search_space.registry import families
from search_space.spaces import load_space
from search_space.user_code import install, loaded


def write(folder: Path, text: str, name: str = "space.yaml") -> str:
    path = folder / name
    path.write_text(textwrap.dedent(text).lstrip("\n"))
    return str(path)


def test_a_yaml_space_is_a_union_of_grids(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        name: mine
        scale: [2, 3]
        grids:
          - family: eSR-TM
            K: [3, 5]
            C: [1..4, 8, 10..14 step 2]
          - {family: ESPCN, scale: 4, D: 22, S: [6, 12], where: S > 6}
          - ids: [Bicubic_s2, FSRCNN_s2_D6_S3_M1]
          - {preset: demo, where: scale == 4 and family != 'ESPCN'}
        """,
    )
    space = load_space(file)
    ids = [config.id for config in space.configs]
    assert space.name == "mine"
    assert ids[:3] == ["eSR-TM_s2_K3_C1", "eSR-TM_s2_K3_C2", "eSR-TM_s2_K3_C3"]
    assert len([i for i in ids if i.startswith("eSR-TM_s") and "_s4" not in i]) == 2 * 2 * 8
    assert "ESPCN_s4_D22_S12" in ids
    assert "ESPCN_s4_D22_S6" not in ids
    assert ids.count("Bicubic_s2") == 1
    assert len(ids) == 32 + 1 + 2 + 8


BAD_FILES = [
    ("grids:\n- family: eSR-TM\n  K:\n  - 3\n  - 4\n  C: 1\n", ":5: .*K = 4 is not possible"),
    ("grids:\n- family: eSR-TM\n  scale: [2, 5]\n  K: 3\n  C: 1\n", ":3: .*scale = 5"),
    ("grids:\n- family: eSR-TM\n  K: 3\n  C: 0..4\n", ":4: .*C = 0"),
    ("grids:\n- family: eSR-TM\n  K: 3\n  C: [1..4, 3]\n", ":4: 3 is listed twice"),
    (
        "grids:\n- {family: eSR-TM, K: 3, C: 1..4}\n- {family: eSR-TM, K: [3, 5], C: 4}\n",
        r":3: .*K3_C4 .*first at .*:2",
    ),
    ("grids:\n- ids: [Bicubic_s2]\n- ids:\n  - Bicubic_s3\n  - Bicubic_s2\n", ":5: Bicubic_s2 is made a second time"),
    ("grids:\n- family: VDSR\n  D: 3\n", ":2: unknown family 'VDSR'"),
    ("grids:\n- family: ESPCN\n  D: 3\n", ":2: ESPCN needs values for S"),
    ("grids:\n- family: ESPCN\n  D: 3\n  S: 1\n  Q: 1\n", ":2: ESPCN has no field 'Q'"),
    ("grids:\n- family: ESPCN\n  D: x\n  S: 1\n", ":3: 'x' is not a whole number"),
    ("grids:\n- family: ESPCN\n  D: 3.5\n  S: 1\n", ":3: '3.5' is not a whole number"),
    ("grids:\n- family: ESPCN\n  D: 5..3\n  S: 1\n", ":3: the range '5..3' is empty"),
    ("grids:\n- family: ESPCN\n  D: 1..9999999\n  S: 1\n", ":3: .*more than"),
    ("grids:\n- family: ESPCN\n  D: 99999999999999999999\n  S: 1\n", ":3: .*not a whole number"),
    ("grids:\n- family: ESPCN\n  D: []\n  S: 1\n", "list of D is empty"),
    ("grids:\n- family: ESPCN\n  D: {a: 1}\n  S: 1\n", ":3: expected a number"),
    ("grids:\n- ids: [ESPCN_s2_D3]\n", ":2: .*wrong fields"),
    ("grids:\n- preset: papre\n", ":2: unknown preset"),
    ("grids:\n- preset: demo\n  K: 3\n", ":3: 'K' has no meaning"),
    ("grids:\n- preset: demo\n  where: Q < 3\n", ":2: where .*unknown name 'Q'"),
    ("grids:\n- preset: demo\n  where: scale > 4\n", "no config is left"),
    ("grids:\n- 3\n", ":2: an entry of 'grids:'"),
    ("grids: []\n", ":1: 'grids:' is empty"),
    ("name: x\n", ":1: there is no 'grids:'"),
    ("name: x\nname: y\n", ":2: 'name' is written twice"),
    ("grid: []\n", ":1: unknown key 'grid'"),
    ("", ":1: a space file is a mapping"),
    ("[1, 2]", ":1: a space file is a mapping"),
    ("grids: [\n", ":2: "),
    ("grids: *nowhere\n", ":1: found undefined alias"),
    ("a: \x07\n", "cannot be read as YAML|:1: "),
    ("imports: [absent.py]\ngrids:\n- preset: demo\n", "absent.py: cannot be read"),
]


@pytest.mark.parametrize(("text", "reason"), BAD_FILES)
def test_a_bad_space_file_is_refused_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(BadSpace, match=reason) as caught:
        load_space(str(file))
    assert "\n" not in str(caught.value)


def test_a_tag_that_would_build_a_python_object_is_never_built(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    file = write(tmp_path, f"grids: !!python/object/apply:os.system ['touch {flag}']\n")
    with pytest.raises(BadSpace):
        load_space(file)
    assert not flag.exists()


def test_aliases_that_multiply_are_refused_in_no_time(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    with pytest.raises(BadSpace):
        load_space(write(tmp_path, "\n".join(lines) + "\ngrids: [*a59]\n"))


TOKENS = (
    "grids:|\n|- |  |family: |eSR-TM|K: |C: |3|1..8|[|]|{|}|&a |*a|ids: |Bicubic_s2|preset: |demo|where: |C<3|scale: "
    "|!!int |,|:|?|'"
)
JUNK = st.one_of(st.text(max_size=120), st.lists(st.sampled_from(TOKENS.split("|")), max_size=25).map("".join))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JUNK)
def test_junk_space_files_are_refused_and_never_crash(tmp_path: Path, text: str) -> None:
    file = tmp_path / "junk.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_space(str(file))
    except SweepError as error:
        assert str(error)


MY_FAMILY = """
    from dataclasses import dataclass
    from search_space import Config, family

    @family("{name}")
    @dataclass(frozen=True)
    class Mine(Config):
        "Nearest neighbour with one learned gain."
        K: int

        def build(self):
            from torch import nn

            side = self.K
            return nn.Sequential(nn.Conv2d(1, self.scale**2, side, padding=side // 2), nn.PixelShuffle(self.scale))
"""


def test_a_new_architecture_registers_itself_from_one_file(tmp_path: Path) -> None:
    write(tmp_path, MY_FAMILY.format(name="Test-One"), "net.py")
    file = write(tmp_path, "imports: net.py\ngrids:\n- {family: Test-One, K: [3, 5]}\n")
    configs = load_space(file).configs
    assert len(configs) == 6
    assert parse_id("Test-One_s3_K5") in configs
    from search_space.costs.describe import describe

    assert describe(parse_id("Test-One_s2_K5")).parameters == 4 * 25 + 4
    assert describe(parse_id("Test-One_s2_K5")).receptive_field == 5


def test_a_users_file_travels_as_text_to_a_process_that_has_no_such_file(tmp_path: Path) -> None:
    net = tmp_path / "net.py"
    write(tmp_path, MY_FAMILY.format(name="Test-Two"), "net.py")
    load_space(write(tmp_path, "imports: net.py\ngrids:\n- {family: Test-Two, K: 3}\n"))
    code = next(code for code in loaded() if code.path == str(net))
    net.unlink()
    import subprocess
    import sys

    script = (
        "from search_space.user_code import UserCode, install\nfrom search_space import parse_id\n"
        f"install(UserCode({code.module!r}, {code.path!r}, {code.source!r}))\n"
        "print(parse_id('Test-Two_s2_K3').id)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Test-Two_s2_K3"
    assert install(code) is install(code)
    assert "Test-Two" in families()


def test_a_python_file_is_a_space(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        from search_space.grids import grid

        def space():
            yield grid("eSR-MAX", scale=[2], K=(3,), C=range(1, 5))
            yield "Bicubic_s2"
        """,
        "mine.py",
    )
    assert [c.id for c in load_space(file).configs][-2:] == ["eSR-MAX_s2_K3_C4", "Bicubic_s2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n", "define 'space'"),
        ("space = []\n", "'space' is empty"),
        ("space = [3]\n", "holds int"),
        ("\n\nraise RuntimeError('no')\n", r"bad.py:3: RuntimeError: no"),
        ("def space(:\n", r"bad.py:1: SyntaxError"),
        ("space = ['Bicubic_s2', 'Bicubic_s2']\n", "second time"),
        ("space = ['Bicubic_s5']\n", "scale = 5"),
        ("space = 7\n", "TypeError"),
        ("from search_space.grids import grid\nspace = [\n grid('ESPCN', D=(1,))]\n", r"bad.py:\d: ESPCN needs values"),
    ],
)
def test_a_bad_python_space_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(BadSpace, match=reason):
        load_space(str(tmp_path / "bad.py"))


def test_a_family_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    write(tmp_path, MY_FAMILY.format(name="ESPCN"), "net.py")
    with pytest.raises(BadSpace, match="already registered"):
        load_space(write(tmp_path, "imports: net.py\ngrids:\n- preset: demo\n"))


def test_a_space_of_a_million_is_sampled_without_being_listed(tmp_path: Path) -> None:
    file = write(tmp_path, "grids:\n- {family: eSR-CNN, C: 1..200, D: 0..400, S: 1..400, where: D != 3}\n")
    space = load_space(file)
    assert space.size == 3 * 200 * 401 * 400
    drawn = space.draw(100, seed=4)
    assert len(set(drawn)) == 100
    assert drawn == space.draw(100, seed=4)
    with pytest.raises(BadSpace, match="narrow its values"):
        _ = space.configs


def test_an_impossible_value_in_a_space_too_large_to_list_is_still_found(tmp_path: Path) -> None:
    file = write(tmp_path, "grids:\n- family: eSR-CNN\n  C: 1..200\n  D: 0..513\n  S: 1..400\n")
    with pytest.raises(BadSpace, match=r":4: .*D = 513"):
        load_space(file)


def test_a_missing_file_is_said_to_be_missing() -> None:
    with pytest.raises(BadSpace, match="there is no space file"):
        load_space("no/such/space.yaml")
