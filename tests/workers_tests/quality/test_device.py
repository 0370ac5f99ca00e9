"""Evaluation on a made-up GPU: the same numbers, and nothing is left on the device."""

from __future__ import annotations

import contextlib

import pytest

from search_space import parse_id
from search_space.errors import BadData
from tests.workers_tests.packs.fakecuda import COUNTS, CudaTensor, fake_cuda
from workers.data.datasets import resolve
from workers.data.image_set import ImageSet
from workers.quality.protocol import evaluate
from workers.training.train import initial_module


def test_a_network_that_was_measured_on_the_device_is_given_back_where_it_was():
    module = initial_module(parse_id("FSRCNN_s2_D6_S1_M1"), 0)
    images = resolve("embedded-train")
    few = ImageSet("few", images.names[:1], tuple(image[:48, :48] for image in images.pixels[:1]))
    expected = evaluate(parse_id("FSRCNN_s2_D6_S1_M1"), module, few)
    for wrong in (False, True):
        with fake_cuda(), pytest.raises(BadData) if wrong else contextlib.nullcontext():
            config = parse_id("FSRCNN_s3_D6_S1_M1" if wrong else "FSRCNN_s2_D6_S1_M1")  # x3: an error on the way
            measured = evaluate(config, module, few, device="cuda")
            assert COUNTS.launches > 5 and not wrong
        held = [*module.parameters(), *module.buffers()]
        assert held and not any(isinstance(one, CudaTensor) for one in held)
    assert [one.value for one in measured] == pytest.approx([one.value for one in expected], rel=1e-5)
