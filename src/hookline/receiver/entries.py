"""What workers tell the recorder, and what it answers: frames of MessagePack on a local socket."""

import math
import struct
from collections.abc import Iterator

import msgspec

from hookline.executions.start_request import StartRequest
from hookline.receiver.filters import FilterTrace
from hookline.receiver.git_triggers import TriggerTrace

STEPS = ("read", "authenticate", "parse", "filter")
"""The steps of a delivery whose times an entry carries."""

_LENGTH = struct.Struct("!I")


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """A judged delivery, to be recorded; where `start` is given, an answer is waited for.

    `verdict` is the name of a `model.Verdict`; headers are as received; times are epoch seconds,
    `duration` seconds. `dedupe_key` is None where the event can't be told from others.
    """

    delivery_id: str
    webhook_id: int
    received_at: float
    duration: float
    verdict: str
    authentication: str
    authenticated: bool
    reason: str | None
    filters: list[FilterTrace]
    remote: str
    headers: dict[bytes, bytes]
    body_size: int
    body: bytes | None
    start: StartRequest | None = None
    dedupe_key: bytes | None = None
    # Seconds of those of the STEPS that were gone through.
    steps: dict[str, float] = {}
    redelivery_of: str | None = None
    # An earlier attempt got no answer, so it may be recorded already.
    again: bool = False
    # Until when somebody waits for the answer, in seconds of the machine's monotonic clock.
    deadline: float = math.inf
    # Empty where the pipeline has no trigger on the target action, or a filter had failed.
    triggers: list[TriggerTrace] = []


class Recorded(msgspec.Struct, array_like=True, frozen=True):
    """What became of a delivery that waits for an answer."""

    delivery_id: str
    verdict: str
    execution_id: str | None


_OF_ENTRY, _OF_HEADER = 1_500, 100


def size_of(entry: Entry) -> int:
    """About how many bytes of memory an entry takes.

    A refused body counts nothing: its size was perhaps only announced.
    """
    headers = entry.headers
    size = sum(map(len, headers)) + sum(map(len, headers.values())) + len(headers) * _OF_HEADER
    return _OF_ENTRY + size + len(entry.body or b"")


_encoder = msgspec.msgpack.Encoder()
_entries = msgspec.msgpack.Decoder(list[Entry])
_recorded = msgspec.msgpack.Decoder(list[Recorded])


def frame(values: list[Entry] | list[Recorded]) -> bytes:
    """The bytes that carry `values`: their length (4 bytes, big-endian), then MessagePack."""
    content = _encoder.encode(values)
    return _LENGTH.pack(len(content)) + content


def decode_entries(content: bytes) -> list[Entry]:
    """The entries of one frame's content."""
    return _entries.decode(content)


def decode_recorded(content: bytes) -> list[Recorded]:
    """The answers of one frame's content."""
    return _recorded.decode(content)


class Frames:
    """Cuts a stream of bytes into the contents of frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The contents of the frames that `data` completes."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            content = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield content
