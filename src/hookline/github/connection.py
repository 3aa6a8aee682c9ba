"""Connections to GitHub's API that stay at its host and have bounds, for PyGithub to use."""

import json
import time
from typing import Any
from urllib.parse import urljoin, urlsplit

from github import GithubException
from github.Requester import (
    HTTPRequestsConnectionClass,
    HTTPSRequestsConnectionClass,
    Requester,
    RequestsResponse,
)
from requests import Session

from hookline.github.deadline import WatchedAdapter, is_over, seconds_left

_CONNECT_S = 3.0
READ_S = 5.0
"""How long GitHub may be silent, and take for one answer."""

MOVED = frozenset({301, 302, 307, 308})
"""The statuses that name another address to ask the same of."""

_LARGEST = 1_000_000
_REDIRECTS = 3
# What the store's column of a hook's id holds.
_IDS = range(1, 2**63)


class BoundedRequester(Requester):
    """PyGithub's requester with connections that have bounds; the original keeps its own."""


class _Answer(RequestsResponse):
    def __init__(self, response: Any, text: str) -> None:
        super().__init__(response)
        self._text = text

    def read(self) -> str:
        return self._text


class _Connection(HTTPRequestsConnectionClass):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _prepare(self.session, "http://")

    def getresponse(self) -> RequestsResponse:
        return _answer(self)


class _SecureConnection(HTTPSRequestsConnectionClass):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _prepare(self.session, "https://")

    def getresponse(self) -> RequestsResponse:
        return _answer(self)


BoundedRequester.injectConnectionClasses(_Connection, _SecureConnection)


def _prepare(session: Session, prefix: str) -> None:
    session.mount(prefix, WatchedAdapter())
    # Told not to follow a redirect, it would still read the address, and lose the connection over
    # an odd one.
    session.get_redirect_target = lambda _response: None  # type: ignore[method-assign,assignment]  # of this one alone


def _answer(connection: _Connection | _SecureConnection) -> _Answer:
    """The answer to what a connection was given to ask: from its own host, and a success that fits.

    Raises GithubException for any other.
    """
    try:
        return _followed(connection)
    except BaseException:
        # PyGithub forgets a connection whose answer it did not get.
        connection.close()
        raise


def _followed(connection: _Connection | _SecureConnection) -> _Answer:
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    address = f"{connection.protocol}://{host}:{connection.port}{connection.url}"
    for _ in range(_REDIRECTS):
        response, text = _asked(connection, address)
        # A renamed repository's old name redirects to its number.
        following = urljoin(address, response.headers.get("location", ""))
        if response.status_code not in MOVED or _origin(following) != _origin(address):
            break
        address = following
    if not _fits(connection.verb, response.status_code, text):
        headers = {name.lower(): value for name, value in response.headers.items()}
        raise GithubException(response.status_code, text, headers)
    return _Answer(response, text)


def _asked(connection: _Connection | _SecureConnection, address: str) -> tuple[Any, str]:
    with connection.session.request(
        connection.verb,
        address,
        headers=connection.headers,
        data=connection.input,
        timeout=(min(_CONNECT_S, seconds_left()), READ_S),
        verify=connection.verify,
        allow_redirects=False,
        stream=True,
    ) as response:
        text = _text(response)
        if is_over():
            raise AnswerTooSlowError
        return response, text


class AnswerTooLargeError(OSError):
    """GitHub's answer has no end."""


class AnswerTooSlowError(OSError):
    """GitHub's answer takes too long."""


def _text(response: Any) -> str:
    end = time.monotonic() + READ_S
    body = b""
    for chunk in response.iter_content(8_192):
        body += chunk
        if len(body) > _LARGEST:
            raise AnswerTooLargeError
        if time.monotonic() > end:
            raise AnswerTooSlowError
    return body.decode("utf-8", "replace")


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, parts.port or default


def _fits(verb: str, status: int, text: str) -> bool:
    """Whether an answer is a success, with content of the kind that `verb` has."""
    if not 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls a success
        return False
    if verb == "DELETE":
        return True
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if verb == "GET":
        return isinstance(content, list) and all(map(_is_hook, content))
    return _is_hook(content)


def _is_hook(content: Any) -> bool:
    return isinstance(content, dict) and type(content.get("id")) is int and content["id"] in _IDS
