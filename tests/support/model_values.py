"""Values that satisfy the service model's constraints: one full example, or a strategy."""

from typing import Any, cast

import re2  # type: ignore[import-untyped]  # google-re2 ships no types
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import strategies as st

from hookline.api.service import CODEBUILD, CODEPIPELINE

OPERATIONS = [*CODEPIPELINE.operations.values(), *CODEBUILD.operations.values()]
_SAMPLES = (
    "a",
    "abcd",
    "123456789012",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    "AWS",
    "arn:aws:codepipeline:us-east-1:123456789012:release",
    "arn:aws:iam::123456789012:role/release",
    "arn:aws:lambda:us-east-1:123456789012:function:release",
)
_ROOM = 6
"""How many entries or characters more than the least a generated value has."""
_STORABLE = st.characters(codec="utf-8", exclude_characters="\0")


def samples(shape: Shape) -> list[str]:
    """The sample strings that satisfy a string shape."""
    enum = cast("StringShape", shape).enum
    if enum:
        return list(enum)
    limits: Any = shape.metadata
    pattern = limits.get("pattern", ".*")
    return [
        sample
        for sample in _SAMPLES
        if limits.get("min", 0) <= len(sample) <= limits.get("max", 1000)
        and re2.fullmatch(pattern, sample)
    ]


def full(shape: Shape) -> Any:
    """A value of `shape` with every member present and as few entries as allowed, but one."""
    size = max(1, cast("Any", shape.metadata).get("min", 1))
    match shape:
        case StructureShape():
            return {name: full(member) for name, member in shape.members.items()}
        case ListShape():
            return [full(shape.member) for _ in range(size)]
        case MapShape():
            return {samples(shape.key)[0]: full(shape.value)}
        case _:
            return _scalar(shape, size)


def _scalar(shape: Shape, size: int) -> Any:
    match shape.type_name:
        case "string":
            return samples(shape)[0]
        case "boolean":
            return True
        case "double":
            return float(size)
        case "timestamp":
            return 1_700_000_000.0
        case _:
            return size


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """All sorts of values of `shape` that satisfy its constraints."""
    limits: Any = shape.metadata
    least = limits.get("min", 0)
    most = min(limits.get("max", 1 << 31 - 1), least + _ROOM)
    match shape:
        case StructureShape():
            members = {name: values(member) for name, member in shape.members.items()}
            required = {name: members.pop(name) for name in shape.required_members}
            return st.fixed_dictionaries(required, optional=members)
        case ListShape():
            return st.lists(values(shape.member), min_size=least, max_size=min(most, least + 2))
        case MapShape():
            keys = values(shape.key)
            return st.dictionaries(keys, values(shape.value), max_size=min(most, 2))
        case _:
            return _scalars(shape, least, most)


def _scalars(shape: Shape, least: int, most: int) -> st.SearchStrategy[Any]:
    match shape.type_name:
        case "string":
            enum = cast("StringShape", shape).enum
            free = not enum and "pattern" not in shape.metadata
            return (
                st.text(_STORABLE, min_size=least, max_size=most)
                if free
                else st.sampled_from(samples(shape))
            )
        case "boolean":
            return st.booleans()
        case "double":
            return st.floats(least, most)
        case "timestamp":
            return st.integers(0, 1 << 32).map(float)
        case _:
            return st.integers(least, most)
