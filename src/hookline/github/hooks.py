"""The hooks of a repository, made and removed through PyGithub."""

import html
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, urlsplit

from github import Auth, GithubException
from github.Repository import Repository

from hookline.errors import GitHubError
from hookline.github.connection import MOVED, READ_S, BoundedRequester
from hookline.github.deadline import Deadline

_SHOWN = 1_000
_PAGES = 10
_PAGE = 100
_PAUSES_S = (0.25, 0.5, 1.0, 2.0)
_NOT_FOUND, _INVALID, _TOO_MANY, _SERVER = 404, 422, 429, 500
# AWS's words, where an answer of AWS's with them is known: 401, 404 and 422.
_CAUSES = {
    400: "Bad request",
    401: "Invalid credentials",
    403: "Forbidden",
    _NOT_FOUND: "Not found",
    _INVALID: "Validation failed",
    _TOO_MANY: "Rate limit exceeded",
}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hook:
    """What GitHub is to send: `events`, to `url`, signed with `secret`."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """How a repository's hooks are reached.

    `api_url` is the setting's, and nothing else names a host. `repository` is `owner/name`.
    `hidden` are texts that no message may show, beside `token`. `retry_for`, in seconds, is how
    long a call that GitHub could not answer now is tried again. At `deadline`, on the monotonic
    clock, all ends, including an answer that still drips in.
    """

    api_url: str
    repository: str
    token: str = field(repr=False)
    deadline: float
    hidden: tuple[str, ...] = field(default=(), repr=False)
    retry_for: float = 0.0

    def __post_init__(self) -> None:
        names = self.repository.split("/")
        if len(names) != 2 or not all(map(_is_name, names)):  # noqa: PLR2004 - owner and name
            raise GitHubError(f"'{self.repository}' is not an owner and a repository of GitHub")
        if not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise GitHubError("OAuthToken has characters that no token has")


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and text not in {".", ".."}


def upsert_hook(access: Access, hook: Hook, hook_id: int | None) -> int:
    """Make `hook` in a repository, or bring the one with `hook_id` to it; its id.

    One that GitHub does not know any more is made anew. When GitHub says that a hook with this URL
    exists, that one is taken (contract R2). Raises GitHubError.
    """
    with _opened(access) as (repository, call):
        if hook_id is not None:
            try:
                return call(lambda: _edited(repository, hook_id, hook))
            except GitHubError as error:
                if error.status != _NOT_FOUND:
                    raise
        tries = itertools.count()

        def make() -> int:
            # A call that failed may have made one, and Gitea would make a second.
            return (_adopted(repository, hook) if next(tries) else None) or _made(repository, hook)

        try:
            return call(make)
        except GitHubError as error:
            if error.status != _INVALID or "already exists" not in error.body:
                raise
            adopted = call(lambda: _adopted(repository, hook))
            if adopted is None:
                raise
            return adopted


def remove_hook(access: Access, hook_id: int) -> None:
    """Remove a hook; its absence is success (contract R5). Raises GitHubError."""
    with _opened(access) as (repository, call):
        try:
            call(lambda: repository.get_hook(hook_id).delete())
        except GitHubError as error:
            if error.status != _NOT_FOUND:
                raise


def _made(repository: Repository, hook: Hook) -> int:
    return repository.create_hook("web", _config(hook), list(hook.events), active=True).id


def _edited(repository: Repository, hook_id: int, hook: Hook) -> int:
    repository.get_hook(hook_id).edit("web", _config(hook), list(hook.events), active=True)
    return hook_id


def _adopted(repository: Repository, hook: Hook) -> int | None:
    known = _find(repository, hook.url)
    return None if known is None else _edited(repository, known, hook)


def _config(hook: Hook) -> dict[str, str]:
    return {
        "url": hook.url,
        "content_type": "json",
        "secret": hook.secret,
        "insecure_ssl": "0",
    }


def _find(repository: Repository, url: str) -> int | None:
    for number in range(1, _PAGES + 1):
        # By number, and as plain JSON: links to more are the server's, and could name another host.
        _, page = repository.requester.requestJsonAndCheck(
            "GET",
            f"{repository.url}/hooks",
            parameters={"per_page": str(_PAGE), "page": str(number)},
        )
        if not page:
            return None
        for hook in page:
            config = hook.get("config")
            if isinstance(config, dict) and config.get("url") == url:
                return int(hook["id"])
    return None


@contextmanager
def _opened(access: Access) -> Iterator[tuple[Repository, "_Retrier"]]:
    requester = BoundedRequester(
        auth=Auth.Token(access.token),
        base_url=access.api_url,
        timeout=int(READ_S),
        user_agent="hookline",
        per_page=_PAGE,
        verify=True,
        retry=None,
        pool_size=None,
        # Nothing is fetched that was not asked for.
        lazy=True,
    )
    try:
        with Deadline(access.deadline):
            yield Repository(requester, url=f"/repos/{access.repository}"), _Retrier(access)
    finally:
        requester.close()


class _Retrier:
    """Makes calls of one undertaking: again when GitHub can't answer now, until its time is over.

    PyGithub's own retries would wait as long as a Retry-After says.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._deadline = min(time.monotonic() + access.retry_for, access.deadline)

    def __call__(self, call: Callable[[], T]) -> T:
        for pause in _PAUSES_S:
            try:
                return self._once(call)
            except _Transient as transient:
                wait = max(pause, transient.retry_after)
                if time.monotonic() + wait > self._deadline:
                    raise transient.error from None
                time.sleep(wait)
        try:
            return self._once(call)
        except _Transient as transient:
            raise transient.error from None

    def _once(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except GithubException as error:
            failure = self._failure(error)
            retry_after = _retry_after(error)
            if _is_transient(error.status, retry_after):
                raise _Transient(failure, retry_after or 0.0) from None
            # GitHub's exception holds its answer unmasked.
            raise failure from None
        except OSError as error:
            # Its text may hold the headers; its kind does not.
            host = urlsplit(self._access.api_url).netloc
            raise GitHubError(f"No answer from {host} ({type(error).__name__})") from None
        except Exception as error:  # noqa: BLE001 - a foreign library meets what a stranger sent
            kind = type(error).__name__
            raise GitHubError(f"GitHub's answer is not that of its API ({kind})") from None

    def _failure(self, error: GithubException) -> GitHubError:
        body = _masked(str(error.data), (self._access.token, *self._access.hidden))
        return GitHubError(_cause(error.status, body), error.status, body[:_SHOWN])


class _Transient(Exception):  # noqa: N818 - a state, never shown
    def __init__(self, error: GitHubError, retry_after: float) -> None:
        super().__init__()
        self.error = error
        self.retry_after = retry_after


def _is_transient(status: int, retry_after: float | None) -> bool:
    # A 403 is a rate limit that ends soon only when it says when.
    return status >= _SERVER or status == _TOO_MANY or (status == 403 and retry_after is not None)  # noqa: PLR2004


def _retry_after(error: GithubException) -> float | None:
    text = (error.headers or {}).get("retry-after", "")
    return float(text) if text.isdecimal() else None


def _cause(status: int, body: str) -> str:
    if status == 403 and "rate limit" in body.lower():  # noqa: PLR2004 - the one status of both
        return _CAUSES[_TOO_MANY]
    if status >= _SERVER:
        return "GitHub is not available"
    if status in MOVED:
        return "GitHub redirects to another address"
    return _CAUSES.get(status, "GitHub's answer is not that of its API")


def _masked(text: str, hidden: Iterable[str]) -> str:
    spellings = {
        spelling
        for secret in hidden
        if secret
        for spelling in (
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            quote(secret, safe=""),
            html.escape(secret),
        )
    }
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "****")
    # PostgreSQL keeps no NUL, and a terminal should get no escapes.
    return "".join(char if char.isprintable() else " " for char in text)
