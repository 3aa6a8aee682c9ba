"""What has to be called so that a server has what files declare, and how that differs."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookline.actions import not_run
from hookline.api.pipeline_structure import with_defaults
from hookline.declarations.action_types import action_type_change, secret_keys
from hookline.declarations.comparison import difference, normal
from hookline.declarations.plans import Call, Change, Current, Kind, Present, Wishes
from hookline.declarations.problems import each
from hookline.declarations.resources import Declarations, DeclaredPipeline, DeclaredWebhook
from hookline.declarations.secrets import Secrets, filled, same, unfilled
from hookline.declarations.shapes import converted, listed_tags, shape_named
from hookline.declarations.transitions import transition_calls
from hookline.errors import HooklineError
from hookline.model import stages_of

_SECRET_LINE = "+ secret: will be set"  # noqa: S105 - says that there is one
_WRITES = {"CreatePipeline", "UpdatePipeline", "PutWebhook"}
_UNSEEN_LINE = "~ only values that are not shown"
_OWNER_TAG = "hookline:stack"
"""The tag that says which template's resource a pipeline or webhook is, as CloudFormation's do."""


def secrets_of(declared: Declarations, current: Current) -> Secrets:
    """What may not be shown of both."""
    types = [*current.action_types.values(), *(item.parameters for item in declared.action_types)]
    return Secrets(texts=declared.secrets, custom_keys=secret_keys(types))


def changes(declared: Declarations, current: Current, wishes: Wishes) -> list[Change]:
    """What becomes of each declared resource, in the order to apply it. Raises HooklineError.

    Pipelines come before the webhooks that start them, and after the action types that they use.
    """
    secrets = secrets_of(declared, current)
    return [
        *each(
            declared.action_types,
            lambda item: action_type_change(
                item,
                current.action_types.get(item.name),
                secrets.without(f"custom action type {item.name}"),
                secrets,
            ),
        ),
        *each(
            declared.pipelines,
            lambda item: _pipeline(item, current.pipelines.get(item.name), wishes, secrets),
        ),
        *each(
            declared.webhooks,
            lambda item: _webhook(item, current.webhooks.get(item.name), wishes, secrets),
        ),
    ]


class _Comparison:
    """What is wanted beside what is there: what pipelines and webhooks have in common."""

    def __init__(
        self,
        declared: DeclaredPipeline | DeclaredWebhook,
        present: Present | None,
        wishes: Wishes,
        secrets: Secrets,
    ) -> None:
        self._declared = declared
        self._present = present
        self._wishes = wishes
        self._secrets = secrets
        self.tags = _wanted_tags(declared, present)
        if isinstance(declared, DeclaredPipeline):
            self.title = secrets.without(f"pipeline {declared.name}")
            # As the server shows it, which says what a declaration may leave out.
            self._wanted: Mapping[str, Any] = with_defaults(declared.declaration)
            self._shape = shape_named("PipelineDeclaration")
        else:
            self.title = secrets.without(f"webhook {declared.name}")
            self._wanted = declared.definition
            self._shape = shape_named("WebhookDefinition")
        self._gives_secrets = next(secrets.given(self._wanted), None) is not None

    def differs(self) -> bool:
        """Whether the server has to be told the definition.

        Raises HooklineError where it has `****` and nothing is kept, or is another template's.
        """
        self._check_owner()
        there = None if self._present is None else self._present.declaration
        missing = next(unfilled(self._wanted, there), None)
        if missing:
            raise HooklineError(
                f"{self._declared.place}: {self.title} has **** as {missing}, which stands for a "
                "secret kept already, and none is. Give the secret itself."
            )
        if there is None or (self._wishes.set_secrets and self._gives_secrets):
            return True
        return not same(normal(self._wanted), normal(there))

    def _check_owner(self) -> None:
        if self._present is None or not self._declared.owner or self._wishes.replace:
            return
        owner = self._present.tags.get(_OWNER_TAG, self._declared.owner)
        if owner != self._declared.owner:
            stack = owner.partition("/")[0]
            raise HooklineError(
                f"{self._declared.place}: {self.title} is there already, from another template "
                f"({owner}). Give it another name, --stack-name {stack} if both are one stack, or "
                "--replace to take it over."
            )

    def lines(self) -> Iterator[str]:
        """The difference for a person's eyes."""
        tags, present = self.tags, self._present
        new, old = converted(self._wanted, self._shape, self.title), {}
        if present is not None:
            old = converted(present.declaration, self._shape, self.title)
        if tags is not None:
            new["tags"] = dict(sorted(tags.items()))
        if tags is not None and present is not None:
            old["tags"] = dict(sorted(present.tags.items()))
        return difference(old, new, self._secrets)

    def change(self, lines: Sequence[str], calls: Sequence[Call], note: str = "") -> Change:
        """The change that these calls make."""
        lines = list(lines)
        if self._gives_secrets and any(call.operation in _WRITES for call in calls):
            lines.append(_SECRET_LINE)
        kind = Kind.CHANGE if self._present else Kind.CREATE
        return Change(
            kind=kind if calls else Kind.KEEP,
            title=self.title,
            place=self._declared.place,
            lines=tuple(lines or ([_UNSEEN_LINE] if calls else [])),
            calls=tuple(calls),
            note=note,
        )


