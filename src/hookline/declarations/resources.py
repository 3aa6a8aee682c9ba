"""What files declare and what a server has, as frozen values in the API's own shapes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Any, Self, cast

from botocore.model import StructureShape

from hookline.api.service import CODEBUILD, CODEPIPELINE, Service
from hookline.errors import HooklineError


class Kind(StrEnum):
    """What a resource is, as messages say it; in the order in which they need each other."""

    ACTION_TYPE = "custom action type"
    PROJECT = "build project"
    PIPELINE = "pipeline"
    WEBHOOK = "webhook"

    @property
    def service(self) -> Service:
        """The service that has it."""
        return CODEBUILD if self is Kind.PROJECT else CODEPIPELINE

    @property
    def shape(self) -> StructureShape:
        """Its shape in the model of the service."""
        return cast("StructureShape", self.service.shape(_SHAPES[self]))


_SHAPES = {
    Kind.ACTION_TYPE: "CreateCustomActionTypeInput",
    Kind.PROJECT: "CreateProjectInput",
    Kind.PIPELINE: "PipelineDeclaration",
    Kind.WEBHOOK: "WebhookDefinition",
}
_ACTION_TYPE_ID = ("category", "provider", "version")
_CODEBUILD = ("AWS", "CodeBuild")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A resource as a file declares it.

    `tags` is None where nothing is said of them; an action type's are in its declaration. `place`
    is for messages. `disabled` maps the stages that nothing may enter to the reasons; None says
    nothing of them. `registered`: a webhook is to be registered with its third party. `owner` is
    the resource of a template that it is, with the stack's name. `left_out` names what is said of
    it that nothing here acts on.
    """

    kind: Kind
    declaration: Mapping[str, Any] = field(repr=False)
    place: str
    tags: Mapping[str, str] | None = None
    disabled: Mapping[str, str] | None = None
    registered: bool = False
    owner: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What tells it from others of its kind."""
        if self.kind is Kind.ACTION_TYPE:
            return action_type_name(self.declaration)
        return str(self.declaration["name"])

    @property
    def title(self) -> str:
        """Its kind and its name."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A resource as the server has it, in the shape in which it is declared.

    `disabled` maps stages that nothing may enter to the reasons. `failed`: the registration with
    the third party has failed. `left_out` names what of it can't be declared.
    """

    declaration: Mapping[str, Any] = field(repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)
    arn: str = ""
    disabled: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False
    url: str = field(default="", repr=False)
    version: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What the server has, by name."""

    projects: Mapping[str, Present] = field(default_factory=dict)
    pipelines: Mapping[str, Present] = field(default_factory=dict)
    webhooks: Mapping[str, Present] = field(default_factory=dict)
    action_types: Mapping[str, Present] = field(default_factory=dict)

    def find(self, declared: Declared) -> Present | None:
        """The resource that goes by the declared one's name."""
        found = {
            Kind.ACTION_TYPE: self.action_types,
            Kind.PROJECT: self.projects,
            Kind.PIPELINE: self.pipelines,
            Kind.WEBHOOK: self.webhooks,
        }
        return found[declared.kind].get(declared.name)

    def only(self, pipelines: Collection[str], others: Collection[str] = ()) -> Self:
        """These pipelines, with all that they use, and these other webhooks and projects."""
        chosen = _named(self.pipelines, pipelines)
        declarations = [item.declaration for item in chosen.values()]
        started = {
            name: item
            for name, item in self.webhooks.items()
            if name in others or item.declaration["targetPipeline"] in pipelines
        }
        return type(self)(
            projects=_named(self.projects, {*others, *projects_of(declarations)}),
            pipelines=chosen,
            webhooks=started,
            action_types=_named(self.action_types, custom_types_of(declarations)),
        )


def _named(items: Mapping[str, Present], names: Collection[str]) -> dict[str, Present]:
    return {name: item for name, item in items.items() if name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What is known once all was applied: webhooks' URLs and pipelines' versions, by name."""

    urls: Mapping[str, str]
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """All that files declare together.

    `notes` and `warnings` are for the person who applies it, `secrets` are texts that must never
    be shown, and each of `outputs` gives a template's outputs once the rest is deployed.
    """

    resources: tuple[Declared, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    outputs: tuple[Callable[[Deployed], Mapping[str, str]], ...] = ()

    def of(self, kind: Kind) -> list[Declared]:
        """The resources of a kind."""
        return [item for item in self.resources if item.kind is kind]


def merged(parts: Iterable[Declarations], *, replace: bool = False) -> Declarations:
    """All parts as one.

    Raises HooklineError when two declare the same thing, unless the last one is to `replace` it.
    """
    parts = list(parts)
    resources = _one_of_each(chain(*(part.resources for part in parts)), replace=replace)
    return Declarations(
        resources=tuple(resources),
        notes=tuple(dict.fromkeys(chain(*(part.notes for part in parts)))),
        warnings=tuple(dict.fromkeys(chain(*(part.warnings for part in parts)))),
        secrets=frozenset(chain(*(part.secrets for part in parts))),
        outputs=tuple(chain(*(part.outputs for part in parts))),
    )


def _one_of_each(resources: Iterable[Declared], *, replace: bool) -> Iterable[Declared]:
    found: dict[str, Declared] = {}
    for item in resources:
        if item.title in found and not replace:
            raise HooklineError(
                f"The {item.kind} '{item.name}' is declared twice: in {found[item.title].place} and"
                f" in {item.place}. With --replace the last one counts."
            )
        found[item.title] = item
    return found.values()


def action_type_name(parts: Mapping[str, Any]) -> str:
    """The name of a custom action type, from its id or from anything else that has these parts."""
    return " ".join(str(parts[key]) for key in _ACTION_TYPE_ID)


def as_created(listed: Mapping[str, Any]) -> dict[str, Any]:
    """What CreateCustomActionType takes for a type, from what ListActionTypes tells of it."""
    settings, properties = listed.get("settings"), listed.get("actionConfigurationProperties")
    return {
        **{key: listed["id"][key] for key in _ACTION_TYPE_ID},
        **({"settings": settings} if settings else {}),
        **({"configurationProperties": properties} if properties else {}),
        "inputArtifactDetails": listed["inputArtifactDetails"],
        "outputArtifactDetails": listed["outputArtifactDetails"],
    }


def custom_types_of(pipelines: Iterable[Mapping[str, Any]]) -> set[str]:
    """The names of the custom action types that the pipelines' declarations use."""
    return {
        action_type_name(action["actionTypeId"])
        for action in _actions(pipelines)
        if action["actionTypeId"]["owner"] == "Custom"
    }


def projects_of(pipelines: Iterable[Mapping[str, Any]]) -> set[str]:
    """The names of the build projects that the pipelines' declarations use.

    Those are left out that only an execution knows: they are made of variables.
    """
    names = {
        str(action.get("configuration", {}).get("ProjectName", ""))
        for action in _actions(pipelines)
        if (action["actionTypeId"]["owner"], action["actionTypeId"]["provider"]) == _CODEBUILD
    }
    return {name for name in names if name and "#{" not in name}


def _actions(pipelines: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for pipeline in pipelines:
        for stage in pipeline["stages"]:
            yield from stage["actions"]


def listed_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as AWS's list, sorted by their keys."""
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]
