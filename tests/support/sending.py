"""Sends deliveries as GitHub does, and as nobody should."""

import hmac
import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

ZEROS = "0" * 40


@dataclass(frozen=True)
class Reply:
    """An answer: its status, headers (names in small letters) and JSON content."""

    status: int
    headers: Mapping[str, str]
    content: dict[str, Any]

    @property
    def outcome(self) -> Any:
        """What became of the delivery."""
        return self.content.get("outcome")

    @property
    def execution_id(self) -> Any:
        """The execution that the event started, now or before."""
        return self.content.get("pipelineExecutionId")

    @property
    def delivery_id(self) -> str:
        """The delivery's id."""
        return str(self.content["deliveryId"])


def push_event(commit: str = "1" * 40, branch: str = "main", **more: Any) -> dict[str, Any]:
    """The part of GitHub's push event that filters and revisions read."""
    return {
        "ref": f"refs/heads/{branch}",
        "before": ZEROS,
        "after": commit,
        "head_commit": {"id": commit, "message": f"Commit {commit[:7]}"},
        **more,
    }


def signature(secret: str, body: bytes, digest: str = "sha256") -> str:
    """GitHub's signature of a body."""
    return f"{digest}={hmac.digest(secret.encode(), body, digest).hex()}"


def signed(secret: str, body: bytes, event: str = "push") -> dict[str, str]:
    """The headers that GitHub sends with a body."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": signature(secret, body),
        "X-Hub-Signature": signature(secret, body, "sha1"),
    }


def send(
    url: str,
    body: bytes | Iterable[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
) -> Reply:
    """One request; a body in parts goes out chunked."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        raw = response.read()
        names = {name.lower(): value for name, value in response.getheaders()}
        content = json.loads(raw) if raw.startswith(b"{") else {}
        return Reply(response.status, names, content)
    finally:
        connection.close()


def push(url: str, secret: str, event: Any = None, **headers: str) -> Reply:
    """Send a signed push event."""
    body = json.dumps(push_event() if event is None else event).encode()
    return send(url, body, {**signed(secret, body), **headers})
