"""AWS JSON 1.1 by botocore's service model: bytes to typed parameters, and outputs to bytes.

The walk over a shape is compiled once, at the shape's first use, into nested closures.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn, cast

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape

from hookline.api.service import entry_path, input_shape, member_path, operation_model, shape_named
from hookline.errors import SerializationException

MAX_DEPTH = 64

_Reader = Callable[[Any, str], Any]
_Writer = Callable[[Any], Any]

# The seconds that a datetime can hold, years 1 to 9999: more is no time anybody can mean.
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799

_INTEGER_BITS = {"integer": 32, "long": 64}

_FOUND = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def parse(operation: str, body: bytes) -> dict[str, Any]:
    """The parameters of `operation` in a JSON 1.1 body, keys as in the model (camelCase).

    Timestamps become epoch seconds (floats). Members unknown to the model are ignored and null
    members are absent, as on AWS; of a repeated key the last counts. A null inside a list or a map
    stays None, for the constraints to name. Nothing but types is checked here.

    Raises SerializationException: not JSON (NaN, a byte order mark and bad UTF-8 included),
    nested deeper than `MAX_DEPTH`, not an object, or a member of another JSON type.
    """
    return cast("dict[str, Any]", _reader(input_shape(operation).name)(_load(body), ""))


def render(operation: str, output: Mapping[str, Any] | None) -> bytes:
    """The JSON 1.1 body for an output of `operation`.

    Only members of the model are written, those that are None are left out, and timestamps (epoch
    seconds, or datetimes with a time zone) become JSON numbers.

    Raises TypeError when a value is not of its shape's type: the handler's fault, not the client's.
    """
    shape = operation_model(operation).output_shape
    return orjson.dumps(_writer(shape.name)(output or {})) if shape else b"{}"


def _load(body: bytes) -> Any:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # orjson's text gives the position and the reason, and quotes nothing of the body.
        raise SerializationException(f"The request body is not valid JSON: {error}") from None
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return document
    raise SerializationException(f"The request body is nested deeper than {MAX_DEPTH} levels.")


def _children(value: Any) -> Sequence[Any]:
    if type(value) is dict:
        return list(value.values())
    return value if type(value) is list else ()


def _expected(path: str, expected: str, value: Any) -> NoReturn:
    where = path or "The request body"
    raise SerializationException(f"{where}: expected {expected}, found {_FOUND[type(value)]}.")


@functools.cache
def _reader(shape_name: str) -> _Reader:
    shape = shape_named(shape_name)
    return _READERS[shape.type_name](shape)


def _structure_reader(shape: Shape) -> _Reader:
    members = {
        name: _reader(member.name) for name, member in cast("StructureShape", shape).members.items()
    }

    def read(value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            _expected(path, "an object", value)
        return {
            name: members[name](item, member_path(path, name))
            for name, item in value.items()
            if item is not None and name in members
        }

    return read


def _list_reader(shape: Shape) -> _Reader:
    entry = _reader(cast("ListShape", shape).member.name)

    def read(value: Any, path: str) -> list[Any]:
        if type(value) is not list:
            _expected(path, "a list", value)
        return [
            None if item is None else entry(item, entry_path(path, position))
            for position, item in enumerate(value, 1)
        ]

    return read


def _map_reader(shape: Shape) -> _Reader:
    entry = _reader(cast("MapShape", shape).value.name)

    def read(value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            _expected(path, "an object", value)
        # A position, not the key: a key may be long, and in some maps it is private.
        return {
            key: None if item is None else entry(item, entry_path(path, position))
            for position, (key, item) in enumerate(value.items(), 1)
        }

    return read


def _string_reader(_shape: Shape) -> _Reader:
    def read(value: Any, path: str) -> str:
        return value if type(value) is str else _expected(path, "a string", value)

    return read


def _boolean_reader(_shape: Shape) -> _Reader:
    def read(value: Any, path: str) -> bool:
        return value if type(value) is bool else _expected(path, "a boolean", value)

    return read


def _integer_reader(shape: Shape) -> _Reader:
    bits = _INTEGER_BITS[shape.type_name]
    limit = 1 << bits - 1

    def read(value: Any, path: str) -> int:
        if type(value) is not int:
            _expected(path, "an integer", value)
        if not -limit <= value < limit:
            raise SerializationException(f"{path}: the number does not fit in {bits} bits.")
        return value

    return read


def _timestamp_reader(_shape: Shape) -> _Reader:
    def read(value: Any, path: str) -> float:
        if type(value) not in {int, float}:
            _expected(path, "epoch seconds as a number", value)
        if not _FIRST_SECOND <= value <= _LAST_SECOND:
            raise SerializationException(f"{path}: the number is no time between years 1 and 9999.")
        return float(value)

    return read


_READERS: Mapping[str, Callable[[Shape], _Reader]] = {
    "structure": _structure_reader,
    "list": _list_reader,
    "map": _map_reader,
    "string": _string_reader,
    "boolean": _boolean_reader,
    "integer": _integer_reader,
    "long": _integer_reader,
    "timestamp": _timestamp_reader,
}


@functools.cache
def _writer(shape_name: str) -> _Writer:
    shape = shape_named(shape_name)
    return _WRITERS[shape.type_name](shape)


def _of_type(shape: Shape, value: Any, *types: type) -> Any:
    if isinstance(value, types) and (bool in types or not isinstance(value, bool)):
        return value
    # The value itself may be a secret.
    raise TypeError(f"{shape.name} can't be rendered from {type(value).__name__}")


def _structure_writer(shape: Shape) -> _Writer:
    members = [
        (name, _writer(member.name))
        for name, member in cast("StructureShape", shape).members.items()
    ]

    def write(value: Any) -> dict[str, Any]:
        fields = _of_type(shape, value, Mapping)
        return {
            name: member(fields[name]) for name, member in members if fields.get(name) is not None
        }

    return write


def _list_writer(shape: Shape) -> _Writer:
    entry = _writer(cast("ListShape", shape).member.name)

    def write(value: Any) -> list[Any]:
        return [entry(item) for item in _of_type(shape, value, list, tuple)]

    return write


def _map_writer(shape: Shape) -> _Writer:
    entry = _writer(cast("MapShape", shape).value.name)

    def write(value: Any) -> dict[str, Any]:
        items = _of_type(shape, value, Mapping).items()
        return {key: entry(item) for key, item in items if item is not None}

    return write


def _string_writer(shape: Shape) -> _Writer:
    return lambda value: _of_type(shape, value, str)


def _boolean_writer(shape: Shape) -> _Writer:
    return lambda value: _of_type(shape, value, bool)


def _integer_writer(shape: Shape) -> _Writer:
    return lambda value: _of_type(shape, value, int)


def _timestamp_writer(shape: Shape) -> _Writer:
    def write(value: Any) -> float:
        seconds: float
        if isinstance(value, datetime) and value.tzinfo is not None:
            seconds = value.timestamp()
        else:
            seconds = _of_type(shape, value, int, float)
        if not math.isfinite(seconds):
            raise TypeError(f"{shape.name} can't be rendered from a number that is not finite")
        return seconds

    return write


_WRITERS: Mapping[str, Callable[[Shape], _Writer]] = {
    "structure": _structure_writer,
    "list": _list_writer,
    "map": _map_writer,
    "string": _string_writer,
    "boolean": _boolean_writer,
    "integer": _integer_writer,
    "long": _integer_writer,
    "timestamp": _timestamp_writer,
}
