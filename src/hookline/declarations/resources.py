"""What files declare, as frozen values in the API's own shapes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hookline.errors import HooklineError

MASK = "****"
"""What stands for a secret that is kept already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPipeline:
    """A pipeline. `tags` is None where nothing is said of them; `place` is for messages.

    `disabled` maps the stages that nothing may enter to the reasons; None says nothing of them.
    `owner` is the resource of a template that it is, with the stack's name.
    """

    name: str
    declaration: Mapping[str, Any] = field(repr=False)
    tags: Mapping[str, str] | None
    place: str
    disabled: Mapping[str, str] | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredWebhook:
    """A webhook. `registered`: it is to be registered with its third party.

    `owner` is the resource of a template that it is, with the stack's name.
    """

    name: str
    definition: Mapping[str, Any] = field(repr=False)
    tags: Mapping[str, str] | None
    place: str
    registered: bool = False
    owner: str = ""


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

    `notes` and `warnings` are for the person who applies it, `secrets` are texts that must never
    be shown, and each of `outputs` gives a template's outputs once the rest is known.
    """

    pipelines: tuple[DeclaredPipeline, ...] = ()
    webhooks: tuple[DeclaredWebhook, ...] = ()
    action_types: tuple[DeclaredActionType, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    outputs: tuple[Callable[[Known], Mapping[str, str]], ...] = ()


def together(parts: Iterable[Declarations], *, replace: bool = False) -> Declarations:
    """All parts as one.

    Raises HooklineError when two declare the same thing, unless the last one is to `replace` it.
    """
    parts = list(parts)
    pipelines = _one_of_each("pipeline", (part.pipelines for part in parts), replace=replace)
    webhooks = _one_of_each("webhook", (part.webhooks for part in parts), replace=replace)
    action_types = _one_of_each(
        "custom action type", (part.action_types for part in parts), replace=replace
    )
    return Declarations(
        pipelines=tuple(pipelines),
        webhooks=tuple(webhooks),
        action_types=tuple(action_types),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        warnings=tuple(dict.fromkeys(text for part in parts for text in part.warnings)),
        secrets=frozenset().union(*(part.secrets for part in parts)),
        outputs=tuple(item for part in parts for item in part.outputs),
    )


_Declared = TypeVar("_Declared", DeclaredPipeline, DeclaredWebhook, DeclaredActionType)


def _one_of_each(
    kind: str, parts: Iterable[tuple[_Declared, ...]], *, replace: bool
) -> Iterable[_Declared]:
    found: dict[str, _Declared] = {}
    for item in (item for part in parts for item in part):
        if item.name in found and not replace:
            raise HooklineError(
                f"The {kind} '{item.name}' is declared twice: in {found[item.name].place} and in "
                f"{item.place}. With --replace the last one counts."
            )
        found[item.name] = item
    return found.values()
