"""What an event tells of git: pushes and pull requests, whoever sent it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from hookline.model import PullRequestEvent
from hookline.receiver.texts import shortened

# What GitHub lists at most; a list of that length may have been cut.
_COMMITS_LISTED = 2_048
_FILES_LISTED = 3_000
_MOST_FILES = 10_000
# Bitbucket's own limit is far lower.
_MOST_CHANGES = 1_000
_FILE_LISTS = ("added", "modified", "removed")
_REFS = {"refs/heads/": False, "refs/tags/": True}

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChangedFiles:
    """The files that a push names as changed; `gap` says why there may be others."""

    names: Sequence[str]
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """A branch or a tag that was pushed.

    `origin` is what `revision.pushed_revision` reads; `commits` and `total` are the payload's own
    list of commits and their number, as far as it has them.
    """

    name: str
    is_tag: bool
    deleted: bool
    origin: Json
    commits: Any = None
    total: Any = None

    @property
    def refs(self) -> tuple[str, ...]:
        """Where the repository has the commit."""
        return (f"refs/{'tags' if self.is_tag else 'heads'}/{self.name}",)

    def __str__(self) -> str:
        verb = "delete" if self.deleted else "push"
        return f"{verb} of {'tag' if self.is_tag else 'branch'} {shortened(self.name)}"

    def changed_files(self, characters: int) -> ChangedFiles:
        """The union of the files of all its commits, names of so many characters at most."""
        if not isinstance(self.commits, list):
            return ChangedFiles((), "the sender's pushes list no files")
        names: dict[str, None] = {}
        gap = _cut(self.commits, self.total)
        for commit in self.commits:
            gap = _collect(commit, names) or gap
            if len(names) > _MOST_FILES:
                break
        looked_at = tuple(_first(names, characters))
        if len(looked_at) < len(names):
            gap = f"only the first {len(looked_at):,} are looked at"
        return ChangedFiles(looked_at, gap)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request that was opened, updated or closed; `branch` is the one it is to go into.

    `origin` is what `revision.pushed_revision` reads: the newest commit of its own branch, which
    the repository has under `refs`.
    """

    event: PullRequestEvent
    branch: str
    from_fork: bool
    origin: Json
    refs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"pull request into {shortened(self.branch)}, {self.event.value}"

    def changed_files(self, _: int) -> ChangedFiles:
        """Nothing: no sender lists them."""
        return ChangedFiles((), "the payload of a pull request lists no files")


def git_events(event: Any, event_key: str) -> Sequence[Push | PullRequest]:
    """What happened to git by an event of GitHub, Gitea, GitLab or Bitbucket; nothing, if none.

    `event_key` is the header X-Event-Key, by which alone Bitbucket tells what became of a pull
    request. Only Bitbucket's pushes can be several in one event.
    """
    if not isinstance(event, Mapping):
        return ()
    for read in _READERS:
        if found := tuple(read(event, event_key)):
            return found
    return ()


def _pushes(event: Json, _: str) -> Iterator[Push]:
    ref, after = event.get("ref"), event.get("after")
    if not isinstance(ref, str) or not isinstance(after, str):
        return
    for prefix, is_tag in _REFS.items():
        if ref.startswith(prefix):
            yield Push(
                name=ref.removeprefix(prefix),
                is_tag=is_tag,
                deleted=event.get("deleted") is True or not after.strip("0"),
                origin=event,
                commits=event.get("commits"),
                # GitLab's name for it, and Gitea's.
                total=event.get("total_commits_count", event.get("total_commits")),
            )


def _bitbucket_pushes(event: Json, _: str) -> Iterator[Push]:
    changes = _at(event, "push", "changes")
    for change in changes[:_MOST_CHANGES] if isinstance(changes, list) else ():
        new = _at(change, "new")
        tip = new if isinstance(new, Mapping) else _at(change, "old")
        name = _at(tip, "name")
        if isinstance(name, str):
            yield Push(
                name=name,
                is_tag=_at(tip, "type") in {"tag", "annotated_tag"},
                deleted=tip is not new,
                origin={"push": {"changes": [change]}},
            )


_GITHUB_ACTIONS = {
    "opened": PullRequestEvent.OPEN,
    "reopened": PullRequestEvent.OPEN,
    "synchronize": PullRequestEvent.UPDATED,
    # Gitea's word for it.
    "synchronized": PullRequestEvent.UPDATED,
    "closed": PullRequestEvent.CLOSED,
}


