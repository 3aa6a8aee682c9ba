"""`hookline send`: an event as GitHub would send it."""

import hmac
import http.client
import json
import os
import sys
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hookline.errors import HooklineError
from hookline.terminal import printable

SECRET_VARIABLE = "HOOKLINE_SEND_SECRET"  # noqa: S105 - the variable's name
_TIMEOUT_S = 30


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
    reply = _post(url, read_bytes(payload), event=event, secret=token)
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


@dataclass(frozen=True, slots=True)
class _Reply:
    """The receiver's answer to a delivery."""

    status: int
    content: dict[str, Any]


def _post(url: str, body: bytes, *, event: str, secret: str | None) -> _Reply:
    """POST `body` as GitHub's `event`, signed with `secret` where there is one.

    Raises HooklineError when the address does not answer as a trigger URL does.
    Source of the headers: "Webhook events and payloads", GitHub documentation.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/hookline",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": str(uuid.uuid4()),
    }
    if secret is not None:
        headers["X-Hub-Signature"] = f"sha1={_hmac(secret, body, 'sha1')}"
        headers["X-Hub-Signature-256"] = f"sha256={_hmac(secret, body, 'sha256')}"
    if not url.startswith(("http://", "https://")):
        raise HooklineError(f"{url} is not an http:// or https:// address")
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - checked above
    try:
        return _exchange(request)
    except (OSError, http.client.HTTPException) as error:
        raise HooklineError(f"The address does not answer: {error}") from error
    except ValueError as error:
        raise HooklineError("The address answered, but not as a trigger URL does") from error


def _exchange(request: urllib.request.Request) -> _Reply:
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - checked
            return _Reply(response.status, json.load(response))
    except urllib.error.HTTPError as error:
        with error:
            return _Reply(error.code, _content(error.read()))


def _content(body: bytes) -> dict[str, Any]:
    content = json.loads(body)
    return content if isinstance(content, dict) else {"message": content}


def _hmac(secret: str, body: bytes, digest: str) -> str:
    return hmac.digest(secret.encode(), body, digest).hex()


def _show(reply: _Reply) -> None:
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
