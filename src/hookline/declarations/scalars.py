"""How CloudFormation writes what is a text, a number or a boolean."""

from typing import Any


def written(value: Any) -> str:
    """The value as CloudFormation compares and inserts it: `true`, `12`, or the text itself."""
    return str(value).lower() if isinstance(value, bool) else str(value)
