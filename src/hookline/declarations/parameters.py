"""The parameters of a CloudFormation template, and the values given for them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hookline.declarations.problems import MissingValueError
from hookline.declarations.resources import MASK
from hookline.declarations.scalars import written
from hookline.errors import HooklineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A value from outside that a template asks for, by the name it is given under.

    Where `value` is None it is missing, and `missing` says so, with the place that asks for it.
    """

    name: str
    value: str | None = field(default=None, repr=False)
    missing: str = ""
    is_secret: bool = False
    description: str = ""


class Parameters:
    """Values by name: what was given, else the default. Remembers which may not be shown.

    `used` are the names of given values that something asked for or that the template declares;
    `asked` is what anything asked for.
    """

    def __init__(self, declared: Mapping[str, Any], given: Mapping[str, str]) -> None:
        self._declared = declared
        self._given = given
        self.used = declared.keys() & given.keys()
        self.asked: dict[str, Asked] = {}
        self.secrets: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._declared

    def value(self, name: str, path: str) -> Any:
        """The value of a parameter of the template.

        Raises HooklineError: MissingValueError where it has none.
        """
        declaration = self._declared[name]
        if not isinstance(declaration, dict):
            raise HooklineError(f"The parameter '{name}' must be an object")
        kind = str(declaration.get("Type", "String"))
        is_secret = written(declaration.get("NoEcho", "")).lower() == "true"
        value = self._given.get(name, _default(kind, declaration))
        self._note(
            Asked(
                name=name,
                value=value,
                missing=f"{path}: {_lack(name, kind)}",
                is_secret=is_secret,
                description=str(declaration.get("Description", "")),
            )
        )
        if value is None:
            raise MissingValueError(f"{path}: {_lack(name, kind)}")
        if is_secret:
            self.secrets |= {value} - {"", MASK}
        parts = _parts(kind, value)
        for part in parts:
            _check(name, kind, declaration, part)
        if not _is_list(kind):
            return value
        self.made_from(value, parts)
        return parts

    def made_from(self, text: str, parts: Iterable[str]) -> None:
        """Hold the parts and other spellings of a text that tells a secret to be secret, too."""
        if any(secret in text for secret in self.secrets):
            self.secrets |= {*parts} - {"", MASK}

    def elsewhere(self, *names: str, missing: str, is_secret: bool = False) -> str:
        """A value given, under one of the names, for something that is no parameter.

        Raises MissingValueError where there is none.
        """
        name = next((name for name in names if name in self._given), names[0])
        value = self._given.get(name)
        self._note(Asked(name=name, value=value, missing=missing, is_secret=is_secret))
        if value is None:
            raise MissingValueError(missing)
        self.used.add(name)
        if is_secret:
            self.secrets |= {value} - {"", MASK}
        return value

    def _note(self, asked: Asked) -> None:
        self.asked.setdefault(asked.name, asked)


def _default(kind: str, declaration: Mapping[str, Any]) -> str | None:
    # The default of a parameter of these types is the name of what AWS keeps.
    if kind.startswith("AWS::SSM::Parameter") or "Default" not in declaration:
        return None
    return written(declaration["Default"])


def _lack(name: str, kind: str) -> str:
    if kind.startswith("AWS::SSM::Parameter"):
        return (
            f"the parameter '{name}' is kept in AWS's parameter store, which Hookline doesn't read"
        )
    return f"the parameter '{name}' has no value"


def _is_list(kind: str) -> bool:
    return kind == "CommaDelimitedList" or "List<" in kind


def _parts(kind: str, value: str) -> list[str]:
    """The items of a list; of anything else the value itself."""
    if not _is_list(kind):
        return [value]
    return [part.strip() for part in value.split(",")] if value else []


def _check(name: str, kind: str, declaration: Mapping[str, Any], value: str) -> None:
    allowed = declaration.get("AllowedValues")
    if isinstance(allowed, list) and value not in map(written, allowed):
        raise HooklineError(
            f"The parameter '{name}' takes one of {', '.join(map(written, allowed))}"
        )
    if kind in {"Number", "List<Number>"}:
        try:
            float(value)
        except ValueError as error:
            raise HooklineError(f"The parameter '{name}' takes a number") from error
