"""How many bytes of requests a worker holds: strangers must not be able to fill its memory."""

from collections.abc import Callable
from typing import Any


class Budget:
    """The bytes that all connections of a process hold together, and how many they may."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def exceeded(self) -> bool:
        """Whether more is held than may be."""
        return self.used > self.limit


class Request:
    """The ASGI application of one request, whose bytes count until it has been dealt with."""

    __slots__ = ("_app", "_budget", "begun", "held")

    def __init__(self, app: Callable[..., Any], budget: Budget) -> None:
        self._app = app
        self._budget = budget
        self.begun = False
        self.held = 0

    async def __call__(self, *arguments: Any) -> None:
        """Answer the request, and hold it no longer."""
        self.begun = True
        try:
            await self._app(*arguments)
        finally:
            self.release()

    def hold(self, size: int) -> None:
        """Count bytes that have come in."""
        self.held += size
        self._budget.used += size

    def release(self) -> None:
        """Count none of it any more."""
        self._budget.used -= self.held
        self.held = 0
