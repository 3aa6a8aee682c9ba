"""What files declare, as frozen values in the API's own shapes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hookline.errors import HooklineError

MASK = "****"
"""What stands for a secret that is kept already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPipeline:
    """A pipeline. `tags` is None where nothing is said of them; `place` is for messages.

    `disabled` maps the stages that nothing may enter to the reasons; None says nothing of them.
    """

    name: str
    declaration: Mapping[str, Any] = field(repr=False)
    tags: Mapping[str, str] | None
    place: str
    disabled: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredWebhook:
    """A webhook. `registered`: it is to be registered with its third party."""

    name: str
    definition: Mapping[str, Any] = field(repr=False)
    tags: Mapping[str, str] | None
    place: str
    registered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredActionType:
    """A custom action type, as CreateCustomActionType takes it."""

    parameters: Mapping[str, Any]
    place: str

    @property
    def name(self) -> str:
        """What tells it from others."""
        return action_type_name(self.parameters)


def action_type_name(parts: Mapping[str, Any]) -> str:
    """The name of a custom action type, from its id or from anything else that has these parts."""
    return " ".join(str(parts[key]) for key in ("category", "provider", "version"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known after all was applied: webhooks' URLs and pipelines' versions, by name."""

    urls: Mapping[str, str]
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """All that files declare together.

    `notes` are for the person who applies it, `secrets` are texts that must never be shown, and
    each of `outputs` gives a template's outputs once the rest is known.
    """

    pipelines: tuple[DeclaredPipeline, ...] = ()
    webhooks: tuple[DeclaredWebhook, ...] = ()
    action_types: tuple[DeclaredActionType, ...] = ()
    notes: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    outputs: tuple[Callable[[Known], Mapping[str, str]], ...] = ()


def together(parts: Iterable[Declarations]) -> Declarations:
    """All parts as one. Raises HooklineError when two declare the same thing."""
    parts = list(parts)
    whole = Declarations(
        pipelines=tuple(item for part in parts for item in part.pipelines),
        webhooks=tuple(item for part in parts for item in part.webhooks),
        action_types=tuple(item for part in parts for item in part.action_types),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        secrets=frozenset().union(*(part.secrets for part in parts)),
        outputs=tuple(item for part in parts for item in part.outputs),
    )
    _check_names("pipeline", whole.pipelines)
    _check_names("webhook", whole.webhooks)
    _check_names("custom action type", whole.action_types)
    return whole


def _check_names(
    kind: str, declared: Iterable[DeclaredPipeline | DeclaredWebhook | DeclaredActionType]
) -> None:
    places: dict[str, str] = {}
    for item in declared:
        if item.name in places:
            raise HooklineError(
                f"The {kind} '{item.name}' is declared twice: in {places[item.name]} and in "
                f"{item.place}"
            )
        places[item.name] = item.place
