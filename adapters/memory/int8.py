"""The packaged embedding model, made to compute with the small numbers that it is packed in.

Its weights are int8 with one scale a column, but the graph widens them to float32 before it uses them: 90 MB in memory,
and every text waits for all of them to come out of it. Here each product with such a weight becomes one node that takes
the int8 as it is (com.microsoft.MatMulNBits), and an embedding table is looked up before it is widened. Against float32
the vectors have cosines of 0.999; a text costs two thirds.

Sources: onnx.proto3 (the field numbers), onnxruntime's ContribOperators.md (MatMulNBits), protobuf's wire format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Field = tuple[int, "int | bytes"]

BLOCK = 128
"""So many products are summed in int8 under one scale of the text's side."""

_GRAPH, _OPSET = 7, 8
_NODE, _TENSOR = 1, 5
_INPUT, _OUTPUT, _NAME, _OPERATOR, _ATTRIBUTE, _DOMAIN = 1, 2, 3, 4, 5, 7
_DIMENSION, _TYPE, _TENSOR_NAME, _RAW = 1, 2, 8, 9
_FLOAT, _UINT8 = 1, 2
_CONTRIB = b"com.microsoft"


def in_int8(model: bytes) -> bytes:
    """The same model with its int8 weights left as they are; without such weights it comes back unchanged."""
    fields = _decoded(model)
    graph = next(value for number, value in fields if number == _GRAPH and isinstance(value, bytes))
    found = _Graph(_decoded(graph))
    if not found.weights:
        return model
    changed = found.changed()
    opset = (_OPSET, _encoded([(1, _CONTRIB), (2, 1)]))
    return _encoded([*((n, changed if n == _GRAPH else value) for n, value in fields), opset])


class _Graph:
    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._tensors = {_text(tensor, _TENSOR_NAME): tensor for tensor in self._messages(_TENSOR)}
        nodes = list(self._messages(_NODE))
        # A weight W is made as Mul(Cast(W_q), W_scale).
        made = {_text(node, _OUTPUT): node for node in nodes if _text(node, _OPERATOR) == b"Mul"}
        self.weights = {name for name in made if {name + b"_q", name + b"_scale"} <= self._tensors.keys()}
        self._multiplied = {inputs[1] for node in nodes if (inputs := self._uses(node, b"MatMul"))}
        self._looked_up = {inputs[0] for node in nodes if (inputs := self._uses(node, b"Gather"))}

    def changed(self) -> bytes:
        return _encoded([field for number, value in self._fields for field in self._replaced(number, value)])

    def _messages(self, kind: int) -> Iterator[list[Field]]:
        return (_decoded(value) for number, value in self._fields if number == kind and isinstance(value, bytes))

    def _uses(self, node: list[Field], operator: bytes) -> list[bytes]:
        """The inputs of a node of this kind that has one of the weights among them."""
        inputs = _texts(node, _INPUT)
        return inputs if _text(node, _OPERATOR) == operator and self.weights & set(inputs) else []

    def _replaced(self, number: int, value: int | bytes) -> Iterator[Field]:
        if number == _NODE and isinstance(value, bytes):
            yield from ((_NODE, node) for node in self._node(value))
        elif number == _TENSOR and isinstance(value, bytes):
            yield _TENSOR, self._tensor(value)
        else:
            yield number, value

    def _node(self, value: bytes) -> Iterator[bytes]:
        node = _decoded(value)
        output = _text(node, _OUTPUT)
        if output.removesuffix(b"_f") in self.weights:
            return  # nothing is widened any more
        if inputs := self._uses(node, b"MatMul"):
            yield self._product(inputs[0], inputs[1], output)
        elif inputs := self._uses(node, b"Gather"):
            yield from _lookup(node, inputs[0], inputs[1], output)
        else:
            yield value

    def _product(self, left: bytes, weight: bytes, output: bytes) -> bytes:
        columns = self._columns(weight)
        sizes = {b"K": self._rows(weight), b"N": columns, b"bits": 8, b"block_size": BLOCK, b"accuracy_level": 4}
        attributes = [(_ATTRIBUTE, _encoded([(1, name), (3, size), (20, 2)])) for name, size in sizes.items()]
        node = _node([left, weight + b"_q", weight + b"_scale"], output, b"MatMulNBits")
        return _encoded([*node, *attributes, (_DOMAIN, _CONTRIB)])

    def _tensor(self, value: bytes) -> bytes:
        """What a product takes: per column blocks of unsigned numbers around 128, and a scale for each block."""
        import numpy as np

        tensor = _decoded(value)
        name, raw = _text(tensor, _TENSOR_NAME), _text(tensor, _RAW)
        weight, _, part = name.rpartition(b"_")
        if weight not in self._multiplied:
            return value
        columns = self._columns(weight)
        blocks = self._rows(weight) // BLOCK
        if part == b"q":
            turned = np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(-1, columns).T)
            return _tensor(name, _UINT8, (columns, blocks, BLOCK), (turned ^ 0x80).tobytes())
        return _tensor(name, _FLOAT, (columns, blocks), np.repeat(np.frombuffer(raw, "<f4"), blocks).tobytes())

    def _columns(self, weight: bytes) -> int:
        return len(_text(self._tensors[weight + b"_scale"], _RAW)) // 4

    def _rows(self, weight: bytes) -> int:
        return len(_text(self._tensors[weight + b"_q"], _RAW)) // self._columns(weight)


