"""Tags as the API takes and gives them (contract P8)."""

from collections.abc import Mapping, Sequence
from typing import Any

from hookline.errors import ApiError, InvalidTagsException, TooManyTagsException

_LIMIT = 50


def checked(
    tags: Sequence[Mapping[str, str]], invalid: type[ApiError] = InvalidTagsException
) -> dict[str, str]:
    """Tags by key. Raises TooManyTagsException and the error `invalid`."""
    if len(tags) > _LIMIT:
        raise TooManyTagsException(
            f"A resource can have at most {_LIMIT} tags; {len(tags)} were given"
        )
    by_key: dict[str, str] = {}
    for tag in tags:
        key = tag["key"]
        if key.lower().startswith("aws:"):
            raise invalid(f"Tag key '{key}' begins with 'aws:', which is reserved for AWS")
        if key in by_key:
            raise invalid(f"Tag key '{key}' is given more than once")
        by_key[key] = tag["value"]
    return by_key


def listed(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Tags in the API's shape."""
    return [{"key": key, "value": value} for key, value in tags.items()]
