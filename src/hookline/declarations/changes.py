"""What has to be called so that a server has what files declare, and how that differs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hookline.actions import not_run
from hookline.api.codepipeline.pipeline_structure import with_defaults
from hookline.api.service import Service
from hookline.declarations.comparison import difference, differing_members, normal, same
from hookline.declarations.conversion import Conversion
from hookline.declarations.problems import each
from hookline.declarations.projects import removals
from hookline.declarations.projects import with_defaults as project_with_defaults
from hookline.declarations.resources import (
    Current,
    Declarations,
    Declared,
    Kind,
    Present,
    listed_tags,
)
from hookline.declarations.secrets import Secrets, filled, masked_like, unfilled
from hookline.errors import HooklineError
from hookline.model import stages_of
from hookline.sealing import MASK

_SECRET_LINE = "+ secret: will be set"  # noqa: S105 - says that there is one
_WRITES = {"CreatePipeline", "UpdatePipeline", "PutWebhook"}
_UNSEEN_LINE = "~ only values that are not shown"
_OWNER_TAG = "hookline:stack"
"""The tag that says which template's resource it is, as CloudFormation's do."""
# CloudFormation enables again the transitions that the template before disabled, and leaves alone
# what an operator disables. Apply has no template before: the end of a reason says it was its own.
_OWN_REASON = " (hookline apply)"
_LONGEST_REASON = 300


class Effect(StrEnum):
    """What becomes of a resource."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API of a service. `what` says it in words.

    `independent`: nothing else waits for it, so it comes last, and its refusal stops nothing.
    """

    service: Service
    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    what: str
    independent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one resource: the lines of its difference, and the calls for it.

    `note` and `warnings` are for the person who applies it, whether there are calls or not.
    """

    effect: Effect
    title: str
    place: str
    lines: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    note: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a person wants it: set secrets and register although nothing else differs.

    With a `register` of False nothing is registered. `replace`: take over what another stack made.
    """

    set_secrets: bool = False
    register: bool | None = None
    replace: bool = False


def secrets_of(declared: Declarations, current: Current) -> Secrets:
    """What may not be shown of both."""
    types = [
        *(item.declaration for item in current.action_types.values()),
        *(item.declaration for item in declared.of(Kind.ACTION_TYPE)),
    ]
    return Secrets.of_types(types, declared.secrets)


def changes(declared: Declarations, current: Current, options: Options) -> list[Change]:
    """What becomes of each declared resource, in the order to apply it. Raises HooklineError.

    Pipelines come before the webhooks that start them, and after the action types and build
    projects that they use.
    """
    secrets = secrets_of(declared, current)
    ordered = [item for kind in Kind for item in declared.of(kind)]
    return each(
        ordered, lambda item: _Comparison(item, current.find(item), options, secrets).change()
    )


class _Comparison:
    """What is declared beside what is there."""

    def __init__(
        self, declared: Declared, present: Present | None, options: Options, secrets: Secrets
    ) -> None:
        self._declared = declared
        self._present = present
        self._options = options
        self._secrets = secrets
        self._title = secrets.without(declared.title)
        self._wanted = _as_shown(declared, present)
        self._tags = _wanted_tags(declared, present)
        self._disabled_now = present.disabled if present else {}
        self._gives_secrets = any(secrets.given(self._wanted))

    def change(self) -> Change:
        """What becomes of the resource.

        Raises HooklineError where it has `****` and nothing is kept, where it is another
        template's, and for an action type that differs.
        """
        calls = list(self._definition())
        lines = list(self._difference()) if calls else []
        for line, call in (*self._transitions(), *self._registration(changed=bool(calls))):
            lines.append(line)
            calls.append(call)
        if self._gives_secrets and _WRITES & {call.operation for call in calls}:
            lines.append(_SECRET_LINE)
        if calls and not lines:
            lines.append(_UNSEEN_LINE)
        return Change(
            effect=self._effect(calls),
            title=self._title,
            place=self._declared.place,
            lines=tuple(lines),
            calls=tuple(calls),
            note=self._note(calls),
            warnings=tuple(self._warnings()),
        )

    def _effect(self, calls: list[Call]) -> Effect:
        if not calls:
            return Effect.KEEP
        return Effect.CHANGE if self._present else Effect.CREATE

    def _definition(self) -> Iterator[Call]:
        match self._declared.kind:
            case Kind.ACTION_TYPE:
                return self._action_type()
            case Kind.PROJECT:
                return self._project()
            case Kind.PIPELINE:
                return self._pipeline()
            case Kind.WEBHOOK:
                return self._webhook()

    def _action_type(self) -> Iterator[Call]:
        """AWS lets one be created and never changed."""
        if self._present is None:
            yield self._call("CreateCustomActionType", "create", **self._wanted)
            return
        differing = differing_members(self._wanted, self._present.declaration)
        if differing:
            raise HooklineError(
                f"{self._declared.place}: {self._title} is there already, with other "
                f"{' and '.join(differing)}. A custom action type can't be changed: declare it "
                "under a new version, and name that version in the pipelines that use it."
            )

    def _project(self) -> Iterator[Call]:
        present = self._present
        tags = {} if self._tags is None else {"tags": listed_tags(self._tags)}
        differs = self._differs()
        if present is None:
            yield self._call("CreateProject", "create", **self._wanted, **tags)
        elif differs or (self._tags is not None and present.tags != self._tags):
            known = _known(self._wanted, present)
            parameters = {**removals(self._wanted, present), **known, **tags}
            yield self._call("UpdateProject", "change", **parameters)

    def _pipeline(self) -> Iterator[Call]:
        declaration, present = self._declared.declaration, self._present
        differs = self._differs()
        if present is None:
            tags = {"tags": listed_tags(self._tags)} if self._tags else {}
            yield self._call("CreatePipeline", "create", pipeline=declaration, **tags)
            return
        if differs:
            yield self._call("UpdatePipeline", "change", pipeline=_known(declaration, present))
        if self._tags is not None:
            yield from self._tagging(self._tags, present)

    def _tagging(self, wanted: Mapping[str, str], present: Present) -> Iterator[Call]:
        removed = sorted(present.tags.keys() - wanted.keys())
        added = {key: value for key, value in wanted.items() if present.tags.get(key) != value}
        if removed:
            yield self._call(
                "UntagResource", "remove tags of", resourceArn=present.arn, tagKeys=removed
            )
        if added:
            tags = listed_tags(added)
            yield self._call("TagResource", "set tags of", resourceArn=present.arn, tags=tags)

    def _webhook(self) -> Iterator[Call]:
        there = self._present.tags if self._present else None
        if self._differs() or (self._tags is not None and there != self._tags):
            tags = {} if self._tags is None else {"tags": listed_tags(self._tags)}
            verb = "change" if self._present else "create"
            yield self._call("PutWebhook", verb, webhook=self._declared.declaration, **tags)

    def _differs(self) -> bool:
        """Whether the server has to be told the definition."""
        self._check_owner()
        there = None if self._present is None else self._present.declaration
        for missing in unfilled(self._wanted, there):
            raise HooklineError(
                f"{self._declared.place}: {self._title} has **** as {missing}, which stands for a "
                "secret kept already, and none is. Give the secret itself."
            )
        if there is None or (self._options.set_secrets and self._gives_secrets):
            return True
        return not same(normal(self._wanted), normal(there))

    def _check_owner(self) -> None:
        if self._present is None or not self._declared.owner or self._options.replace:
            return
        owner = self._present.tags.get(_OWNER_TAG, self._declared.owner)
        if owner != self._declared.owner:
            stack = owner.partition("/")[0]
            raise HooklineError(
                f"{self._declared.place}: {self._title} is there already, from another template "
                f"({owner}). Give it another name, --stack-name {stack} if both are one stack, or "
                "--replace to take it over."
            )

    def _difference(self) -> Iterator[str]:
        """The difference for a person's eyes; secrets are masked."""
        present = self._present
        there = masked_like(present.declaration, self._wanted) if present else {}
        old = self._shown(there, present.tags) if present else {}
        new = self._shown(self._wanted, self._tags or {})
        return difference(*map(self._secrets.masked, (old, new)))

    def _shown(self, declaration: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
        shape = self._declared.kind.shape
        ordered: dict[str, Any] = Conversion().converted(declaration, shape, self._title)
        return ordered if self._tags is None else {**ordered, "tags": dict(sorted(tags.items()))}

    def _transitions(self) -> Iterator[tuple[str, Call]]:
        """The calls that make transitions as they are declared, each with its line of the diff."""
        wanted = self._declared.disabled
        if wanted is None:
            return
        there = self._disabled_now
        for stage, reason in wanted.items():
            marked = reason[: _LONGEST_REASON - len(_OWN_REASON)] + _OWN_REASON
            if there.get(stage) != marked:
                line = f"+ transition into {stage} disabled: {reason}"
                yield line, self._transition("disable", stage, reason=marked)
        for stage in (stage["name"] for stage in self._wanted["stages"]):
            reason = there.get(stage, "")
            if stage not in wanted and reason.endswith(_OWN_REASON):
                line = f"- transition into {stage} disabled: {reason.removesuffix(_OWN_REASON)}"
                yield line, self._transition("enable", stage)

    def _transition(self, verb: str, stage: str, **more: str) -> Call:
        return self._call(
            f"{verb.title()}StageTransition",
            f"{verb} the transition into {stage} of",
            pipelineName=self._declared.name,
            stageName=stage,
            transitionType="Inbound",
            **more,
        )

    def _registration(self, *, changed: bool) -> Iterator[tuple[str, Call]]:
        declared, present, register = self._declared, self._present, self._options.register
        if not declared.registered or register is False:
            return
        if changed or register or (present and present.failed):
            yield (
                "+ registration with its third party",
                Call(
                    service=declared.kind.service,
                    operation="RegisterWebhookWithThirdParty",
                    parameters={"webhookName": declared.name},
                    what=f"register {self._title}",
                    independent=True,
                ),
            )

    def _note(self, calls: list[Call]) -> str:
        if self._declared.left_out:
            names = " and ".join(self._declared.left_out)
            return (
                f"{self._title}: {names} not acted on; there are no webhooks of CodeBuild's own "
                "here, and no public projects"
            )
        if not self._declared.registered:
            return ""
        if self._options.register is False:
            return f"{self._title} is not registered with its third party, as --no-register says"
        if not calls:
            return f"{self._title}: whether it is registered can't be read; --register repeats it"
        return ""

    def _warnings(self) -> Iterator[str]:
        if self._declared.kind is Kind.PIPELINE:
            for warning in not_run(stages_of(self._declared.declaration)):
                yield self._secrets.without(f"{self._declared.title}: {warning}")

    def _call(self, operation: str, verb: str, **parameters: Any) -> Call:
        return Call(
            service=self._declared.kind.service,
            operation=operation,
            parameters=parameters,
            what=f"{verb} {self._title}",
        )


def _as_shown(declared: Declared, present: Present | None) -> Mapping[str, Any]:
    """The declaration as the server shows it, which says what a declaration may leave out."""
    if declared.kind is Kind.PIPELINE:
        return with_defaults(declared.declaration)
    if declared.kind is Kind.PROJECT and present is not None:
        return project_with_defaults(declared.declaration, present)
    return declared.declaration


def _known(wanted: Mapping[str, Any], present: Present) -> Any:
    """What is wanted, with what the server shows in place of `****`."""
    return filled(wanted, present.declaration, lambda _, kept: MASK if kept is None else kept)


def _wanted_tags(declared: Declared, present: Present | None) -> Mapping[str, str] | None:
    """The tags that it is to have; None leaves them as they are."""
    if not declared.owner or declared.kind is Kind.ACTION_TYPE:
        return declared.tags
    there = present.tags if present else {}
    return {**(there if declared.tags is None else declared.tags), _OWNER_TAG: declared.owner}
