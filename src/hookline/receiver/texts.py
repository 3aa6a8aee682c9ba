"""Values of an event as text: the text by which they are compared, and what people are shown.

A sender decides how large a value is, so what is shown is cut while it is written, never after.
"""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

SHOWN = 200


def text_of(value: Any) -> str | None:
    """The text by which a scalar is compared; None for an object or a list (contract T5)."""
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return format(Decimal(repr(value)), "f")
        case _:
            return None


def shown(value: Any, limit: int = SHOWN) -> str:
    """A value's text, or its compact JSON, cut at `limit` characters.

    Reads no more of the value than it shows, however large or deep the value is.
    """
    text = text_of(value)
    return shortened(_json(value, limit) if text is None else text, limit)


def shortened(text: str, limit: int = SHOWN) -> str:
    """A text, cut at `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def joined(texts: Iterable[str], limit: int) -> str:
    """Texts with semicolons between, cut at `limit` characters; takes no more than it shows."""
    text = ""
    for part in texts:
        text += f"{'; ' if text else ''}{part[: limit + 1]}"
        if len(text) > limit:
            break
    return shortened(text, limit)


def _json(value: Any, room: int) -> str:
    """The compact JSON of a value, right in its first `room` characters; longer if that is cut."""
    if not isinstance(value, dict | list):
        return _json_of_scalar(value, room)
    is_object = isinstance(value, dict)
    text, end = ("{", "}") if is_object else ("[", "]")
    for item in value:
        if len(text) > room:
            return text
        text += "," if len(text) > 1 else ""
        if is_object:
            text += f"{_json(item, room - len(text))}:"
        text += _json(value[item] if is_object else item, room - len(text))
    return text + end


def _json_of_scalar(value: Any, room: int) -> str:
    return json.dumps(
        value[: max(room, 0)] if isinstance(value, str) else value, ensure_ascii=False
    )
