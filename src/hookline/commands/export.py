"""`hookline export`: what a server has, as a file that `hookline apply` takes."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hookline import config
from hookline.commands.apply import EndpointOption, ProfileOption, RegionOption
from hookline.commands.aws_client import everything, hookline_api
from hookline.commands.output import write_private
from hookline.declarations.documents import as_yaml
from hookline.declarations.projects import without_defaults
from hookline.declarations.resources import Current, Present, listed_tags
from hookline.declarations.secrets import Secrets
from hookline.errors import HooklineError


class Format(StrEnum):
    """How it is written."""

    YAML = "yaml"
    JSON = "json"


def export(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Only these pipelines, with all that they use, or these webhooks or build "
            "projects.",
        ),
    ] = None,
    *,
    output: Annotated[
        Path | None, typer.Option(help="Write to this file, which only you can read.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.YAML,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
    profile: ProfileOption = None,
) -> None:
    """Write pipelines, webhooks, projects and action types, as `hookline apply` takes them.

    Secrets are ****, which means "as it is" when it is applied where they are kept.
    """
    client = hookline_api(
        config.load(), endpoint_url=endpoint_url, region=region, profile_name=profile
    )
    text = _written(_content(everything(client), names or []), form)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_private(output, text)


def _content(current: Current, names: Sequence[str]) -> dict[str, Any]:
    for name in names:
        if not any(
            name in items for items in (current.pipelines, current.webhooks, current.projects)
        ):
            raise HooklineError(f"There is no pipeline, webhook or build project '{name}'")
    secrets = Secrets.of_types(item.declaration for item in current.action_types.values())
    chosen = current.only(names, names) if names else current

    def written(key: str, items: Mapping[str, Present]) -> list[dict[str, Any]]:
        return [
            {key: secrets.portable(item.declaration), "tags": listed_tags(item.tags)}
            for item in items.values()
        ]

    return {
        "actionTypes": [item.declaration for item in chosen.action_types.values()],
        "projects": [
            {**without_defaults(item), "tags": listed_tags(item.tags)}
            for item in chosen.projects.values()
        ],
        "pipelines": written("pipeline", chosen.pipelines),
        "webhooks": written("webhook", chosen.webhooks),
    }


def _written(content: dict[str, Any], form: Format) -> str:
    if form is Format.JSON:
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return as_yaml(content)
