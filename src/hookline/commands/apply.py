"""`hookline apply`: makes a server have what files say, after a look at what that changes."""

import dataclasses
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from hookline import config
from hookline.commands import aws_client
from hookline.commands.aws_client import Api
from hookline.commands.output import console, write_private
from hookline.declarations.changes import Call, Change, Effect, Options, changes, secrets_of
from hookline.declarations.documents import LARGEST
from hookline.declarations.reading import (
    ParameterValues,
    parameters_in,
    read,
    required_values,
    skeleton_of,
)
from hookline.declarations.resources import Declarations, Deployed
from hookline.declarations.secrets import Secrets
from hookline.declarations.stack import StackContext
from hookline.errors import HooklineError
from hookline.terminal import printable

_STYLES = {"+": "green", "-": "red", "@": "cyan", "~": "yellow"}
_HEADINGS = {Effect.CREATE: "green", Effect.CHANGE: "yellow"}

EndpointOption = Annotated[
    str | None, typer.Option(help="The API's address, unless it is this machine's.")
]
RegionOption = Annotated[str | None, typer.Option(help="The region.")]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        help="AWS's profile with an access key of this Hookline. Without it the key is the one "
        "that AWS's variables name, else the data folder's."
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, for scripts.")]


def apply(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="JSON or YAML; - reads stdin.")
    ],
    *,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE of a template's parameter, or of what it takes from elsewhere in AWS. "
            "May be repeated. Other users can see it while the command runs."
        ),
    ] = None,
    parameter_file: Annotated[
        Path | None, typer.Option(help="JSON or YAML with parameters, such as secrets.")
    ] = None,
    stack_name: Annotated[
        str, typer.Option(help="A template's AWS::StackName; otherwise its file's name.")
    ] = "",
    account: Annotated[
        str | None, typer.Option(help="A template's AWS::AccountId; otherwise the first key's.")
    ] = None,
    set_secrets: Annotated[
        bool,
        typer.Option(
            "--set-secrets", help="Set the secrets in the files although nothing else differs."
        ),
    ] = False,
    register: Annotated[
        bool | None,
        typer.Option(
            "--register/--no-register",
            help="Register again the webhooks that are to be registered, or call no third party.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Of two files that declare one name, take the last; take over what another "
            "template made.",
        ),
    ] = False,
    skeleton: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a --parameter-file to fill in, with all that the templates ask for, and "
            "apply nothing. JSON if the name ends so, else YAML.",
        ),
    ] = None,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
    profile: ProfileOption = None,
    yes: YesOption = False,
) -> None:
    """Create or change pipelines, webhooks, projects and action types as files say.

    The difference is shown first. Files hold what the API's clients print and take, what
    `hookline export` writes, or CloudFormation templates. What they do not name is left alone.
    Exit status: 0 when all is as the files say, 1 when something was refused or not confirmed, 2 on
    an error before anything was done.
    """
    settings = config.load()
    given = _given(parameter or [], parameter_file)
    sources = [(str(file), bounded_bytes(file)) for file in files]
    context = StackContext(
        account=account or settings.account,
        region=region or settings.region,
        stack_name=stack_name,
        parameters=given.values,
    )
    if skeleton is not None:
        _write_skeleton(skeleton, sources, context)
        return
    api = aws_client.hookline_api(
        settings, endpoint_url=endpoint_url, region=region, profile_name=profile
    )
    context = dataclasses.replace(context, region=api.region)
    declared = read(sources, context, replace=replace)
    declared = dataclasses.replace(declared, warnings=(*given.warnings, *declared.warnings))
    options = Options(set_secrets=set_secrets, register=register, replace=replace)
    apply_declarations(api, declared, options, yes=yes)


def apply_declarations(api: Api, declared: Declarations, options: Options, *, yes: bool) -> None:
    """Show what has to change on the server, ask, and change it.

    Raises HooklineError before anything was done, and typer.Exit(1) when something was refused.
    """
    current = aws_client.current(api, declared)
    planned = changes(declared, current, options)
    _show(planned, declared)
    if not any(change.calls for change in planned):
        typer.echo("Nothing to do.")
        _show_outputs(api, declared)
        return
    _ask(api, yes=yes)
    # What a server answers may repeat what it was sent.
    all_done = _run(api, planned, secrets_of(declared, current).with_given(declared))
    try:
        _show_outputs(api, declared)
    except HooklineError as error:
        typer.echo(f"hookline: no outputs: {printable(error.message)}", err=True)
        all_done = False
    if not all_done:
        raise typer.Exit(1)


