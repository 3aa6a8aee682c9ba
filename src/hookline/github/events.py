"""Which events of GitHub's a webhook waits for."""

import re
from collections.abc import Iterable

from hookline.model import Filter

_PULL_REQUEST_ACTIONS = frozenset({"opened", "closed", "reopened", "synchronize"})
_RELEASE_ACTIONS = frozenset({"published", "unpublished", "released", "prereleased"})
_FIRST_MEMBER = re.compile(r"""\$(?:\.|\[\s*['"])(\w+)""")


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
