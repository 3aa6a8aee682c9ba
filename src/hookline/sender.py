"""Sends events as GitHub sends them: signed, over HTTP."""

import hmac
import http.client
import json
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

from hookline.errors import HooklineError

_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Reply:
    """The receiver's answer to a delivery."""

    status: int
    content: dict[str, Any]


def send(url: str, body: bytes, *, event: str, secret: str | None) -> Reply:
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


def _exchange(request: urllib.request.Request) -> Reply:
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - checked
            return Reply(response.status, json.load(response))
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, _content(error.read()))


def _content(body: bytes) -> dict[str, Any]:
    content = json.loads(body)
    return content if isinstance(content, dict) else {"message": content}


def _hmac(secret: str, body: bytes, digest: str) -> str:
    return hmac.digest(secret.encode(), body, digest).hex()