def _lookup(gather: list[Field], table: bytes, ids: bytes, output: bytes) -> Iterator[bytes]:
    """Rows of the int8 table and their scales, each found first and then widened."""
    attributes = [field for field in gather if field[0] == _ATTRIBUTE]
    rows, wide, scales = output + b"_rows", output + b"_wide", output + b"_scales"
    yield _encoded([*_node([table + b"_q", ids], rows, b"Gather"), *attributes])
    yield _encoded([*_node([rows], wide, b"Cast"), (_ATTRIBUTE, _encoded([(1, b"to"), (3, _FLOAT), (20, 2)]))])
    yield _encoded([*_node([table + b"_scale", ids], scales, b"Gather"), *attributes])
    yield _encoded(_node([wide, scales], output, b"Mul"))


def _node(inputs: Sequence[bytes], output: bytes, operator: bytes) -> list[Field]:
    named: list[Field] = [(_INPUT, name) for name in inputs]
    return [*named, (_OUTPUT, output), (_NAME, output + b"_" + operator), (_OPERATOR, operator)]


def _tensor(name: bytes, kind: int, shape: Sequence[int], raw: bytes) -> bytes:
    sizes: list[Field] = [(_DIMENSION, size) for size in shape]
    return _encoded([*sizes, (_TYPE, kind), (_TENSOR_NAME, name), (_RAW, raw)])


def _texts(fields: Sequence[Field], number: int) -> list[bytes]:
    return [value for found, value in fields if found == number and isinstance(value, bytes)]


def _text(fields: Sequence[Field], number: int) -> bytes:
    return next(iter(_texts(fields, number)), b"")


def _decoded(data: bytes) -> list[Field]:
    """One level of a message: numbers and bytes are the only kinds of fields in the messages that are looked into."""
    fields: list[Field] = []
    position = 0
    while position < len(data):
        key, position = _number(data, position)
        value, position = _number(data, position)
        if key & 7 == 2:
            fields.append((key >> 3, data[position : position + value]))
            position += value
        elif key & 7 == 0:
            fields.append((key >> 3, value))
        else:
            raise ValueError("not an ONNX model as expected")
    return fields


def _number(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while data[position] & 0x80:
        number |= (data[position] & 0x7F) << shift
        shift += 7
        position += 1
    return number | data[position] << shift, position + 1


def _encoded(fields: Sequence[Field]) -> bytes:
    parts: list[bytes] = []
    for number, value in fields:
        if isinstance(value, int):
            parts += (_varint(number << 3), _varint(value))
        else:
            parts += (_varint(number << 3 | 2), _varint(len(value)), value)
    return b"".join(parts)


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])
