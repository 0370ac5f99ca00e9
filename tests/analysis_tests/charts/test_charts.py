from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.charts import style
from analysis.charts.annotate import settle
from analysis.charts.output import save
from analysis.kinds import KINDS, figure
from analysis.reading.selection import Selection
from results_db.records import Source
from results_db.store import Store
from search_space import parse_id
from search_space.errors import SweepError
from tests.analysis_tests import kit

BASELINES = Path(__file__).parent / "baselines"
MOST_DIFFERENT = 0.02
"""Share of pixels that may differ visibly: another version of a font or of matplotlib moves a few edges."""

ASKS = {
    "pareto": Selection(device="board"),
    "filters": Selection(configs=("eSR-TM_s2_K5_C4",)),
    "templates": Selection(configs=("eSR-TR_s2_K3_C4",)),
    "crops": Selection(scales=(2,)),
    "compare": Selection(),
    "devices": Selection(),
    "growth": Selection(device="board"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The half-done sweep, and other figures of half its models to compare with."""
    path = kit.half_done(tmp_path_factory.mktemp("charts") / "sweep.db")
    with Store.open(str(path)) as writer:
        other = writer.create_sweep("paper", "paper", "{}", source=Source.PUBLISHED)
        configs = [row.key.config for row in writer.trials() if row.key.config.endswith(("4", "8", "2"))]
        facts = [one for config in configs for one in kit.worse(kit.qualities(parse_id(config)), by=-0.1)]
        writer.add_qualities(other, facts, Source.PUBLISHED)
    return Store.open(str(path), readonly=True)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_chart_looks_as_it_did(store: Store, kind: str, tmp_path: Path) -> None:
    made = figure(kind, store, ASKS[kind])
    made.set_dpi(60)
    path = tmp_path / f"{kind}.png"
    with style.applied():
        made.savefig(path, dpi=60)
    baseline = BASELINES / f"{kind}.png"
    if not baseline.exists():
        baseline.parent.mkdir(exist_ok=True)
        baseline.write_bytes(path.read_bytes())
        pytest.fail(f"{baseline.name} was missing: look at the new one and commit it")
    assert different(path, baseline) <= MOST_DIFFERENT


def different(one: Path, other: Path) -> float:
    """Share of pixels that differ by more than a tenth of the range, after a little blur (shifts of a pixel pass)."""
    from PIL import ImageFilter

    images = []
    for path in (one, other):
        with Image.open(path) as image:
            images.append(image.convert("RGB").filter(ImageFilter.BoxBlur(2)))
    if images[0].size != images[1].size:
        return 1.0
    a, b = (np.asarray(image, dtype=int) for image in images)
    return float((np.abs(a - b).max(axis=2) > 25).mean())


def test_the_comparison_sees_a_changed_chart(tmp_path: Path) -> None:
    path = tmp_path / "changed.png"
    with Image.open(BASELINES / "pareto.png") as image:
        changed = image.convert("RGB")
        changed.paste((255, 255, 255), (0, 0, changed.width // 2, changed.height))
        changed.save(path)
    assert different(path, BASELINES / "pareto.png") > MOST_DIFFERENT


def test_vector_files_carry_their_fonts_and_the_same_data_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg", "a.pdf"):
        save(figure("pareto", store, ASKS["pareto"]), tmp_path / name)
    svg = (tmp_path / "a.svg").read_bytes()
    assert svg == (tmp_path / "b.svg").read_bytes()
    assert b"<text" not in svg and b"<path" in svg
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf


@pytest.mark.parametrize("x", ["power", "energy", "parameters", "macs"])
def test_every_cost_can_be_the_x_axis(store: Store, x: str) -> None:
    made = figure("pareto", store, Selection(x=x, device="board", scales=(2,), metric="ssim:Set5"))
    assert len(made.axes) == 1


def test_a_chart_of_several_devices_has_a_row_each(store: Store) -> None:
    made = figure("pareto", store, Selection(scales=(2, 4)))
    assert [axes.get_title(loc="left") for axes in made.axes] == ["board, x2", "board, x4", "laptop, x2", "laptop, x4"]


def test_devices_have_a_panel_per_scale_and_their_names_once_a_row(store: Store) -> None:
    made = figure("devices", store, Selection())
    titles = [axes.get_title(loc="left") for axes in made.axes]
    assert [title.partition(":")[0] for title in titles] == ["x2", "x3", "x4"]
    assert all(re.fullmatch(r"x\d: rank correlation -?\d\.\d\d", title) for title in titles)
    assert [axes.texts[0].get_text() for axes in made.axes] == ["10 models", "9 models", "9 models"]
    settle(made)
    ends = [axes._left_title.get_window_extent().x1 for axes in made.axes[:-1]]
    assert all(end < axes.get_window_extent().x0 for end, axes in zip(ends, made.axes[1:], strict=True))
    named = [label for axes in made.axes for label in (axes.get_xlabel(), axes.get_ylabel()) if label]
    assert sorted(named) == ["board (frames/s)", "laptop (frames/s)"]
    assert len({axes.get_xlim() for axes in made.axes}) == 1


def test_a_comparison_says_the_unit_of_every_figure(store: Store) -> None:
    made = figure("compare", store, Selection(metric="psnr:Set5"))
    said = [text.get_text() for axes in made.axes for text in axes.texts]
    assert said and all(
        re.search(r"median difference [+-]\d\.\d+ dB\ninterquartile range \d\.\d+ dB", one) for one in said
    )
    assert {label for axes in made.axes for label in (axes.get_xlabel(), axes.get_ylabel()) if label} == {
        "published (dB)", "ours (dB)", "ours - published (dB)",
    }  # fmt: skip


def test_the_legend_explains_the_rings(store: Store) -> None:
    made = figure("pareto", store, ASKS["pareto"])
    assert "best of a family" in [text.get_text() for text in made.legends[0].get_texts()]


def test_few_models_are_drawn_too(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "one.db")) as writer:
        sweep = kit.plan(writer, configs=(parse_id("Bicubic_s2"), parse_id("ESPCN_s3_D4_S12")))
        kit.finish(writer, sweep, 1)
        for kind in ("pareto", "growth", "devices"):
            figure(kind, writer, Selection(device="board" if kind != "devices" else None))


def test_every_family_has_its_own_marker_and_colour_and_they_differ_in_grey_or_shape() -> None:
    looks = list(style.LOOKS.values())
    assert len({one.marker for one in looks}) == len({one.colour for one in looks}) == len(looks)
    assert style.look("SomeoneElses") == style.look("SomeoneElses")


@pytest.mark.parametrize(
    ("kind", "ask", "said"),
    [
        ("pie", Selection(), "choose from pareto"),
        ("compare", Selection(source="ours", against="ours"), "two different"),
        ("compare", Selection(against="re-evaluated"), "there is ours, published"),
        ("crops", Selection(configs=("ESPCN_s2_D4_S12", "ESPCN_s3_D4_S12")), "one scale"),
        ("crops", Selection(scales=(2,), crop=(400, 0, 96, 96)), "leaves the image"),
        ("devices", Selection(device="board"), "two devices"),
        ("filters", Selection(configs=("eSR-TM_s4_K7_C9",)), "no weights of eSR-TM_s4_K7_C9"),
        ("pareto", Selection(x="memory"), "no model here has a measurement of memory"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_reason(store: Store, kind: str, ask: Selection, said: str) -> None:
    with pytest.raises(SweepError, match=said):
        figure(kind, store, ask)
