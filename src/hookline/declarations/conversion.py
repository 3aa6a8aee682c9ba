"""From the shapes in which values are written to the API's, along botocore's service model."""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from hookline.api.constraints import failures
from hookline.api.service import CODEPIPELINE, Operation
from hookline.declarations.problems import Problems, ProblemsError, each
from hookline.errors import HooklineError

_ENTRY = re.compile(r"\.([^.]+)\.member(?=\.|$)")
_MEMBER = re.compile(r"(?:^|(?<=\.))[a-z]\w*", re.ASCII)
# Where CloudFormation's name of a member is not the API's with a capital.
_SPELLINGS = {"buildspec": "BuildSpec"}
_MEMBERS = {spelling: name for name, spelling in _SPELLINGS.items()}
_KINDS = {
    type(None): "empty",
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
}


class Conversion:
    """Converts and checks values, as the API's clients or CloudFormation's templates write them.

    Whole numbers and booleans become texts where the model wants texts. With `cloudformation`
    the first letter of a member may be of either case, and in a map of texts (an action's
    configuration) objects and lists become JSON.
    """

    def __init__(self, *, cloudformation: bool = False) -> None:
        self._cloudformation = cloudformation

    def converted(self, value: Any, shape: Shape, path: str) -> Any:
        """The value in the types of a model's shape, in the model's order.

        Raises HooklineError with all that is wrong, in the words of who wrote the value: keys as
        they are written there, positions from 0. `path` says where the value stands.
        """
        return self._value(value, shape, path)

    def check(self, operation: Operation, value: Any, path: str, *, member: str = "") -> None:
        """Check what an operation is to be called with, or only its `member`.

        Raises ProblemsError with all that satisfies no constraint of the API.
        """
        found = failures(operation, {member: value} if member else value)
        if found:
            raise ProblemsError(
                f"{path}.{self._place(item.path.removeprefix(f'{member}.'))}:"
                f" the value {item.value} is refused. {item.constraint}"
                for item in found
            )

    def tags(self, value: Any, path: str) -> dict[str, str] | None:
        """Tags as a mapping, from AWS's list of keys and values; None stays None."""
        if value is None:
            return None
        listed = self.converted(value, CODEPIPELINE.shape("TagList"), path)
        return {tag["key"]: tag["value"] for tag in listed}

    def boolean(self, value: Any, path: str) -> bool:
        """A boolean, or CloudFormation's text of one. Raises HooklineError."""
        return _as_boolean(value, path)

    def _place(self, path: str) -> str:
        """AWS's `filters.1.member.jsonPath` as `filters[0].jsonPath`."""
        place = _ENTRY.sub(lambda match: f"[{_position(match[1])}]", path)
        if self._cloudformation:
            place = _MEMBER.sub(lambda match: self._shown(match[0]), place)
        return place

    def _value(self, value: Any, shape: Shape, path: str) -> Any:
        match shape:
            case StructureShape():
                return self._structure(value, shape, path)
            case ListShape():
                items = _expect(list, value, path, "a list")
                return each(
                    enumerate(items),
                    lambda entry: self._value(entry[1], shape.member, f"{path}[{entry[0]}]"),
                )
            case MapShape():
                entries = sorted(_expect(dict, value, path, "an object").items())
                return dict(
                    each(
                        entries,
                        lambda entry: (
                            entry[0],
                            self._map_value(entry[1], shape.value, f"{path}.{entry[0]}"),
                        ),
                    )
                )
        return _SCALARS[shape.type_name](value, path)

    def _map_value(self, value: Any, shape: Shape, path: str) -> Any:
        if self._cloudformation and shape.type_name == "string" and isinstance(value, dict | list):
            return json.dumps(value, separators=(",", ":"))
        return self._value(value, shape, path)

    def _structure(self, value: Any, shape: StructureShape, path: str) -> dict[str, Any]:
        members = _expect(dict, value, path, "an object")
        given = {self._key(name): (name, item) for name, item in members.items()}
        known = {self._key(name): name for name in shape.members}
        problems, found = Problems(), {}
        for problem in self._misfits(given, known, shape.required_members, path):
            problems.add(problem)
        for key, name in known.items():
            if key in given:
                written, item = given[key]
                with problems:
                    found[name] = self._value(item, shape.members[name], f"{path}.{written}")
        problems.check()
        return found

    def _misfits(
        self,
        given: Mapping[str, tuple[str, Any]],
        known: Mapping[str, str],
        required: Iterable[str],
        path: str,
    ) -> Iterator[str]:
        for key, (name, _) in given.items():
            if key not in known:
                yield _unknown(name, [self._shown(item) for item in known], path)
        for name in required:
            if self._key(name) not in given:
                yield f"{path} has no '{self._shown(name)}', which is required"

    def _key(self, name: str) -> str:
        if not self._cloudformation:
            return name
        return _MEMBERS.get(name[:1].upper() + name[1:], name[:1].lower() + name[1:])

    def _shown(self, name: str) -> str:
        """A member's name as the author of the value writes it."""
        if not self._cloudformation:
            return name
        return _SPELLINGS.get(name, name[:1].upper() + name[1:])


def written(value: Any) -> str:
    """The value as CloudFormation compares and inserts it: `true`, `12`, or the text itself."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _position(text: str) -> str:
    """A position, which AWS counts from 1, counted from 0; else a map's key."""
    return str(int(text) - 1) if text.isdigit() else text


def _expect(kind: type, value: Any, path: str, name: str) -> Any:
    if not isinstance(value, kind):
        raise HooklineError(f"{path} must be {name}, and is {_KINDS[type(value)]}")
    return value


def _unknown(name: str, members: list[str], path: str) -> str:
    near = difflib.get_close_matches(name, members, 1)
    remedy = f"Did you mean '{near[0]}'?" if near else f"There are {', '.join(members)}."
    return f"{path} has '{name}', which isn't known there. {remedy}"


def _as_text(value: Any, path: str) -> str:
    if isinstance(value, str | int):
        return written(value)
    raise HooklineError(f"{path} must be a text, and is {_KINDS[type(value)]}")


def _as_integer(value: Any, path: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise HooklineError(f"{path} must be a whole number, and is {_KINDS[type(value)]}")


def _as_boolean(value: Any, path: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise HooklineError(f"{path} must be true or false, and is {_KINDS[type(value)]}")


_SCALARS: Mapping[str, Callable[[Any, str], Any]] = {
    "string": _as_text,
    "integer": _as_integer,
    "long": _as_integer,
    "boolean": _as_boolean,
}
