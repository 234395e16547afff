"""Small models, made on the spot."""

import onnx
import onnxruntime
from onnx import TensorProto, helper

PICTURE = {"NCHW": [1, 3, 360, 640], "NHWC": [1, 360, 640, 3]}


def pooling(layout: str, dtype: int = TensorProto.UINT8) -> onnxruntime.InferenceSession:
    """Return a session that averages 2 x 2 pixels of a picture."""
    nodes, name = [], "pixels"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [name], ["first"], perm=[0, 3, 1, 2]))
        name = "first"
    if dtype != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [name], ["values"], to=TensorProto.FLOAT))
        name = "values"
    nodes.append(
        helper.make_node("AveragePool", [name], ["means"], kernel_shape=[2, 2], strides=[2, 2])
    )
    graph = helper.make_graph(
        nodes,
        "pooling",
        [helper.make_tensor_value_info("pixels", dtype, PICTURE[layout])],
        [helper.make_tensor_value_info("means", TensorProto.FLOAT, [1, 3, 180, 320])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
