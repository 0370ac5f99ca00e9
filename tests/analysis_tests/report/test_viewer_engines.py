"""Networks run on the page against torch: every family and scale, by WebGL 2 and by plain JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from analysis.reading.models import Models
from analysis.report.content import content
from analysis.report.page import render
from analysis.report.samples import Samples
from analysis.report.viewer.networks import Networks
from analysis.report.viewer.which import Which
from results_db.store import Store
from search_space import parse_id
from tests.analysis_tests import kit
from tests.analysis_tests.browser import Tab, chromium
from workers.export.glsl.webgl import PRELUDE, web_network

pytestmark = pytest.mark.xdist_group("browser")
FAMILIES = (
    "Bicubic_s{}", "Linear_s{}_K5", "eSR-MAX_s{}_K3_C2", "eSR-MAX_s{}_K5_C1", "eSR-TM_s{}_K5_C3", "eSR-TM_s{}_K3_C2",
    "eSR-TR_s{}_K3_C2", "eSR-CNN_s{}_C2_D3_S6", "eSR-CNN_s{}_C4_D0_S3", "ESPCN_s{}_D6_S9", "FSRCNN_s{}_D6_S1_M1",
    "FSRCNN_s{}_D19_S12_M1", "ABPN_s{}_D6_M1", "ECBSR_s{}_D5_M1", "ESPCN-BR_s{}_D0_S5",
)  # fmt: skip
LEVEL = 1 / 255
RUN = """async ([config, engine, width, height, values]) => {
  const luma = { width, height, values: new Float32Array(values) };
  const engines = { webgl: webglEngine, plain: plainEngine };
  return Array.from((await enlarge(networkOf(config), engines[engine], luma)).values);
}"""


@cache
def picture(height: int, width: int) -> NDArray[np.float32]:
    """Shades with sharp edges and noise in 8 bits, from black to white, as (H, W) in 0..1."""
    rows, columns = np.mgrid[:height, :width]
    shade = 0.5 + 0.4 * np.sin(columns / 4) * np.cos(rows / 5)
    shade += np.random.default_rng(0).normal(0, 0.05, (height, width))
    shade[:, -3:] = 0.9
    return (np.rint(255 * shade.clip(0, 1)) / 255).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    configs = tuple(parse_id(family.format(scale)) for family in FAMILIES for scale in (2, 3, 4))
    with Store.open(str(tmp_path_factory.mktemp("viewer") / "all.db")) as store:
        kit.finish(store, kit.plan(store, configs=configs))
        yield store


@pytest.fixture(scope="module")
def tab(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    path = tmp_path_factory.mktemp("viewer") / "all.html"
    found = content(store, samples=Samples(0), networks=Networks(Which.ALL, PRELUDE, web_network))
    path.write_text(render(found), encoding="utf-8")
    with chromium() as tab:
        tab.page.goto(path.as_uri())
        assert tab.page.evaluate("webglEngine.there()"), "this Chromium has no WebGL 2"
        yield tab


def off(tab: Tab, store: Store, config: str, engine: str, x: NDArray[np.float32]) -> float:
    """The largest difference from torch, border included."""
    height, width = x.shape
    made = tab.page.evaluate(RUN, [config, engine, width, height, x.ravel().tolist()])
    with torch.inference_mode():
        want = Models(store).require(config)(torch.from_numpy(x)[None, None])[0, 0].numpy()
    return float(np.abs(np.asarray(made, dtype=np.float32).reshape(want.shape) - want).max())


@pytest.mark.parametrize("engine", ["webgl", "plain"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_family_is_what_torch_gives_border_included(tab: Tab, store: Store, engine: str, scale: int) -> None:
    worst = {family: off(tab, store, family.format(scale), engine, picture(13, 17)) for family in FAMILIES}
    assert max(worst.values()) < 0.02 * LEVEL, worst


@pytest.mark.parametrize("config", ["FSRCNN_s2_D19_S12_M1", "eSR-TM_s3_K5_C3", "ECBSR_s2_D5_M1"])
def test_tiles_join_without_seams(tab: Tab, store: Store, config: str) -> None:
    assert tab.page.evaluate("TILE") < 201
    assert off(tab, store, config, "webgl", picture(11, 201)) < 0.02 * LEVEL


@pytest.mark.parametrize("config", ["eSR-TM_s2_K7_C16", "ESPCN_s2_D64_S32"])
def test_the_largest_networks_need_no_long_shader(config: str) -> None:
    module = parse_id(config).build()
    written = web_network(module, 2)
    assert sum(len(one["text"]) for one in written["passes"]) < 4_000
    assert len(written["weights"]) < 8 * sum(p.numel() for p in module.parameters())
