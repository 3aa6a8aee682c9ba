"""Deliveries without a pause."""

import json
import threading
import time
from http.client import HTTPException
from typing import Self

from .sending import Reply, push_event, send, signed
from .server import until
from .tenant import SECRET


class Load:
    """Threads that send different events, without a pause, inside a `with` block."""

    def __init__(self, url: str, threads: int = 8) -> None:
        self.replies: list[Reply] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number,)) for number in range(threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        sent = 0
        while not self._stop.is_set():
            sent += 1
            body = json.dumps(push_event(n=f"{number}/{sent}")).encode()
            try:
                self.replies.append(send(self._url, body, signed(SECRET, body)))
            except (OSError, HTTPException):  # the worker died, or is not up again
                time.sleep(0.01)

    def goes_on(self) -> bool:
        """Wait until more deliveries are answered; whether they were."""
        before = len(self.replies)
        return until(lambda: len(self.replies) > before + 50)
