"""Values that break one constraint of the service model."""

from collections.abc import Iterator
from typing import Any, cast

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

# Each yields a copy of a valid value with one constraint broken, and the path AWS names.
Broken = Iterator[tuple[Any, str]]


def broken(shape: Shape, value: Any, path: str) -> Broken:
    match shape:
        case StructureShape():
            yield from broken_structure(shape, value, path)
        case ListShape():
            yield from broken_list(shape, value, path)
        case MapShape():
            yield from broken_map(shape, value, path)
        case _:
            yield from ((wrong, path) for wrong in broken_scalars(shape))


def broken_structure(shape: StructureShape, value: Any, path: str) -> Broken:
    for name, member in shape.members.items():
        where = f"{path}.{name[0].lower()}{name[1:]}".removeprefix(".")
        if name in shape.required_members:
            yield {key: item for key, item in value.items() if key != name}, where
        for wrong, place in broken(member, value[name], where):
            yield {**value, name: wrong}, place


def broken_list(shape: ListShape, value: Any, path: str) -> Broken:
    limits: Any = shape.metadata
    if "max" in limits:
        yield value[:1] * (limits["max"] + 1), path
    if limits.get("min", 0) > 0:
        yield [], path
    aggregate = not isinstance(shape.member, StructureShape | ListShape | MapShape)
    yield [*value, None], path if aggregate else f"{path}.{len(value) + 1}.member"
    for wrong, place in broken(shape.member, value[0], f"{path}.1.member"):
        yield [wrong, *value[1:]], path if aggregate else place


def broken_map(shape: MapShape, value: Any, path: str) -> Broken:
    limits: Any = shape.metadata
    (key, item), *_ = value.items()
    if "max" in limits:
        yield {f"{key}{n}": item for n in range(limits["max"] + 1)}, path
    for wrong in broken_scalars(shape.key):
        yield {wrong: item}, path
    aggregate = not isinstance(shape.value, StructureShape)
    yield {key: None}, path if aggregate else f"{path}.{key}.member"
    for wrong, place in broken(shape.value, item, f"{path}.{key}.member"):
        yield {key: wrong}, path if aggregate else place


def broken_scalars(shape: Shape) -> Iterator[Any]:
    limits: Any = shape.metadata
    if shape.type_name in {"integer", "long", "double"}:
        yield from (limits[key] + step for key, step in (("min", -1), ("max", 1)) if key in limits)
        return
    if "max" in limits:
        yield "a" * (limits["max"] + 1)
    if limits.get("min", 0) > 0:
        yield "a" * (limits["min"] - 1)
    if "pattern" in limits:
        yield "a\nb"
    if shape.type_name == "string" and cast("StringShape", shape).enum:
        yield "no such value"
