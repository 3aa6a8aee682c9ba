"""What has to be called so that a server has what files declare, and how that differs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hookline.declarations.comparison import difference, normal
from hookline.declarations.resources import (
    Declarations,
    DeclaredActionType,
    DeclaredPipeline,
    DeclaredWebhook,
)
from hookline.declarations.secrets import filled, given_secrets, same, unfilled
from hookline.declarations.shapes import converted, shape_named
from hookline.errors import HooklineError


class Kind(StrEnum):
    """What becomes of a resource."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A pipeline or webhook as the server has it; `disabled` are stages that nothing enters."""

    declaration: Mapping[str, Any] = field(repr=False)
    tags: Mapping[str, str]
    arn: str
    disabled: frozenset[str] = frozenset()
    failed: bool = False
    url: str = field(default="", repr=False)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What the server has, by name; of action types the names alone."""

    pipelines: Mapping[str, Present]
    webhooks: Mapping[str, Present]
    action_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API. `optional`: a server that hasn't built it doesn't stop the rest."""

    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    what: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one resource: the lines of its difference, and the calls for it."""

    kind: Kind
    title: str
    place: str
    lines: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a person wants it: set secrets and register although nothing else differs."""

    set_secrets: bool = False
    register: bool = False


def changes(declared: Declarations, current: Current, wishes: Wishes) -> list[Change]:
    """What becomes of each declared resource, in the order to apply it. Raises HooklineError."""
    return [
        *(_action_type(item, current) for item in declared.action_types),
        *(_pipeline(item, current, wishes, declared.secrets) for item in declared.pipelines),
        *(_webhook(item, current, wishes, declared.secrets) for item in declared.webhooks),
    ]


def _action_type(declared: DeclaredActionType, current: Current) -> Change:
    title = f"custom action type {declared.name}"
    if declared.name in current.action_types:
        # AWS's can't be changed either: a new version is another type.
        return Change(kind=Kind.KEEP, title=title, place=declared.place)
    call = Call(
        operation="CreateCustomActionType",
        parameters=declared.parameters,
        what=f"create {title}",
        optional=True,
    )
    return Change(
        kind=Kind.CREATE,
        title=title,
        place=declared.place,
        lines=tuple(difference({}, declared.parameters)),
        calls=(call,),
    )


def _pipeline(
    declared: DeclaredPipeline, current: Current, wishes: Wishes, secrets: frozenset[str]
) -> Change:
    present = current.pipelines.get(declared.name)
    title = f"pipeline {declared.name}"
    _check_secrets(declared.declaration, present, title, declared.place)
    calls: list[Call] = []
    kind = Kind.CHANGE
    if present is None:
        kind = Kind.CREATE
        calls.append(_creation(declared, title))
    else:
        wanted = filled(declared.declaration, present.declaration)
        if _differs(wanted, present, wishes):
            calls.append(
                Call(
                    operation="UpdatePipeline",
                    parameters={"pipeline": wanted},
                    what=f"change {title}",
                )
            )
        calls.extend(_tagging(declared, present, title))
    calls.extend(_transitions(declared, present, title))
    lines = _lines(declared, present, secrets)
    lines += _secret_line(declared.declaration, calls)
    lines += [
        f"+ disabled transition: into {c.parameters['stageName']}" for c in calls if c.optional
    ]
    return Change(
        kind=kind if calls else Kind.KEEP,
        title=title,
        place=declared.place,
        lines=tuple(_unseen(lines, calls)) if calls else (),
        calls=tuple(calls),
    )


def _creation(declared: DeclaredPipeline, title: str) -> Call:
    tags = {} if not declared.tags else {"tags": _listed(declared.tags)}
    return Call(
        operation="CreatePipeline",
        parameters={"pipeline": declared.declaration, **tags},
        what=f"create {title}",
    )


