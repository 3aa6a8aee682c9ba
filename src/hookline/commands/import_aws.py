"""`hookline import-aws`: pipelines of a real account, with all that they use."""

import dataclasses
import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hookline import config
from hookline.commands import aws_client
from hookline.commands.apply import YesOption, apply_declarations, bounded_bytes
from hookline.commands.output import write_private
from hookline.declarations.changes import Options
from hookline.declarations.projects import without_defaults
from hookline.declarations.resources import (
    Current,
    Declarations,
    Declared,
    Kind,
    Present,
    projects_of,
)
from hookline.declarations.secrets import filled
from hookline.errors import HooklineError
from hookline.sealing import MASK
from hookline.terminal import printable

_SECRET_BYTES = 32
_SHOWN = (Kind.PIPELINE, Kind.WEBHOOK, Kind.PROJECT, Kind.ACTION_TYPE)


def import_aws(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PIPELINE]...", help="Only these pipelines, with the webhooks that start them."
        ),
    ] = None,
    *,
    profile: Annotated[str, typer.Option(help="AWS's profile of the account to read.")],
    region: Annotated[
        str | None, typer.Option(help="The region to read; otherwise the profile's.")
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="AWS's address, unless it is the region's own.")
    ] = None,
    to_endpoint_url: Annotated[
        str | None, typer.Option(help="Hookline's address, unless it is this machine's.")
    ] = None,
    to_profile: Annotated[
        str | None,
        typer.Option(help="AWS's profile with an access key of Hookline; else the data folder's."),
    ] = None,
    generate_secrets: Annotated[
        bool,
        typer.Option(
            "--generate-secrets",
            help="Make the webhooks' secret tokens, which AWS doesn't tell, and show them once.",
        ),
    ] = False,
    secrets_file: Annotated[
        Path | None,
        typer.Option(help="Write generated secrets to this new file instead of showing them."),
    ] = None,
    oauth_token_file: Annotated[
        Path | None,
        typer.Option(help="File with GitHub's token for source actions, which AWS doesn't tell."),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Read pipelines, webhooks, projects and action types from AWS and apply them to Hookline.

    Nothing is changed in AWS. Of CodeBuild's projects and of custom action types those come that
    the pipelines use. Secrets can't be read from it: they are asked for, generated or read from
    files; those that Hookline has already are kept. Webhook URLs differ, so senders need them anew.
    Exit status as of `hookline apply`.
    """
    source = aws_client.aws_api(profile, region, endpoint_url)
    current = aws_client.everything(source, unused_projects=False)
    declared = _declared(current, names or [], f"profile {profile}")
    _show_found(declared)
    target = aws_client.hookline_api(
        config.load(),
        endpoint_url=to_endpoint_url,
        region=source.region,
        profile_name=to_profile,
        environment=False,
    )
    missing = _MissingSecrets(generate=generate_secrets, oauth_token=_token(oauth_token_file))
    complete = missing.complete(declared, aws_client.current(target, declared))
    if secrets_file is not None and missing.generated:
        write_private(secrets_file, json.dumps(missing.generated, indent=2) + "\n", new=True)
    try:
        apply_declarations(target, complete, Options(), yes=yes)
    except (typer.Abort, HooklineError):
        _discard(missing.generated, secrets_file)
        raise
    finally:
        _show_generated(missing.generated, secrets_file)


def _declared(current: Current, names: Sequence[str], place: str) -> Declarations:
    for name in names:
        if name not in current.pipelines:
            raise HooklineError(f"{place} has no pipeline '{name}'")
    chosen = current.only(names or current.pipelines.keys())
    found = {
        Kind.ACTION_TYPE: chosen.action_types,
        Kind.PROJECT: chosen.projects,
        Kind.PIPELINE: chosen.pipelines,
        Kind.WEBHOOK: chosen.webhooks,
    }
    return Declarations(
        resources=tuple(
            Declared(
                kind=kind,
                declaration=without_defaults(item) if kind is Kind.PROJECT else item.declaration,
                tags=_own_tags(item),
                place=place,
                left_out=item.left_out,
            )
            for kind, items in found.items()
            for item in items.values()
        ),
        notes=(*_orphaned_webhooks(current), *_missing_projects(chosen)),
    )


def _orphaned_webhooks(current: Current) -> Iterator[str]:
    # AWS keeps a webhook when its pipeline is deleted.
    for name, item in current.webhooks.items():
        target = item.declaration["targetPipeline"]
        if target not in current.pipelines:
            yield f"webhook {name} is left out: its pipeline '{target}' does not exist"


def _missing_projects(chosen: Current) -> Iterator[str]:
    used = projects_of(item.declaration for item in chosen.pipelines.values())
    for name in sorted(used - chosen.projects.keys()):
        yield f"build project {name} does not exist, and a pipeline uses it"


def _own_tags(item: Present) -> dict[str, str]:
    # Tags of AWS's own, such as those of CloudFormation, can't be set.
    return {key: value for key, value in item.tags.items() if not key.startswith("aws:")}


def _show_found(declared: Declarations) -> None:
    counts = [f"{kind}s {len(declared.of(kind))}" for kind in _SHOWN]
    typer.echo(f"Found: {', '.join(counts)}")
    for item in declared.resources:
        text = f"  {item.title}"
        if item.kind is Kind.WEBHOOK:
            definition = item.declaration
            text += f" ({definition['authentication']}) → {definition['targetPipeline']}"
        typer.echo(printable(text))


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        token = bounded_bytes(file).decode().strip()
    except UnicodeDecodeError as error:
        raise HooklineError(f"{file} can't be read: it is not UTF-8") from error
    if not token:
        raise HooklineError(f"{file} is empty, so it holds no token")
    return token


class _MissingSecrets:
    """Finds the secrets that AWS doesn't tell and Hookline doesn't have."""

    def __init__(self, *, generate: bool, oauth_token: str | None) -> None:
        self._generate = generate
        self._oauth_token = oauth_token
        self.generated: dict[str, str] = {}

    def complete(self, declared: Declarations, current: Current) -> Declarations:
        """What is declared, with the missing secrets."""
        completed = tuple(self._completed(item, current.find(item)) for item in declared.resources)
        return dataclasses.replace(declared, resources=completed)

    def _completed(self, item: Declared, present: Present | None) -> Declared:
        def choose(path: str, kept: Any) -> str:
            return self._secret(item, path) if kept is None else MASK

        there = present.declaration if present else None
        return dataclasses.replace(item, declaration=filled(item.declaration, there, choose))

    def _secret(self, item: Declared, path: str) -> str:
        key = path.rpartition(".")[2]
        if key == "OAuthToken" and self._oauth_token is not None:
            return self._oauth_token
        if key == "SecretToken" and self._generate:
            self.generated[item.name] = secrets.token_urlsafe(_SECRET_BYTES)
            return self.generated[item.name]
        if not sys.stdin.isatty():
            remedy = _REMEDIES.get(key, "run this at a terminal, which asks for it")
            raise HooklineError(
                f"AWS doesn't tell the {key} of {item.title}: {remedy}. Nothing was done."
            )
        answer: str = typer.prompt(printable(f"{path} of {item.title}"), hide_input=True)
        return answer


_REMEDIES = {
    "SecretToken": "give --generate-secrets, or run this at a terminal, which asks for it",
    "OAuthToken": "give --oauth-token-file, or run this at a terminal, which asks for it",
}


def _discard(generated: dict[str, str], file: Path | None) -> None:
    """Nothing was applied, so nothing has these secrets."""
    if generated and file is not None:
        file.unlink(missing_ok=True)
    generated.clear()


def _show_generated(generated: Mapping[str, str], file: Path | None) -> None:
    if not generated:
        return
    if file is not None:
        typer.echo(f"The secrets made for webhooks are in {file}.")
        return
    typer.echo("Secrets made for webhooks, shown this once; set them where the events come from:")
    for name, secret in generated.items():
        typer.echo(f"  {printable(name)}  {secret}")
