"""Reader of the layers in a .tflite file, as far as MediaPipe's models need it."""

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

_DEQUANTIZE = 6  # of BuiltinOperator
_DTYPES = {0: "<f4", 1: "<f2", 2: "<i4"}  # of TensorType


class _Table:
    """Table of a FlatBuffers file: fields by their number in the schema."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - self._number("<i", at)
        self._size = self._number("<H", self._fields)

    def integer(self, field: int, code: str = "<i") -> int:
        """Return a number of the format ``code`` of `struct`, or 0 if it is absent."""
        at = self._place(field)
        return self._number(code, at) if at else 0

    def integers(self, field: int) -> list[int]:
        """Return a vector of int32."""
        return [self._number("<i", at) for at in self._elements(field, 4)]

    def tables(self, field: int) -> list["_Table"]:
        """Return a vector of tables."""
        return [_Table(self._data, self._follow(at)) for at in self._elements(field, 4)]

    def content(self, field: int) -> bytes:
        """Return a vector of bytes, or a string."""
        places = self._elements(field, 1)
        return self._data[places.start : places.stop]

    def _elements(self, field: int, size: int) -> range:
        """Return the places of the elements of a vector."""
        place = self._place(field)
        if not place:
            return range(0)
        vector = self._follow(place)
        count = self._number("<I", vector)
        return range(vector + 4, vector + 4 + count * size, size)

    def _place(self, field: int) -> int:
        entry = 4 + 2 * field
        if entry >= self._size:
            return 0
        offset = self._number("<H", self._fields + entry)
        return self._at + offset if offset else 0

    def _follow(self, at: int) -> int:
        return at + self._number("<I", at)

    def _number(self, code: str, at: int) -> int:
        [value] = struct.unpack_from(code, self._data, at)
        return int(value)


def layers(data: bytes) -> dict[str, list[Array]]:
    """
    Return the constants of each layer by the name of its output, in their order.

    A convolution has kernel and bias, a PReLU its slopes. Field numbers are those of
    TensorFlow Lite's schema, version 3.
    """
    model = _Table(data, struct.unpack_from("<I", data)[0])
    codes = [
        # The first field has the codes below 127, and newer files the last one.
        max(code.integer(0, "<b"), code.integer(3))
        for code in model.tables(1)
    ]
    [graph] = model.tables(2)
    tensors, buffers = graph.tables(0), model.tables(4)
    operators = [(codes[op.integer(0)], op) for op in graph.tables(3)]
    # Weights are stored as float16, and one operator each makes them float32.
    stored = {
        op.integers(2)[0]: op.integers(1)[0]
        for code, op in operators
        if code == _DEQUANTIZE
    }

    def constants(operator: _Table) -> Iterator[Array]:
        for number in operator.integers(1):
            tensor = tensors[stored.get(number, number)]
            if content := buffers[tensor.integer(2)].content(0):
                dtype = np.dtype(_DTYPES[tensor.integer(1, "<b")])
                yield np.frombuffer(content, dtype).reshape(tensor.integers(0))

    return {
        tensors[op.integers(2)[0]].content(3).decode(): [*constants(op)]
        for code, op in operators
        if code != _DEQUANTIZE
    }
