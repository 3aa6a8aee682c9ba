"""What files declare and what a server has, as frozen values in the API's own shapes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Any, Self

from hookline.errors import HooklineError


class Kind(StrEnum):
    """What a resource is, as messages say it."""

    ACTION_TYPE = "custom action type"
    PIPELINE = "pipeline"
    WEBHOOK = "webhook"

    @property
    def shape(self) -> str:
        """The name of its shape in the model of the service."""
        return _SHAPES[self]


_SHAPES = {
    Kind.ACTION_TYPE: "CreateCustomActionTypeInput",
    Kind.PIPELINE: "PipelineDeclaration",
    Kind.WEBHOOK: "WebhookDefinition",
}
_ACTION_TYPE_ID = ("category", "provider", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A resource as a file declares it.

    `tags` is None where nothing is said of them; an action type's are in its declaration. `place`
    is for messages. `disabled` maps the stages that nothing may enter to the reasons; None says
    nothing of them. `registered`: a webhook is to be registered with its third party. `owner` is
    the resource of a template that it is, with the stack's name.
    """

    kind: Kind
    declaration: Mapping[str, Any] = field(repr=False)
    place: str
    tags: Mapping[str, str] | None = None
    disabled: Mapping[str, str] | None = None
    registered: bool = False
    owner: str = ""

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
    """A resource as the server has it; a custom action type as CreateCustomActionType takes it.

    `disabled` maps stages that nothing may enter to the reasons. `failed`: the registration with
    the third party has failed.
    """

    declaration: Mapping[str, Any] = field(repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)
    arn: str = ""
    disabled: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False
    url: str = field(default="", repr=False)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What the server has, by name."""

    pipelines: Mapping[str, Present] = field(default_factory=dict)
    webhooks: Mapping[str, Present] = field(default_factory=dict)
    action_types: Mapping[str, Present] = field(default_factory=dict)

    def find(self, declared: Declared) -> Present | None:
        """The resource that goes by the declared one's name."""
        found = {
            Kind.ACTION_TYPE: self.action_types,
            Kind.PIPELINE: self.pipelines,
            Kind.WEBHOOK: self.webhooks,
        }
        return found[declared.kind].get(declared.name)

    def only(self, pipelines: Collection[str], webhooks: Collection[str] = ()) -> Self:
        """These pipelines, with their webhooks and action types, and these webhooks."""
        chosen = _named(self.pipelines, pipelines)
        used = custom_types_of(item.declaration for item in chosen.values())
        started = {
            name: item
            for name, item in self.webhooks.items()
            if name in webhooks or item.declaration["targetPipeline"] in pipelines
        }
        types = _named(self.action_types, used)
        return type(self)(pipelines=chosen, webhooks=started, action_types=types)


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
        for pipeline in pipelines
        for stage in pipeline["stages"]
        for action in stage["actions"]
        if action["actionTypeId"]["owner"] == "Custom"
    }


def listed_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as AWS's list, sorted by their keys."""
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]