def _wanted_tags(
    declared: DeclaredPipeline | DeclaredWebhook, present: Present | None
) -> Mapping[str, str] | None:
    """The tags that it is to have; None leaves them as they are."""
    if not declared.owner:
        return declared.tags
    there = present.tags if present else {}
    return {**(there if declared.tags is None else declared.tags), _OWNER_TAG: declared.owner}


def _pipeline(
    declared: DeclaredPipeline, present: Present | None, wishes: Wishes, secrets: Secrets
) -> Change:
    compared = _Comparison(declared, present, wishes, secrets)
    calls = list(_definition(declared, present, compared))
    if present is not None and compared.tags is not None:
        calls += _tagging(compared.tags, present, compared.title)
    lines = list(compared.lines()) if calls else []
    for line, call in transition_calls(declared, present, compared.title):
        lines.append(line)
        calls.append(call)
    return dataclasses.replace(
        compared.change(lines, calls),
        warnings=tuple(
            secrets.without(f"pipeline {declared.name}: {item}")
            for item in not_run(stages_of(declared.declaration))
        ),
    )


def _definition(
    declared: DeclaredPipeline, present: Present | None, compared: _Comparison
) -> Iterator[Call]:
    if not compared.differs():
        return
    if present is None:
        tags = {"tags": listed_tags(compared.tags)} if compared.tags else {}
        yield Call(
            operation="CreatePipeline",
            parameters={"pipeline": declared.declaration, **tags},
            what=f"create {compared.title}",
        )
        return
    yield Call(
        operation="UpdatePipeline",
        parameters={"pipeline": filled(declared.declaration, present.declaration)},
        what=f"change {compared.title}",
    )


def _tagging(wanted: Mapping[str, str], present: Present, title: str) -> Iterator[Call]:
    removed = sorted(present.tags.keys() - wanted.keys())
    added = {key: value for key, value in wanted.items() if present.tags.get(key) != value}
    if removed:
        yield Call(
            operation="UntagResource",
            parameters={"resourceArn": present.arn, "tagKeys": removed},
            what=f"remove tags of {title}",
        )
    if added:
        yield Call(
            operation="TagResource",
            parameters={"resourceArn": present.arn, "tags": listed_tags(added)},
            what=f"set tags of {title}",
        )


def _webhook(
    declared: DeclaredWebhook, present: Present | None, wishes: Wishes, secrets: Secrets
) -> Change:
    compared = _Comparison(declared, present, wishes, secrets)
    calls, note = [], ""
    tags_differ = compared.tags is not None and (not present or present.tags != compared.tags)
    if compared.differs() or tags_differ:
        tags = {} if compared.tags is None else {"tags": listed_tags(compared.tags)}
        calls.append(
            Call(
                operation="PutWebhook",
                parameters={"webhook": declared.definition, **tags},
                what=f"{'change' if present else 'create'} {compared.title}",
            )
        )
    lines = list(compared.lines()) if calls else []
    if declared.registered and wishes.register is False:
        note = f"{compared.title} is not registered with its third party, as --no-register says"
    elif declared.registered:
        if calls or wishes.register or (present and present.failed):
            lines.append("+ registration with its third party")
            calls.append(_registration(declared.name, compared.title))
        else:
            note = (
                f"{compared.title}: whether it is registered can't be read; --register repeats it"
            )
    return compared.change(lines, calls, note)


def _registration(name: str, title: str) -> Call:
    return Call(
        operation="RegisterWebhookWithThirdParty",
        parameters={"webhookName": name},
        what=f"register {title}",
        independent=True,
    )
