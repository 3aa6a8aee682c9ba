"""How payloads and logs are compressed: zstd, at the level that costs least."""

import threading

import zstandard


class _PerThread(threading.local):
    # Making a compressor takes longer than compressing a payload with it.
    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=1).compress


_per_thread = _PerThread()


def compress(data: bytes) -> bytes:
    """`data` as it is stored."""
    return _per_thread.compress(data)


def decompress(data: bytes) -> bytes:
    """What was compressed."""
    return zstandard.decompress(data)
