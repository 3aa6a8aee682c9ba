"""The source revision that a push brings with it (contract T11)."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from hookline.model import COMMIT_ID, SourceRevision

_SUMMARY_LIMIT = 2_048
_URL_LIMIT = 2_000


def pushed_revision(
    action_name: str, event: Any, refs: tuple[str, ...] = ()
) -> SourceRevision | None:
    """The commit that a push leaves its branch or tag at; None where the event is no such push.

    The source action may fetch it from `refs` beside its own branch.

    Knows the pushes of GitHub, Gitea and GitLab (`ref`, `after`) and of Bitbucket
    (`push.changes`). A deleted branch has no commit.
    """
    if not isinstance(event, Mapping):
        return None
    commit_id, commit = _github(event) or _bitbucket(event) or (None, {})
    if not _is_commit(commit_id):
        return None
    message, url = commit.get("message"), commit.get("url")
    return SourceRevision(
        action_name=action_name,
        revision_id=commit_id,
        summary=message[:_SUMMARY_LIMIT] if isinstance(message, str) else None,
        url=url if _is_link(url) else None,
        reachable_from=refs,
    )


def _is_commit(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(COMMIT_ID.fullmatch(value) and value.strip("0"))


def _github(event: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]] | None:
    if not isinstance(event.get("ref"), str) or "after" not in event:
        return None
    head, commits = event.get("head_commit"), event.get("commits")
    if not isinstance(head, Mapping) and isinstance(commits, list):
        head = _commit_of(commits, event["after"])
    if not isinstance(head, Mapping):
        return event["after"], {}
    # Of an annotated tag, `after` is the tag object and not the commit.
    return head.get("id", event["after"]), head


def _commit_of(commits: Sequence[Any], commit_id: Any) -> Mapping[str, Any] | None:
    found = (item for item in commits if isinstance(item, Mapping) and item.get("id") == commit_id)
    return next(found, None)


def _bitbucket(event: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]] | None:
    try:
        target = event["push"]["changes"][0]["new"]["target"]
        return target["hash"], target
    except (KeyError, IndexError, TypeError):
        return None


def _is_link(url: Any) -> bool:
    return (
        isinstance(url, str)
        and url.startswith(("https://", "http://"))
        and len(url) <= _URL_LIMIT
        and url.isprintable()
    )