def _github_pull_requests(event: Json, _: str) -> Iterator[PullRequest]:
    request = event.get("pull_request")
    head, base = _at(request, "head"), _at(request, "base")
    yield from _pull_request(
        _known(_GITHUB_ACTIONS, event.get("action")),
        _at(base, "ref"),
        (_at(head, "repo", "full_name"), _at(base, "repo", "full_name")),
        (_at(head, "sha"), _at(request, "title"), _at(request, "html_url")),
        _numbered("refs/pull/{}/head", _at(request, "number")),
    )


_GITLAB_ACTIONS = {
    "open": PullRequestEvent.OPEN,
    "reopen": PullRequestEvent.OPEN,
    "update": PullRequestEvent.UPDATED,
    "merge": PullRequestEvent.CLOSED,
    "close": PullRequestEvent.CLOSED,
}


def _gitlab_merge_requests(event: Json, _: str) -> Iterator[PullRequest]:
    if event.get("object_kind") != "merge_request":
        return
    request = event.get("object_attributes")
    action, commit = _at(request, "action"), _at(request, "last_commit")
    # Without oldrev only its title, labels and the like were changed.
    if action == "update" and not _at(request, "oldrev"):
        return
    yield from _pull_request(
        _known(_GITLAB_ACTIONS, action),
        _at(request, "target_branch"),
        (_at(request, "source_project_id"), _at(request, "target_project_id")),
        (_at(commit, "id"), _at(commit, "message"), _at(commit, "url")),
        _numbered("refs/merge-requests/{}/head", _at(request, "iid")),
    )


_BITBUCKET_KEYS = {
    "pullrequest:created": PullRequestEvent.OPEN,
    "pullrequest:updated": PullRequestEvent.UPDATED,
    "pullrequest:fulfilled": PullRequestEvent.CLOSED,
    "pullrequest:rejected": PullRequestEvent.CLOSED,
}


def _bitbucket_pull_requests(event: Json, event_key: str) -> Iterator[PullRequest]:
    request = event.get("pullrequest")
    source, destination = _at(request, "source"), _at(request, "destination")
    yield from _pull_request(
        _known(_BITBUCKET_KEYS, event_key),
        _at(destination, "branch", "name"),
        (_at(source, "repository", "full_name"), _at(destination, "repository", "full_name")),
        (
            _at(source, "commit", "hash"),
            _at(request, "title"),
            _at(request, "links", "html", "href"),
        ),
    )


_READERS: tuple[Callable[[Json, str], Iterable[Push | PullRequest]], ...] = (
    _pushes,
    _github_pull_requests,
    _gitlab_merge_requests,
    _bitbucket_pushes,
    _bitbucket_pull_requests,
)


def _pull_request(
    happened: PullRequestEvent | None,
    branch: Any,
    repositories: tuple[Any, Any],
    commit: tuple[Any, Any, Any],
    refs: tuple[str, ...] = (),
) -> Iterator[PullRequest]:
    if happened is None or not isinstance(branch, str):
        return
    source, target = repositories
    commit_id, message, url = commit
    yield PullRequest(
        event=happened,
        branch=branch,
        # A repository that is gone, or not named, is not known to be one's own.
        from_fork=source is None or source != target,
        origin={
            "ref": branch,
            "after": commit_id,
            "head_commit": {"id": commit_id, "message": message, "url": url},
        },
        refs=refs,
    )


def _numbered(ref: str, number: Any) -> tuple[str, ...]:
    return (ref.format(number),) if type(number) is int else ()


def _known(actions: Mapping[str, PullRequestEvent], action: Any) -> PullRequestEvent | None:
    return actions.get(action) if isinstance(action, str) else None


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _cut(commits: Sequence[Any], total: Any) -> str | None:
    if isinstance(total, int) and total > len(commits):
        return f"the payload lists {len(commits)} of {total} commits"
    if len(commits) >= _COMMITS_LISTED:
        return f"the payload lists {_COMMITS_LISTED:,} commits, and there may be more"
    return None


def _first(names: Iterable[str], characters: int) -> Iterator[str]:
    for name in islice(names, _MOST_FILES):
        characters -= len(name)
        if characters < 0:
            return
        yield name


def _collect(commit: Any, names: dict[str, None]) -> str | None:
    """Add the files of a commit; why some may be missing."""
    found = (_at(commit, name) for name in _FILE_LISTS)
    lists = [listed for listed in found if isinstance(listed, list)]
    files = list(chain.from_iterable(lists))
    names.update(dict.fromkeys(name for name in files if isinstance(name, str)))
    if not lists:
        return "a commit of the payload lists no files"
    if len(files) >= _FILES_LISTED:
        return f"a commit of the payload lists {_FILES_LISTED:,} files, and there may be more"
    return None