def _tagging(declared: DeclaredPipeline, present: Present, title: str) -> Iterator[Call]:
    if declared.tags is None:
        return
    removed = sorted(present.tags.keys() - declared.tags.keys())
    added = {key: value for key, value in declared.tags.items() if present.tags.get(key) != value}
    if removed:
        yield Call(
            operation="UntagResource",
            parameters={"resourceArn": present.arn, "tagKeys": removed},
            what=f"remove tags of {title}",
        )
    if added:
        yield Call(
            operation="TagResource",
            parameters={"resourceArn": present.arn, "tags": _listed(added)},
            what=f"set tags of {title}",
        )


def _transitions(declared: DeclaredPipeline, present: Present | None, title: str) -> Iterator[Call]:
    disabled = present.disabled if present else frozenset()
    for stage, reason in declared.disabled.items():
        if stage not in disabled:
            yield Call(
                operation="DisableStageTransition",
                parameters={
                    "pipelineName": declared.name,
                    "stageName": stage,
                    "transitionType": "Inbound",
                    "reason": reason,
                },
                what=f"disable the transition into {stage} of {title}",
                optional=True,
            )


def _webhook(
    declared: DeclaredWebhook, current: Current, wishes: Wishes, secrets: frozenset[str]
) -> Change:
    present = current.webhooks.get(declared.name)
    title = f"webhook {declared.name}"
    _check_secrets(declared.definition, present, title, declared.place)
    calls = []
    tags_differ = declared.tags is not None and (not present or present.tags != declared.tags)
    if present is None or tags_differ or _differs(declared.definition, present, wishes):
        tags = {} if declared.tags is None else {"tags": _listed(declared.tags)}
        what = f"{'change' if present else 'create'} {title}"
        parameters = {"webhook": declared.definition, **tags}
        calls.append(Call(operation="PutWebhook", parameters=parameters, what=what))
    lines: list[str] = []
    if calls:
        lines = _lines(declared, present, secrets) + _secret_line(declared.definition, calls)
    if declared.registered and (calls or wishes.register or (present and present.failed)):
        lines.append("+ registration with its third party")
        calls.append(
            Call(
                operation="RegisterWebhookWithThirdParty",
                parameters={"webhookName": declared.name},
                what=f"register {title}",
                optional=True,
            )
        )
    kind = Kind.CHANGE if present else Kind.CREATE
    return Change(
        kind=kind if calls else Kind.KEEP,
        title=title,
        place=declared.place,
        lines=tuple(_unseen(lines, calls)),
        calls=tuple(calls),
    )


def _differs(wanted: Mapping[str, Any], present: Present, wishes: Wishes) -> bool:
    if wishes.set_secrets and given_secrets(wanted):
        return True
    return not same(normal(wanted), normal(present.declaration))


def _check_secrets(
    wanted: Mapping[str, Any], present: Present | None, title: str, place: str
) -> None:
    current = present.declaration if present else None
    missing = next(unfilled(wanted, current), None)
    if missing:
        raise HooklineError(
            f"{place}: {title} has **** as {missing}, which stands for a secret kept already, and "
            "none is. Give the secret itself."
        )


def _secret_line(wanted: Mapping[str, Any], calls: list[Call]) -> list[str]:
    writes = {"CreatePipeline", "UpdatePipeline", "PutWebhook"}
    if given_secrets(wanted) and any(call.operation in writes for call in calls):
        return ["+ secret: will be set"]
    return []


def _unseen(lines: list[str], calls: Sequence[Call]) -> list[str]:
    return lines or (["~ only values that are not shown"] if calls else [])


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def _lines(
    declared: DeclaredPipeline | DeclaredWebhook, present: Present | None, secrets: frozenset[str]
) -> list[str]:
    if isinstance(declared, DeclaredPipeline):
        wanted, shape = declared.declaration, shape_named("PipelineDeclaration")
    else:
        wanted, shape = declared.definition, shape_named("WebhookDefinition")
    new, old = converted(wanted, shape, declared.name), {}
    if present:
        old = converted(present.declaration, shape, declared.name)
        if declared.tags is not None:
            old["tags"] = dict(sorted(present.tags.items()))
    if declared.tags is not None:
        new["tags"] = dict(sorted(declared.tags.items()))
    return list(difference(old, new, secrets))
