"""GitHub's hooks of webhooks: what they should be, and the calls that make or remove them.

PyGithub is slow to import, so the first call does it: most processes never make one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from hookline.errors import GitHubError
from hookline.model import Filter, Registration, Webhook

if TYPE_CHECKING:
    from hookline.github.hooks import Access

RETRY_S = 8.0
"""How long a call that GitHub can't answer now is tried again."""

_PULL_REQUEST_ACTIONS = frozenset({"opened", "closed", "reopened", "synchronize"})
_RELEASE_ACTIONS = frozenset({"published", "unpublished", "released", "prereleased"})
_FIRST_MEMBER = re.compile(r"""\$(?:\.|\[\s*['"])(\w+)""")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WantedHook:
    """What GitHub should have for a webhook; two are equal when GitHub would not see a change."""

    webhook: Webhook = field(compare=False)
    webhook_id: int
    repository: str
    token: str = field(repr=False)
    url: str = field(repr=False)
    secret: str = field(repr=False)
    filters: tuple[Filter, ...]


class HookClient:
    """Makes, updates and removes hooks through GitHub's API at the address of the settings.

    A `deadline` is on the monotonic clock.
    """

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url

    def upsert(self, wanted: WantedHook, deadline: float) -> int:
        """Make GitHub's hook what is wanted; its id. Raises GitHubError."""
        from hookline.github.hooks import Hook, upsert_hook  # noqa: PLC0415 - slow

        webhook = wanted.webhook
        access = self._access(
            wanted.repository, wanted.token, deadline, hidden=(wanted.secret, webhook.token)
        )
        hook = Hook(wanted.url, wanted.secret, events_of(wanted.filters))
        known = webhook.github_hook_id if webhook.is_registered_in(wanted.repository) else None
        return upsert_hook(access, hook, known)

    def remove(
        self,
        registration: Registration,
        token: str,
        deadline: float,
        *,
        hidden: tuple[str, ...] = (),
        retry_for: float = RETRY_S,
    ) -> None:
        """Remove a hook; its absence is success. `hidden` is what no message may show.

        Raises GitHubError.
        """
        from hookline.github.hooks import remove_hook  # noqa: PLC0415 - slow

        access = self._access(
            registration.repository, token, deadline, hidden=hidden, retry_for=retry_for
        )
        remove_hook(access, registration.hook_id)

    def try_to_remove(
        self,
        registration: Registration,
        tokens: tuple[str | None, ...],
        deadline: float,
        *,
        retry_for: float = RETRY_S,
    ) -> GitHubError | None:
        """Remove a hook with the first token that can; what the last one met, which is logged."""
        failure = GitHubError("its target has no OAuthToken any more")
        for token in dict.fromkeys(filter(None, tokens)):
            try:
                self.remove(registration, token, deadline, retry_for=retry_for)
            except GitHubError as error:
                failure = error
            else:
                return None
        _log.warning(
            "a hook was left at GitHub",
            webhook=registration.arn,
            repository=registration.repository,
            hook=registration.hook_id,
            why=failure.message,
        )
        return failure

    def _access(
        self,
        repository: str,
        token: str,
        deadline: float,
        *,
        hidden: tuple[str, ...],
        retry_for: float = RETRY_S,
    ) -> "Access":
        from hookline.github.hooks import Access  # noqa: PLC0415 - slow

        return Access(self._api_url, repository, token, deadline, hidden, retry_for)


def events_of(filters: Iterable[Filter]) -> tuple[str, ...]:
    """The events that a webhook with these filters waits for (contract R1), sorted.

    A filter on `$.pull_request…` or `$.release…` names its event. One on `$.action` alone names
    the event that has such an action (`published`: release, `opened`: pull_request), or both when
    both do or it wants no certain one. Without any of these it is `push`.
    """
    wanted = {
        found[1]: rule.match_equals
        for rule in filters
        if (found := _FIRST_MEMBER.match(rule.json_path))
    }
    named = wanted.keys() & {"pull_request", "release"}
    if named:
        return tuple(sorted(named))
    if "action" not in wanted:
        return ("push",)
    if wanted["action"] in _RELEASE_ACTIONS:
        return ("release",)
    if wanted["action"] in _PULL_REQUEST_ACTIONS:
        return ("pull_request",)
    return ("pull_request", "release")
