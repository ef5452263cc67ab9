"""One more output of an ONNX graph, without a library that reads the graph."""


def with_output(model: bytes, tensor: str) -> bytes:
    """
    Return an ONNX model that also gives one of its inner tensors.

    Of a message that stands twice in a protocol buffer, a reader merges the fields. So
    a graph that holds nothing but the new output is appended: field 7 of a model is its
    graph, field 12 of a graph an output, and field 1 of that is a name.
    """
    return model + _field(7, _field(12, _field(1, tensor.encode())))


def _field(number: int, content: bytes) -> bytes:
    """Return a field of a protocol buffer whose content is counted in bytes."""
    assert len(content) < 128  # so that its count is one byte
    return bytes([number << 3 | 2, len(content)]) + content
