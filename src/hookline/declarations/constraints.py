"""The constraints of the API on what files declare, told in the words of the files."""

import re
from collections.abc import Mapping
from typing import Any

from hookline.api.constraints import failures
from hookline.declarations.problems import ProblemsError

_ENTRY = re.compile(r"\.([^.]+)\.member(?=\.|$)")
_MEMBER = re.compile(r"(?:^|(?<=\.))[a-z]")


def check(
    operation: str, value: Any, path: str, *, member: str = "", cloudformation: bool = False
) -> None:
    """Check what an operation is to be called with, or only its `member`.

    `path` is where the file has it. Raises ProblemsError with all that satisfies no constraint.
    """
    parameters: Mapping[str, Any] = {member: value} if member else value
    found = failures(operation, parameters)
    if found:
        raise ProblemsError(
            f"{path}.{_place(item.path.removeprefix(f'{member}.'), cloudformation=cloudformation)}:"
            f" the value {item.value} is refused. {item.constraint}"
            for item in found
        )


def _place(path: str, *, cloudformation: bool) -> str:
    """AWS's `filters.1.member.jsonPath` as `filters[0].jsonPath`."""
    place = _ENTRY.sub(lambda match: f"[{_key(match[1])}]", path)
    if cloudformation:
        place = _MEMBER.sub(lambda match: match[0].upper(), place)
    return place


def _key(text: str) -> str:
    """A position, which AWS counts from 1, counted from 0; else a map's key."""
    return str(int(text) - 1) if text.isdigit() else text
