"""From raw bytes to an event: JSON, or a form that carries it (contract T8)."""

from typing import Any
from urllib.parse import parse_qs

import orjson

from hookline.model import Verdict
from hookline.receiver.refusal import Refused

_MAX_NESTING = 200
_MAX_FORM_FIELDS = 100
_FORM = b"application/x-www-form-urlencoded"


def parse_event(body: bytes, content_type: bytes) -> Any:
    """The JSON document in `body`. Refuses what is not JSON, and nesting deeper than 200."""
    text = _form_payload(body) if content_type.lower().startswith(_FORM) else body
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refused(Verdict.NOT_JSON, f"the body is not JSON: {error}") from error
    # Counting brackets is cheap and never too low; only a suspicious body is walked.
    if text.count(b"[") + text.count(b"{") > _MAX_NESTING and _is_deeper_than(event, _MAX_NESTING):
        raise Refused(Verdict.NOT_JSON, f"the body is nested deeper than {_MAX_NESTING} levels")
    return event


def _form_payload(body: bytes) -> bytes:
    try:
        fields = parse_qs(
            body.decode("ascii"), max_num_fields=_MAX_FORM_FIELDS, errors="surrogateescape"
        )
    except ValueError as error:
        raise Refused(Verdict.NOT_JSON, "the form can't be read") from error
    values = fields.get("payload", [])
    if len(values) != 1:
        raise Refused(Verdict.NOT_JSON, "the form must have one field payload with JSON")
    return values[0].encode("utf-8", "surrogateescape")


def _is_deeper_than(event: Any, limit: int) -> bool:
    level = [event] if isinstance(event, dict | list) else []
    depth = 0
    while level and depth <= limit:
        depth += 1
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
    return depth > limit
