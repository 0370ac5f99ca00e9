import numpy as np
import pytest
import torch

from search_space import parse_id
from workers.export.check import onnx_runner
from workers.export.deployed_form import deployed
from workers.export.graphs import Half, to_onnx

onnx = pytest.importorskip("onnx")
HEADS = ("eSR-MAX_s3_K3_C4", "eSR-TM_s2_K3_C2", "eSR-TM_s2_K3_C4", "eSR-TR_s4_K3_C3", "eSR-CNN_s2_C2_D1_S3")


@pytest.mark.parametrize("name", [*HEADS, "FSRCNN_s2_D6_S1_M1", "Bicubic_s3"])
def test_graphs_compute_no_sizes_and_say_the_oldest_version_that_has_their_operators(name: str) -> None:
    torch.manual_seed(0)
    network = parse_id(name).build().eval()
    data = to_onnx(deployed(network))
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.opset_import[0].version) == (8, 18)
    assert not {"Shape", "Gather", "Concat", "Softmax"} & {node.op_type for node in model.graph.node}
    for shape in ((1, 1, 17, 23), (3, 1, 8, 40)):
        x = torch.rand(shape)
        with torch.inference_mode():
            assert np.abs(onnx_runner(data)(x.numpy()) - network(x).numpy()).max() < 1e-5


def test_the_half_precision_graph_says_the_same_version() -> None:
    model = onnx.load_from_string(to_onnx(Half(deployed(parse_id(HEADS[2]).build().eval()))))
    assert model.ir_version == 8
    assert "Shape" not in {node.op_type for node in model.graph.node}


class Softmax(torch.nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (1000 * x.expand(-1, 3, -1, -1)).softmax(self.axis)


@pytest.mark.parametrize(("axis", "kept"), [(1, False), (-2, False), (3, True), (-1, True)])
def test_a_softmax_over_the_last_axis_stays_and_another_is_written_out_without_overflow(axis: int, kept: bool) -> None:
    data = to_onnx(Softmax(axis))
    assert ("Softmax" in {node.op_type for node in onnx.load_from_string(data).graph.node}) == kept
    x = torch.rand(2, 1, 9, 14)
    assert np.abs(onnx_runner(data)(x.numpy()) - Softmax(axis)(x).numpy()).max() < 1e-6
