"""What of MediaPipe's models is changed as they are loaded; their files stay as they are.

A model is read as a tree of steps and tensors, changed, and packed again: about a tenth of a second each, and nothing to be shipped.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

# Products of 8-bit numbers pay in convolutions over so many channels and more; for fewer, it takes longer to turn them into such.
WIDE = 64

_Operator = schema.BuiltinOperator


class Model:
    """One of MediaPipe's models, opened to be changed; `packed` gives what LiteRT runs."""

    def __init__(self, data: bytes) -> None:
        self._size = len(data)
        self._tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        (self._graph,) = self._tree.subgraphs

    def packed(self) -> bytes:
        """The model as it is now."""
        builder = flatbuffers.Builder(self._size)
        builder.Finish(self._tree.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def take(self, side: int) -> None:
        """Let the palm detector take pictures of so many pixels a side: the file holds its own, and the two sizes that its maps are
        enlarged to.
        """
        picture = self._graph.tensors[self._graph.inputs[0]]
        now = int(picture.shape[1])
        picture.shape = [1, side, side, 3]
        for step in self._steps(_Operator.RESIZE_BILINEAR):
            buffer = self._tree.buffers[self._graph.tensors[step.inputs[1]].buffer]
            buffer.data = _bytes(np.frombuffer(bytes(buffer.data), np.int32) * side // now)

    def tell_embedding(self) -> str:
        """Add the landmark network's one global average, which all its outputs are linear in, to those outputs; return its name.

        Nothing else of the model changes, and it costs nothing to run: the value is computed anyway.
        """
        (average,) = self._steps(_Operator.MEAN)
        self._graph.outputs = np.append(self._graph.outputs, average.outputs)
        name: bytes = self._graph.tensors[average.outputs[0]].name
        return name.decode()

    def quantize(self) -> None:
        """Let the 1×1 convolutions over many channels, most of the network's work, multiply 8-bit whole numbers.

        Their weights become such, with a scale for each channel that comes out; what comes in, XNNPACK turns into such as it runs
        ("dynamic range quantization"), and what comes out are 32-bit floats as before. The file has 16-bit floats, which steps of their own
        unpack.
        """
        tensors = self._graph.tensors
        halves = {int(step.outputs[0]): int(step.inputs[0]) for step in self._steps(_Operator.DEQUANTIZE)}
        for step in self._steps(_Operator.CONV_2D):
            x, weights, bias = step.inputs[0], halves[step.inputs[1]], halves[step.inputs[2]]
            _, height, width, channels = tensors[weights].shape
            if height == width == 1 and channels >= WIDE:
                self._make_whole(tensors[weights])
                self._store(tensors[bias], self._floats(tensors[bias]), schema.TensorType.FLOAT32)
                step.inputs = [x, weights, bias]
        used = {int(number) for step in self._graph.operators for number in step.inputs}
        idle = [step for step in self._steps(_Operator.DEQUANTIZE) if int(step.outputs[0]) not in used]
        self._graph.operators = [step for step in self._graph.operators if step not in idle]

    def _steps(self, code: int) -> list[schema.OperatorT]:
        """The steps of this kind, in their order."""
        kinds = [max(int(kind.builtinCode), int(kind.deprecatedBuiltinCode)) for kind in self._tree.operatorCodes]
        return [step for step in self._graph.operators if kinds[step.opcodeIndex] == code]

    def _make_whole(self, tensor: schema.TensorT) -> None:
        """Store a constant of 16-bit floats as 8-bit whole numbers instead, with a scale for each of its first dimension."""
        values = self._floats(tensor)
        most = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
        scales = np.where(most > 0, most, 1) / 127
        self._store(tensor, np.round(values / scales).astype(np.int8), schema.TensorType.INT8)
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = scales.ravel().astype(np.float32), np.zeros(len(values), np.int64)

    def _floats(self, tensor: schema.TensorT) -> NDArray[np.float32]:
        halves = np.frombuffer(bytes(self._tree.buffers[tensor.buffer].data), np.float16)
        return halves.astype(np.float32).reshape(tensor.shape)

    def _store(self, tensor: schema.TensorT, values: NDArray[np.int8] | NDArray[np.float32], kind: int) -> None:
        self._tree.buffers[tensor.buffer].data, tensor.type = _bytes(values), kind


def _bytes(values: NDArray[np.int8] | NDArray[np.int32] | NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.frombuffer(values.tobytes(), np.uint8)
