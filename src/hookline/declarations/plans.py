"""What a server has, and what is to become of it: the values of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What becomes of a resource."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A pipeline or webhook as the server has it.

    `disabled` maps stages that nothing may enter to the reasons. `failed`: the registration with
    the third party has failed.
    """

    declaration: Mapping[str, Any] = field(repr=False)
    tags: Mapping[str, str]
    arn: str
    disabled: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False
    url: str = field(default="", repr=False)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What the server has, by name; custom action types as CreateCustomActionType takes them."""

    pipelines: Mapping[str, Present] = field(default_factory=dict)
    webhooks: Mapping[str, Present] = field(default_factory=dict)
    action_types: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API. `what` says it in words.

    `independent`: nothing else waits for it, so it comes last, and its refusal stops nothing.
    """

    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    what: str
    independent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one resource: the lines of its difference, and the calls for it.

    `note` and `warnings` are for the person who applies it, whether there are calls or not.
    """

    kind: Kind
    title: str
    place: str
    lines: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    note: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a person wants it: set secrets and register although nothing else differs.

    With a `register` of False nothing is registered. `replace`: take over what another stack made.
    """

    set_secrets: bool = False
    register: bool | None = None
    replace: bool = False
