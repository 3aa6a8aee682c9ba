"""Ports that no other process is given while a test means to listen on them."""

import random
import socket
from contextlib import suppress

# Below those that Linux gives to outgoing connections (net.ipv4.ip_local_port_range): a server that
# is started again finds its own still free.
_FIRST, _LAST = 10_000, 32_000


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    while True:
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - no secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
