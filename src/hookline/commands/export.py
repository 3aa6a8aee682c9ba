"""`hookline export`: pipelines and webhooks as a file that `hookline apply` takes."""

import json
import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline import config
from hookline.commands.apply import EndpointOption, ProfileOption, RegionOption
from hookline.errors import HooklineError

if TYPE_CHECKING:
    from hookline.declarations.differences import Current


class Format(StrEnum):
    """How it is written."""

    YAML = "yaml"
    JSON = "json"


def export(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Only these pipelines, with the webhooks that start them, or these webhooks.",
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
    """Write pipelines and webhooks with their tags, as `hookline apply` takes them.

    Secrets are ****, which means "as it is" when it is applied where they are kept.
    """
    from hookline.commands.aws_client import everything, hookline_client  # noqa: PLC0415 - keeps --help fast

    client = hookline_client(
        config.load(), endpoint_url=endpoint_url, region=region, profile_name=profile
    )
    text = _written(_content(everything(client), names or []), form)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_private(output, text)


def write_private(file: Path, text: str, *, new: bool = False) -> None:
    """Write a file that only its owner can read; with `new` it must not exist yet.

    Raises HooklineError.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if new else os.O_TRUNC)
    try:
        descriptor = os.open(file, flags, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise HooklineError(f"{file} can't be written: {error.strerror}") from error


def _content(current: "Current", names: Sequence[str]) -> dict[str, Any]:
    from hookline.declarations.secrets import portable  # noqa: PLC0415 - keeps --help fast

    for name in names:
        if name not in current.pipelines and name not in current.webhooks:
            raise HooklineError(f"There is no pipeline and no webhook '{name}'")
    return {
        "pipelines": [
            {"pipeline": portable(item.declaration), "tags": _listed(item.tags)}
            for name, item in current.pipelines.items()
            if not names or name in names
        ],
        "webhooks": [
            {"webhook": portable(item.declaration), "tags": _listed(item.tags)}
            for name, item in current.webhooks.items()
            if not names or {name, item.declaration["targetPipeline"]} & {*names}
        ],
    }


def _listed(tags: Any) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def _written(content: dict[str, Any], form: Format) -> str:
    if form is Format.JSON:
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    import yaml  # noqa: PLC0415 - keeps --help fast

    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
