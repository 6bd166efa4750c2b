"""What of MediaPipe's models is changed as they are loaded; their files stay as they are.

A model is read as a tree of steps and tensors, changed, and packed again: some hundredths of a second each, and nothing to be shipped.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

# Products of 8-bit numbers pay in convolutions over so many channels and more; for fewer, it takes longer to turn them into such.
WIDE = 64

_Operator = schema.BuiltinOperator


def for_side(model: bytes, side: int, now: int) -> bytes:
    """Let the palm detector take pictures of another size: the file holds that, and the two sizes that its maps are enlarged to.

    side, now: of the pictures, in pixels, as they shall be and as they are.
    """
    tree, graph = _opened(model)
    graph.tensors[graph.inputs[0]].shape = [1, side, side, 3]
    for step in graph.operators:
        if _code(tree, step) == _Operator.RESIZE_BILINEAR:
            buffer = tree.buffers[graph.tensors[step.inputs[1]].buffer]
            buffer.data = _bytes(np.frombuffer(bytes(buffer.data), np.int32) * side // now)
    return _packed(tree, model)


def with_embedding(model: bytes) -> tuple[bytes, str]:
    """Add the landmark network's one global average, which all its outputs are linear in, to those outputs; return its name too.

    Nothing else of the model changes, and it costs nothing to run: the value is computed anyway.
    """
    tree, graph = _opened(model)
    (average,) = (step for step in graph.operators if _code(tree, step) == _Operator.MEAN)
    graph.outputs = np.append(graph.outputs, average.outputs)
    return _packed(tree, model), graph.tensors[average.outputs[0]].name.decode()


def quantized(model: bytes) -> bytes:
    """Let the 1×1 convolutions over many channels, most of the network's work, multiply 8-bit whole numbers.

    Their weights become such, with a scale for each channel that comes out; what comes in, XNNPACK turns into such as it runs ("dynamic
    range quantization"), and what comes out are 32-bit floats as before. The file has 16-bit floats, which steps of their own unpack.
    """
    tree, graph = _opened(model)
    halves = {int(step.outputs[0]): int(step.inputs[0]) for step in graph.operators if _code(tree, step) == _Operator.DEQUANTIZE}
    for step in graph.operators:
        if _code(tree, step) != _Operator.CONV_2D:
            continue
        x, weights, bias = step.inputs[0], halves[step.inputs[1]], halves[step.inputs[2]]
        _, height, width, channels = graph.tensors[weights].shape
        if height == width == 1 and channels >= WIDE:
            _quantize(tree, graph.tensors[weights])
            _store(tree, graph.tensors[bias], _floats(tree, graph.tensors[bias]), schema.TensorType.FLOAT32)
            step.inputs = [x, weights, bias]
    used = {int(number) for step in graph.operators for number in step.inputs}
    graph.operators = [step for step in graph.operators if _code(tree, step) != _Operator.DEQUANTIZE or int(step.outputs[0]) in used]
    return _packed(tree, model)


def _quantize(tree: schema.ModelT, tensor: schema.TensorT) -> None:
    """Store a constant of 16-bit floats as 8-bit whole numbers instead, with a scale for each of its first dimension."""
    values = _floats(tree, tensor)
    most = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
    scales = np.where(most > 0, most, 1) / 127
    _store(tree, tensor, np.round(values / scales).astype(np.int8), schema.TensorType.INT8)
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = scales.ravel().astype(np.float32), np.zeros(len(values), np.int64)


def _floats(tree: schema.ModelT, tensor: schema.TensorT) -> NDArray[np.float32]:
    halves = np.frombuffer(bytes(tree.buffers[tensor.buffer].data), np.float16)
    return halves.astype(np.float32).reshape(tensor.shape)


def _store(tree: schema.ModelT, tensor: schema.TensorT, values: NDArray[np.int8] | NDArray[np.float32], kind: int) -> None:
    tree.buffers[tensor.buffer].data, tensor.type = _bytes(values), kind


def _bytes(values: NDArray[np.int8] | NDArray[np.int32] | NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.frombuffer(values.tobytes(), np.uint8)


def _opened(model: bytes) -> tuple[schema.ModelT, schema.SubGraphT]:
    """A model's tree, and the one graph in it."""
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    (graph,) = tree.subgraphs
    return tree, graph


def _code(tree: schema.ModelT, step: schema.OperatorT) -> int:
    code = tree.operatorCodes[step.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def _packed(tree: schema.ModelT, model: bytes) -> bytes:
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())
