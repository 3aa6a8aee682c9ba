"""A protocol of the API: one walk of the service model that reads parameters and writes outputs.

The walk over a shape is compiled once a protocol, at the shape's first use, into nested closures.
"""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, NoReturn, cast

from botocore.model import ListShape, MapShape, Shape, StructureShape

from hookline.api.service import Operation, Service, entry_path, member_path
from hookline.api.sigv4 import Received
from hookline.errors import ApiError, SerializationException

MAX_DEPTH = 64
"""How deep the values of a body may be nested."""

_Reader = Callable[[Any, str], Any]
_Writer = Callable[[Any], Any]

# The seconds that a datetime can hold, years 1 to 9999: more is no time anybody can mean.
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799

# PostgreSQL has no text with this character.
_UNSTORABLE = "\0"

_INTEGER_BITS = {"integer": 32, "long": 64}

_FOUND = {
    str: "a string",
    bytes: "a byte string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


class Protocol(ABC):
    """How requests and answers are written: all that the endpoint needs to know of it."""

    content_type: ClassVar[str]
    """The media type of answers."""
    headers: ClassVar[Mapping[str, str]] = {}
    """What every answer says beside its media type and request id."""
    target_place: ClassVar[str]
    """Where a request names its operation, and how."""
    time_form: ClassVar[str]
    """What a client should have sent where a timestamp is of another form."""

    @abstractmethod
    def target(self, received: Received) -> tuple[str, str]:
        """The target prefix of the service and the name of the operation that a request is for.

        Raises UnknownOperationException: it names none.
        """

    @abstractmethod
    def load(self, body: bytes) -> Any:
        """The value of a body, nested at most MAX_DEPTH deep. Raises SerializationException."""

    @abstractmethod
    def dump(self, value: Any) -> bytes:
        """The body of a value."""

    @abstractmethod
    def seconds(self, value: Any) -> float | None:
        """The epoch seconds of a loaded timestamp, or None if it is no timestamp."""

    @abstractmethod
    def timestamp(self, seconds: float) -> Any:
        """The value that is dumped for epoch seconds."""

    @abstractmethod
    def nothing(self) -> bytes:
        """The body of an answer without output."""

    def parse(self, operation: Operation, body: bytes) -> dict[str, Any]:
        """The parameters of `operation` in a body, keys as in the model (camelCase).

        Timestamps become epoch seconds (floats). Members unknown to the model are ignored and null
        members are absent, as on AWS; of a repeated key the last counts. A null inside a list or a
        map stays None, for the constraints to name. Nothing but types is checked here.

        Raises SerializationException: a body that can't be loaded, is not an object, or has a
        member of another type or with a NUL.
        """
        read = _reader(self, operation.service, operation.input_shape.name)
        return cast("dict[str, Any]", read(self.load(body), ""))

    def render(self, operation: Operation, output: Mapping[str, Any] | None) -> bytes:
        """The body for an output of `operation`.

        Only members of the model are written, those that are None are left out. Timestamps may be
        epoch seconds, or datetimes with a time zone.

        Raises TypeError when a value is not of its shape's type: the handler's fault, not the
        client's.
        """
        shape = operation.model.output_shape
        if not shape:
            return self.nothing()
        return self.dump(_writer(self, operation.service, shape.name)(output or {}))

    def failure(self, error: ApiError) -> bytes:
        """The body for an error."""
        return self.dump({"__type": error.code, "message": error.message})


def _expected(path: str, expected: str, value: Any) -> NoReturn:
    where = path or "The request body"
    found = _FOUND.get(type(value), "another type")
    raise SerializationException(f"{where}: expected {expected}, found {found}.")


@functools.cache
def _reader(protocol: Protocol, service: Service, shape_name: str) -> _Reader:
    shape = service.shape(shape_name)
    return _READERS[shape.type_name](protocol, service, shape)


def _structure_reader(protocol: Protocol, service: Service, shape: Shape) -> _Reader:
    members = {
        name: _reader(protocol, service, member.name)
        for name, member in cast("StructureShape", shape).members.items()
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


def _list_reader(protocol: Protocol, service: Service, shape: Shape) -> _Reader:
    entry = _reader(protocol, service, cast("ListShape", shape).member.name)

    def read(value: Any, path: str) -> list[Any]:
        if type(value) is not list:
            _expected(path, "a list", value)
        return [
            None if item is None else entry(item, entry_path(path, position))
            for position, item in enumerate(value, 1)
        ]

    return read


def _map_reader(protocol: Protocol, service: Service, shape: Shape) -> _Reader:
    entry = _reader(protocol, service, cast("MapShape", shape).value.name)

    def read(value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            _expected(path, "an object", value)
        # A position, not the key: a key may be long, and in some maps it is private.
        return {
            key: None if item is None else entry(item, entry_path(path, position))
            for position, (key, item) in enumerate(value.items(), 1)
        }

    return read


def _string_reader(_protocol: Protocol, _service: Service, _shape: Shape) -> _Reader:
    def read(value: Any, path: str) -> str:
        if type(value) is not str:
            _expected(path, "a string", value)
        if _UNSTORABLE in value:
            raise SerializationException(f"{path}: the string has the character U+0000.")
        return value

    return read


def _boolean_reader(_protocol: Protocol, _service: Service, _shape: Shape) -> _Reader:
    def read(value: Any, path: str) -> bool:
        return value if type(value) is bool else _expected(path, "a boolean", value)

    return read


def _integer_reader(_protocol: Protocol, _service: Service, shape: Shape) -> _Reader:
    bits = _INTEGER_BITS[shape.type_name]
    limit = 1 << bits - 1

    def read(value: Any, path: str) -> int:
        if type(value) is not int:
            _expected(path, "an integer", value)
        if not -limit <= value < limit:
            raise SerializationException(f"{path}: the number does not fit in {bits} bits.")
        return value

    return read


def _double_reader(_protocol: Protocol, _service: Service, _shape: Shape) -> _Reader:
    def read(value: Any, path: str) -> float:
        if type(value) not in {int, float}:
            _expected(path, "a number", value)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise SerializationException(f"{path}: the number is not a finite one of 64 bits.")
        return number

    return read


def _timestamp_reader(protocol: Protocol, _service: Service, _shape: Shape) -> _Reader:
    def read(value: Any, path: str) -> float:
        seconds = protocol.seconds(value)
        if seconds is None:
            _expected(path, protocol.time_form, value)
        # NaN is not between any two numbers.
        if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
            raise SerializationException(f"{path}: the number is no time between years 1 and 9999.")
        return float(seconds)

    return read


# The service models have no blobs and no documents.
_READERS: Mapping[str, Callable[[Protocol, Service, Shape], _Reader]] = {
    "structure": _structure_reader,
    "list": _list_reader,
    "map": _map_reader,
    "string": _string_reader,
    "boolean": _boolean_reader,
    "integer": _integer_reader,
    "long": _integer_reader,
    "double": _double_reader,
    "timestamp": _timestamp_reader,
}


@functools.cache
def _writer(protocol: Protocol, service: Service, shape_name: str) -> _Writer:
    shape = service.shape(shape_name)
    return _WRITERS[shape.type_name](protocol, service, shape)


def _of_type(shape: Shape, value: Any, *types: type) -> Any:
    if isinstance(value, types) and (bool in types or not isinstance(value, bool)):
        return value
    # The value itself may be a secret.
    raise TypeError(f"{shape.name} can't be rendered from {type(value).__name__}")


def _finite(shape: Shape, number: float) -> float:
    if math.isfinite(number):
        return number
    raise TypeError(f"{shape.name} can't be rendered from a number that is not finite")


def _structure_writer(protocol: Protocol, service: Service, shape: Shape) -> _Writer:
    members = [
        (name, _writer(protocol, service, member.name))
        for name, member in cast("StructureShape", shape).members.items()
    ]

    def write(value: Any) -> dict[str, Any]:
        fields = _of_type(shape, value, Mapping)
        return {
            name: member(fields[name]) for name, member in members if fields.get(name) is not None
        }

    return write


def _list_writer(protocol: Protocol, service: Service, shape: Shape) -> _Writer:
    entry = _writer(protocol, service, cast("ListShape", shape).member.name)

    def write(value: Any) -> list[Any]:
        return [entry(item) for item in _of_type(shape, value, list, tuple)]

    return write


def _map_writer(protocol: Protocol, service: Service, shape: Shape) -> _Writer:
    entry = _writer(protocol, service, cast("MapShape", shape).value.name)

    def write(value: Any) -> dict[str, Any]:
        items = _of_type(shape, value, Mapping).items()
        return {key: entry(item) for key, item in items if item is not None}

    return write


def _string_writer(_protocol: Protocol, _service: Service, shape: Shape) -> _Writer:
    return lambda value: _of_type(shape, value, str)


def _boolean_writer(_protocol: Protocol, _service: Service, shape: Shape) -> _Writer:
    return lambda value: _of_type(shape, value, bool)


def _integer_writer(_protocol: Protocol, _service: Service, shape: Shape) -> _Writer:
    return lambda value: _of_type(shape, value, int)


def _double_writer(_protocol: Protocol, _service: Service, shape: Shape) -> _Writer:
    return lambda value: float(_finite(shape, _of_type(shape, value, int, float)))


def _timestamp_writer(protocol: Protocol, _service: Service, shape: Shape) -> _Writer:
    def write(value: Any) -> Any:
        seconds: float
        if isinstance(value, datetime) and value.tzinfo is not None:
            seconds = value.timestamp()
        else:
            seconds = _of_type(shape, value, int, float)
        return protocol.timestamp(_finite(shape, seconds))

    return write


_WRITERS: Mapping[str, Callable[[Protocol, Service, Shape], _Writer]] = {
    "structure": _structure_writer,
    "list": _list_writer,
    "map": _map_writer,
    "string": _string_writer,
    "boolean": _boolean_writer,
    "integer": _integer_writer,
    "long": _integer_writer,
    "double": _double_writer,
    "timestamp": _timestamp_writer,
}
