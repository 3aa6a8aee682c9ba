"""The parameters of a CloudFormation template, and the values given for them."""

from collections.abc import Iterable, Mapping
from typing import Any

from hookline.declarations.resources import MASK
from hookline.errors import HooklineError


class Parameters:
    """Values by name: what was given, else the default. Remembers which may not be shown.

    `used` are the names of given values that something asked for or that the template declares.
    """

    def __init__(self, declared: Mapping[str, Any], given: Mapping[str, str]) -> None:
        self._declared = declared
        self._given = given
        self.used = declared.keys() & given.keys()
        self.secrets: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._declared

    def value(self, name: str, path: str) -> Any:
        """The value of a parameter of the template. Raises HooklineError."""
        declaration = self._declared[name]
        if not isinstance(declaration, dict):
            raise HooklineError(f"The parameter '{name}' must be an object")
        kind = str(declaration.get("Type", "String"))
        value = self._text(name, kind, declaration, path)
        if str(declaration.get("NoEcho", "")).lower() == "true":
            self.secrets |= {value} - {"", MASK}
        _check(name, kind, declaration, value)
        if kind == "CommaDelimitedList" or "List<" in kind:
            parts = [part.strip() for part in value.split(",")] if value else []
            self.made_from(value, parts)
            return parts
        return value

    def made_from(self, text: str, parts: Iterable[str]) -> None:
        """Hold the parts and other spellings of a text that tells a secret to be secret, too."""
        if any(secret in text for secret in self.secrets):
            self.secrets |= {*parts} - {"", MASK}

    def _text(self, name: str, kind: str, declaration: Mapping[str, Any], path: str) -> str:
        if name in self._given:
            self.used.add(name)
            return self._given[name]
        if kind.startswith("AWS::SSM::Parameter"):
            raise HooklineError(
                f"{path}: the parameter '{name}' is kept in AWS's parameter store, which Hookline "
                f"doesn't read. Give its value: --parameter {name}=VALUE"
            )
        if "Default" not in declaration:
            raise HooklineError(
                f"{path}: the parameter '{name}' has no value. Give --parameter {name}=VALUE, or "
                f"better for a secret, --parameter-file. {MASK} keeps a secret that is stored."
            )
        default = declaration["Default"]
        return str(default).lower() if isinstance(default, bool) else str(default)

    def elsewhere(self, name: str) -> str | None:
        """A value given for something that is no parameter of the template; None without one."""
        if name not in self._given:
            return None
        self.used.add(name)
        return self._given[name]


def _check(name: str, kind: str, declaration: Mapping[str, Any], value: str) -> None:
    allowed = declaration.get("AllowedValues")
    if isinstance(allowed, list) and value not in {str(item) for item in allowed}:
        raise HooklineError(f"The parameter '{name}' takes one of {', '.join(map(str, allowed))}")
    if kind == "Number":
        try:
            float(value)
        except ValueError as error:
            raise HooklineError(f"The parameter '{name}' takes a number") from error
