"""Smithy RPC v2 CBOR, the protocol that newer SDKs can be told to speak.

Source: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import cbor2

from hookline.api.protocol import MAX_DEPTH, Protocol
from hookline.api.sigv4 import Received
from hookline.errors import SerializationException, UnknownOperationException

PATH = "/service/{service}/operation/{operation}"
"""The path of a request, as a route."""

_PATH = re.compile(PATH.format(service="([^/]*)", operation="([^/]*)"))
_NAME = "rpc-v2-cbor"
_MEDIA_TYPE = "application/cbor"
_EPOCH_TAG = 1


class Cbor(Protocol):
    """The operation is in the path; timestamps are epoch seconds in tag 1, the only tag read.

    So nothing of a body is shared, referenced, or built by the library: only maps with text as
    keys, lists, text, byte strings, numbers of at most 64 bits, booleans, null and timestamps.
    """

    content_type = _MEDIA_TYPE
    target_place = "The path, " + PATH.replace("{operation}", "<Operation>")
    headers: ClassVar[Mapping[str, str]] = {"smithy-protocol": _NAME}
    time_form = "epoch seconds in tag 1"

    def target(self, received: Received) -> tuple[str, str]:
        """What the path names; the headers must agree that this is the protocol."""
        if received.header("smithy-protocol") != _NAME:
            raise UnknownOperationException(
                f"A request to {PATH} needs the header smithy-protocol: {_NAME}."
            )
        if received.header("x-amz-target") is not None:
            raise UnknownOperationException(f"A request to {PATH} has no X-Amz-Target header.")
        named = _PATH.fullmatch(received.path)
        return (named[1], named[2]) if named else ("", "")

    def load(self, body: bytes) -> Any:
        """The CBOR data item of a body; no body is an empty map."""
        if not body:
            return {}
        stream = io.BytesIO(body)
        decoder = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_TAGS,
            object_hook=_read_map,
            # The library does not count the innermost map or list.
            max_depth=MAX_DEPTH - 1,
            strict_hashable_types=True,
        )
        try:
            value = decoder.decode()
        except cbor2.CBORDecodeError as error:
            # What the library says may quote the body; what we say in its hooks does not.
            reason = f": {error.__cause__}" if isinstance(error.__cause__, _Refused) else "."
            raise SerializationException(f"The request body is not valid CBOR{reason}") from None
        if stream.tell() != len(body):
            raise SerializationException(
                "The request body is not valid CBOR: more than one data item."
            )
        return value

    def dump(self, value: Any) -> bytes:
        """Encode."""
        return cbor2.dumps(value)

    def seconds(self, value: Any) -> float | None:
        """What tag 1 held."""
        return value.seconds if type(value) is _Epoch else None

    def timestamp(self, seconds: float) -> cbor2.CBORTag:
        """Tag 1."""
        return cbor2.CBORTag(_EPOCH_TAG, seconds)

    def nothing(self) -> bytes:
        """No body."""
        return b""


@dataclass(frozen=True, slots=True)
class _Epoch:
    seconds: float


class _Refused(Exception):  # noqa: N818 -- no error by itself, but the cause of one
    """Why a hook of the decoder refuses a part of the body."""


class _Tags(Mapping[int, Callable[[Any, bool], Any]]):
    """The decoders of all tags there are, so that none of the library's own is ever used."""

    def __getitem__(self, tag: int) -> Callable[[Any, bool], Any]:
        return _read_epoch if tag == _EPOCH_TAG else _refuse_tag

    def __iter__(self) -> Iterator[int]:
        return iter((_EPOCH_TAG,))

    def __len__(self) -> int:
        return 1


_TAGS = _Tags()


def _read_epoch(value: Any, _immutable: bool) -> _Epoch:  # noqa: FBT001 -- the library's signature
    if type(value) not in {int, float}:
        raise _Refused("tag 1 holds no number.")
    return _Epoch(value)


def _refuse_tag(_value: Any, _immutable: bool) -> None:  # noqa: FBT001 -- the library's signature
    raise _Refused("only tag 1, a timestamp, is accepted.")


def _read_map(value: Mapping[Any, Any], _immutable: bool) -> dict[str, Any]:  # noqa: FBT001 -- the library's signature
    if not all(type(key) is str for key in value):
        raise _Refused("a key of a map is no text.")
    return {key: item for key, item in value.items() if item is not cbor2.undefined}


CBOR = Cbor()
