"""AWS JSON 1.1, the protocol that every client speaks unless it is told otherwise."""

from collections.abc import Sequence
from typing import Any

import orjson

from hookline.api.protocol import MAX_DEPTH, Protocol
from hookline.api.sigv4 import Received
from hookline.errors import SerializationException, UnknownOperationException


class AwsJson(Protocol):
    """The operation is in the header X-Amz-Target; timestamps are epoch seconds as numbers.

    NaN, a byte order mark and bad UTF-8 are no JSON.
    """

    content_type = "application/x-amz-json-1.1"
    target_place = "X-Amz-Target, {service}.<Operation>"
    time_form = "epoch seconds as a number"

    def target(self, received: Received) -> tuple[str, str]:
        """The two parts of X-Amz-Target."""
        target = received.header("x-amz-target")
        if target is None:
            raise UnknownOperationException(
                "The request has no X-Amz-Target header; AWS JSON 1.1 needs it, as in "
                "CodePipeline_20150709.ListPipelines."
            )
        prefix, _, operation = target.partition(".")
        return prefix, operation

    def load(self, body: bytes) -> Any:
        """The JSON document of a body."""
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            # orjson's text gives the position and the reason, and quotes nothing of the body.
            raise SerializationException(f"The request body is not valid JSON: {error}") from None
        level = [document]
        for _ in range(MAX_DEPTH):
            level = [child for value in level for child in _children(value)]
            if not level:
                return document
        raise SerializationException(f"The request body is nested deeper than {MAX_DEPTH} levels.")

    def dump(self, value: Any) -> bytes:
        """Encode."""
        return orjson.dumps(value)

    def seconds(self, value: Any) -> float | None:
        """A number."""
        return value if type(value) in {int, float} else None

    def timestamp(self, seconds: float) -> float:
        """A number."""
        return seconds

    def nothing(self) -> bytes:
        """An empty object."""
        return b"{}"


def _children(value: Any) -> Sequence[Any]:
    if type(value) is dict:
        return list(value.values())
    return value if type(value) is list else ()


AWS_JSON = AwsJson()
