"""How log lines are written: one JSON object a line, or for a person's eyes."""

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from hookline.terminal import printable


def configure(log_format: str) -> None:
    """Write log lines to standard error as `json` or for the `console`; libraries' lines, too."""
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
    logging.basicConfig(handlers=[_Forwarder()], level=logging.WARNING, force=True)
    # What any stranger can cause with a broken request is answered, not logged.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    # With a handler of its own it does not make one that writes past this one.
    logging.getLogger("dbos").addHandler(logging.NullHandler())
    logging.captureWarnings(True)


class _Forwarder(logging.Handler):
    """Gives what libraries log to structlog, so that it is written as all else is."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        structlog.get_logger().log(
            record.levelno,
            record.getMessage().strip(),
            library=record.name,
            exc_info=record.exc_info,
        )


def _dumps(event: Any, default: Any) -> bytes:
    try:
        line = orjson.dumps(event, default=default)
    except TypeError:
        # A text that is not Unicode, such as a broken file name in a program's message.
        return json.dumps(event, default=default).encode()
    if line.isascii() and b"\x7f" not in line:
        return line
    # JSON allows raw what a terminal obeys or an editor takes for the end of a line.
    text = line.decode()
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text).encode()


def _printable(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    shown = {
        name: printable(value) if isinstance(value, str) else value for name, value in event.items()
    }
    if isinstance(trace := event.get("exception"), str):
        shown["exception"] = "\n".join(map(printable, trace.split("\n")))
    return shown
