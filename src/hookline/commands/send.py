"""`hookline send`: an event as GitHub would send it."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hookline.errors import HooklineError
from hookline.sender import Reply
from hookline.sender import send as post
from hookline.terminal import printable

SECRET_VARIABLE = "HOOKLINE_SEND_SECRET"  # noqa: S105 - the variable's name


def send(
    payload: Annotated[Path, typer.Argument(help="File with the event's JSON; - reads stdin.")],
    url: Annotated[str, typer.Option(help="The webhook's URL, as PutWebhook answered it.")],
    event: Annotated[str, typer.Option(help="GitHub's name of the event.")] = "push",
    secret: Annotated[
        str | None,
        typer.Option(
            help="The webhook's secret token. Other users of this machine can see it while the "
            "command runs, and the shell keeps it: better is --secret-file or the variable "
            f"{SECRET_VARIABLE}."
        ),
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="File that holds the secret token.")
    ] = None,
) -> None:
    """Sign an event and send it as GitHub does; without a secret it goes unsigned.

    The secret is read from --secret-file, from --secret or from the variable HOOKLINE_SEND_SECRET.
    Exit status: 0 when the delivery was accepted, 1 when it was refused, 2 on an error.
    """
    token = _secret(secret, secret_file)
    reply = post(url, read_bytes(payload), event=event, secret=token)
    _show(reply)
    raise typer.Exit(0 if 200 <= reply.status <= 299 else 1)  # noqa: PLR2004 - HTTP's success


def read_bytes(file: Path) -> bytes:
    """The content of a file, or of the standard input where it is `-`. Raises HooklineError."""
    try:
        return sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()
    except OSError as error:
        raise HooklineError(f"{file} can't be read: {error.strerror}") from error


def _secret(secret: str | None, file: Path | None) -> str | None:
    if file is None:
        return secret or os.environ.get(SECRET_VARIABLE) or None
    if secret is not None:
        raise HooklineError("Give --secret or --secret-file, not both")
    try:
        text = read_bytes(file).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise HooklineError(f"{file} can't be read: it is not UTF-8") from error
    if not text:
        raise HooklineError(f"{file} is empty, so it holds no secret")
    return text


def _show(reply: Reply) -> None:
    shown = {
        "status": reply.status,
        "outcome": reply.content.get("outcome"),
        "message": reply.content.get("message"),
        "delivery": reply.content.get("deliveryId"),
        "execution": reply.content.get("pipelineExecutionId"),
    }
    for name, value in shown.items():
        if value is not None:
            typer.echo(f"{name:<10} {printable(str(value))}")