def _given(texts: Iterable[str], file: Path | None) -> ParameterValues:

    given = ParameterValues({}) if file is None else parameters_in(str(file), bounded_bytes(file))
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise HooklineError("--parameter takes NAME=VALUE")
        given.values[name] = value
    return given


def _write_skeleton(
    file: Path, sources: Iterable[tuple[str, bytes]], context: StackContext
) -> None:

    required = required_values(sources, context)
    if not required:
        typer.echo("The files ask for no values, so there is nothing to write.")
        return
    # Never over one that somebody has filled in.
    write_private(file, skeleton_of(required, as_json=file.suffix == ".json"), new=True)
    missing = sum(item.value is None for item in required)
    typer.echo(printable(f"Wrote {file}; values to fill in: {missing}. Nothing was applied."))


def bounded_bytes(file: Path) -> bytes:
    """A file's content, one byte more than is taken at most. Raises HooklineError."""
    try:
        if file == Path("-"):
            return sys.stdin.buffer.read(LARGEST + 1)
        with file.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except OSError as error:
        raise HooklineError(f"{file} can't be read: {error.strerror}") from error


def _show(planned: Sequence[Change], declared: Declarations) -> None:
    out = console()
    for warning in chain(declared.warnings, *(change.warnings for change in planned)):
        out.print(f"warning: {printable(warning)}", style="yellow")
    for note in filter(None, (*declared.notes, *(change.note for change in planned))):
        out.print(f"note: {printable(note)}", style="dim")
    for change in planned:
        if change.calls:
            _show_change(out, change)
    counts = Counter(change.effect for change in planned)
    out.print(
        f"{counts[Effect.CREATE]} to create, {counts[Effect.CHANGE]} to change, "
        f"{counts[Effect.KEEP]} unchanged."
    )


def _show_change(out: Console, change: Change) -> None:
    heading = printable(f"{change.effect}: {change.title}  ({change.place})")
    out.print(heading, style=f"bold {_HEADINGS[change.effect]}")
    for line in change.lines:
        out.print(f"  {printable(line)}", style=_STYLES.get(line[:1]))


def _ask(api: Api, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise HooklineError("Nothing was done: there is no terminal to ask at. Give --yes.")
    where = f"{api.endpoint_url}, {api.region}"
    typer.confirm(f"Apply to {where}?", abort=True)


def _run(api: Api, planned: Sequence[Change], secrets: Secrets) -> bool:
    """Make the calls, and say what became of each; whether all went well.

    Raises typer.Exit(1) where the rest can't go on without one that was refused.
    """
    done: list[str] = []
    all_done = True
    steps = [(change, call) for change in planned for call in change.calls]
    for change, call in sorted(steps, key=lambda step: step[1].independent):
        try:
            _make(api, change, call)
        except (BotoCoreError, ClientError) as error:
            why = secrets.without(aws_client.reason(api, error))
            text = f"{change.place}: could not {call.what}: {why}"
            typer.echo(f"hookline: {printable(text)}", err=True)
            if not call.independent:
                _report_stop(done)
                raise typer.Exit(1) from error
            all_done = False
        else:
            done.append(call.what)
    return all_done


def _make(api: Api, change: Change, call: Call) -> None:

    answer = api.call(call.service, call.operation, call.parameters)
    typer.echo(printable(f"done: {call.what}"))
    if change.effect is Effect.CREATE and "webhook" in answer:
        typer.echo(printable(f"      {answer['webhook']['url']}"))


def _report_stop(done: Sequence[str]) -> None:
    applied = f"Applied before: {'; '.join(done)}." if done else "Nothing was applied."
    typer.echo(f"hookline: {printable(applied)} The rest was not tried.", err=True)


def _show_outputs(api: Api, declared: Declarations) -> None:
    """A template's outputs, where they speak of what it declares."""
    if not declared.outputs:
        return
    present = aws_client.current(api, declared)
    deployed = Deployed(
        urls={name: item.url for name, item in present.webhooks.items()},
        versions={name: item.version for name, item in present.pipelines.items()},
    )
    shown = Secrets(texts=declared.secrets).without
    for outputs in declared.outputs:
        for name, value in outputs(deployed).items():
            typer.echo(printable(f"output {name} = {shown(value)}"))
