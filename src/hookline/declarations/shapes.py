"""Brings declared values into the API's shapes, along botocore's model of the service."""

import difflib
import functools
import json
from collections.abc import Mapping
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from hookline.declarations.problems import Problems, each
from hookline.declarations.scalars import written
from hookline.errors import HooklineError


@functools.cache
def _service() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("codepipeline", "service-2"), "codepipeline")


def shape_named(name: str) -> Shape:
    """The shape `name` of the model."""
    return _service().shape_for(name)


def operation_input(operation: str) -> Shape:
    """The shape of what an operation takes."""
    shape: Shape | None = _service().operation_model(operation).input_shape
    assert shape is not None, operation  # noqa: S101 - every operation of this model takes something
    return shape


def converted(value: Any, shape: Shape, path: str, *, cloudformation: bool = False) -> Any:
    """The value in the shape's types, its members in the model's order.

    Raises HooklineError with all that is wrong, in the words of who wrote the value: keys as they
    are written there, positions from 0.

    Whole numbers and booleans become texts where the model wants texts. With `cloudformation`
    the first letter of a member may be of either case, and in a map of texts (an action's
    configuration) objects and lists become JSON. What else AWS asks of a value (patterns, lengths)
    the server checks. `path` says where the value stands, for messages.
    """
    return _Conversion(cloudformation=cloudformation).value(value, shape, path)


def tags_of(value: Any, path: str, *, cloudformation: bool = False) -> dict[str, str] | None:
    """Tags as a mapping, from AWS's list of keys and values; None stays None."""
    if value is None:
        return None
    listed = converted(value, shape_named("TagList"), path, cloudformation=cloudformation)
    return {tag["key"]: tag["value"] for tag in listed}


def listed_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as AWS's list, sorted by their keys."""
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


class _Conversion:
    def __init__(self, *, cloudformation: bool) -> None:
        self._cloudformation = cloudformation

    def value(self, value: Any, shape: Shape, path: str) -> Any:
        match shape:
            case StructureShape():
                return self._structure(value, shape, path)
            case ListShape():
                return self._list(value, shape, path)
            case MapShape():
                return self._map(value, shape, path)
        return _SCALARS[shape.type_name](value, path)

    def _structure(self, value: Any, shape: StructureShape, path: str) -> dict[str, Any]:
        given = {self._member(name): (name, item) for name, item in _mapping(value, path).items()}
        members = {self._member(name): name for name in shape.members}
        problems, found = Problems(), {}
        for key, (name, _) in given.items():
            with problems:
                self._check_known(name, key, members, path)
        for name in shape.required_members:
            with problems:
                self._check_present(name, given, path)
        for key, name in members.items():
            if key in given:
                with problems:
                    found[name] = self._given_member(given[key], shape.members[name], path)
        problems.check()
        return found

    def _given_member(self, given: tuple[str, Any], shape: Shape, path: str) -> Any:
        name, item = given
        return self.value(item, shape, f"{path}.{name}")

    def _check_known(self, name: str, key: str, members: Mapping[str, str], path: str) -> None:
        if key not in members:
            raise HooklineError(_unknown(name, [self._shown(item) for item in members], path))

    def _check_present(self, name: str, given: Mapping[str, Any], path: str) -> None:
        if self._member(name) not in given:
            raise HooklineError(f"{path} has no '{self._shown(name)}', which is required")

    def _member(self, name: str) -> str:
        return name[:1].lower() + name[1:] if self._cloudformation else name

    def _shown(self, name: str) -> str:
        """A member's name as the author of the value writes it."""
        return name[:1].upper() + name[1:] if self._cloudformation else name

    def _list(self, value: Any, shape: ListShape, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise HooklineError(f"{path} must be a list, and is {_kind(value)}")
        return each(
            enumerate(value),
            lambda entry: self.value(entry[1], shape.member, f"{path}[{entry[0]}]"),
        )

    def _map(self, value: Any, shape: MapShape, path: str) -> dict[str, Any]:
        return dict(
            each(
                sorted(_mapping(value, path).items()),
                lambda entry: (entry[0], self._entry(entry[1], shape.value, f"{path}.{entry[0]}")),
            )
        )

    def _entry(self, value: Any, shape: Shape, path: str) -> Any:
        if self._cloudformation and shape.type_name == "string" and isinstance(value, dict | list):
            return json.dumps(value, separators=(",", ":"))
        return self.value(value, shape, path)


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise HooklineError(f"{path} must be an object, and is {_kind(value)}")
    return value


def _unknown(name: str, members: list[str], path: str) -> str:
    near = difflib.get_close_matches(name, members, 1)
    remedy = f"Did you mean '{near[0]}'?" if near else f"There are {', '.join(members)}."
    return f"{path} has '{name}', which isn't known there. {remedy}"


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
    }
    return names[type(value)]


def _as_text(value: Any, path: str) -> str:
    if isinstance(value, str | int):
        return written(value)
    raise HooklineError(f"{path} must be a text, and is {_kind(value)}")


def _as_integer(value: Any, path: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise HooklineError(f"{path} must be a whole number, and is {_kind(value)}")


def as_boolean(value: Any, path: str) -> bool:
    """A boolean, or CloudFormation's text of one. Raises HooklineError."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise HooklineError(f"{path} must be true or false, and is {_kind(value)}")


_SCALARS = {"string": _as_text, "integer": _as_integer, "boolean": as_boolean}
