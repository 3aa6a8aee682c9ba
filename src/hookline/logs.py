"""How log lines are written: one JSON object a line, or for a person's eyes."""

import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog


def configure(log_format: str) -> None:
    """Write log lines to standard error as `json` or for the `console`."""
    if log_format == "json":
        render: list[Any] = [structlog.processors.JSONRenderer(serializer=_dumps)]
        factory: Any = structlog.BytesLoggerFactory(sys.stderr.buffer)
    else:
        render = [_printable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        factory = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("INFO"),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )


def printable(text: str) -> str:
    """Text from outside, safe for a terminal: what is not printable is shown as its code."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _dumps(event: Any, default: Any) -> bytes:
    return orjson.dumps(event, default=default)


def _printable(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {
        name: printable(value) if isinstance(value, str) and name != "exception" else value
        for name, value in event.items()
    }
