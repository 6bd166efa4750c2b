"""Writes a small convolutional network as a LiteRT model. Only for training: the product reads such files and writes none.

Converters of the deep-learning libraries bring gigabytes of dependencies for what takes four kinds of layers here.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class ModelWriter:
    """One graph, layer by layer. Pictures are (1, height, width, channels) float32; a layer's number stands for its result.

    Every padding is LiteRT's SAME: as many pixels of zeros as the result needs, the odd one to the right and below.
    """

    def __init__(self, height: int, width: int, channels: int) -> None:
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model = schema.ModelT()
        self._model.version, self._model.buffers, self._model.operatorCodes = 3, [schema.BufferT()], []
        self._model.subgraphs = [self._graph]
        self._graph.inputs = [self._tensor((1, height, width, channels), "picture")]

    @property
    def picture(self) -> int:
        """The network's input."""
        return int(self._graph.inputs[0])

    def convolution(self, x: int, weights: Floats, bias: Floats, *, stride: int = 1, relu: bool = False, name: str = "") -> int:
        """weights: (out, high, wide, in), bias: (out,)."""
        code, kind = schema.BuiltinOperator.CONV_2D, schema.BuiltinOptions.Conv2DOptions
        return self._filter(code, kind, schema.Conv2DOptionsT(), x, weights, bias, stride, relu, name)

    def depthwise(self, x: int, weights: Floats, bias: Floats, *, stride: int = 1, relu: bool = False) -> int:
        """weights: (1, high, wide, channels), bias: (channels,)."""
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = 1
        code, kind = schema.BuiltinOperator.DEPTHWISE_CONV_2D, schema.BuiltinOptions.DepthwiseConv2DOptions
        return self._filter(code, kind, options, x, weights, bias, stride, relu)

    def add(self, x: int, y: int, *, relu: bool = False) -> int:
        """The sum of two results of one size."""
        options = schema.AddOptionsT()
        options.fusedActivationFunction = int(relu)
        return self._operator(schema.BuiltinOperator.ADD, schema.BuiltinOptions.AddOptions, options, [x, y], self._shape(x))

    def widen(self, x: int) -> int:
        """Twice as high and wide with a quarter of the channels, which are ordered by row, column, channel."""
        options = schema.DepthToSpaceOptionsT()
        options.blockSize = 2
        _, height, width, channels = self._shape(x)
        shape = (1, height * 2, width * 2, channels // 4)
        return self._operator(schema.BuiltinOperator.DEPTH_TO_SPACE, schema.BuiltinOptions.DepthToSpaceOptions, options, [x], shape)

    def write(self, outputs: list[int]) -> bytes:
        """The file, with these results as the network's outputs."""
        self._graph.outputs = outputs
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _filter(
        self,
        code: int,
        kind: int,
        options: schema.Conv2DOptionsT | schema.DepthwiseConv2DOptionsT,
        x: int,
        weights: Floats,
        bias: Floats,
        stride: int,
        relu: bool,
        name: str = "",
    ) -> int:
        options.padding = schema.Padding.SAME
        options.strideH = options.strideW = stride
        options.fusedActivationFunction = int(relu)
        _, height, width, _ = self._shape(x)
        shape = (1, -(-height // stride), -(-width // stride), len(bias))
        inputs = [x, self._tensor(weights.shape, "", weights), self._tensor(bias.shape, "", bias)]
        return self._operator(code, kind, options, inputs, shape, name)

    def _operator(self, code: int, kind: int, options: object, inputs: list[int], shape: tuple[int, ...], name: str = "") -> int:
        known = [known.builtinCode for known in self._model.operatorCodes]
        if code not in known:
            entry = schema.OperatorCodeT()
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            entry.version = 1
            self._model.operatorCodes.append(entry)
            known.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs = known.index(code), inputs
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        operator.outputs = [self._tensor(shape, name)]
        self._graph.operators.append(operator)
        return int(operator.outputs[0])

    def _tensor(self, shape: tuple[int, ...], name: str, data: Floats | None = None) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), schema.TensorType.FLOAT32, 0
        tensor.name = name or f"tensor{len(self._graph.tensors)}"
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data, np.float32).tobytes(), np.uint8)
            self._model.buffers.append(buffer)
            tensor.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _shape(self, x: int) -> tuple[int, int, int, int]:
        one, height, width, channels = self._graph.tensors[x].shape
        return one, height, width, channels
