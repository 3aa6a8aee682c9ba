"""Source actions whose provider is git: GitHub, and connections to GitHub."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hookline.actions.folders import fresh, remove
from hookline.actions.git_program import CONFIGURATION, UNAVAILABLE, Git, Repository, is_branch
from hookline.actions.log import ActionLog, Mask
from hookline.actions.mirrors import Mirror, MirrorDamagedError
from hookline.actions.outputs import store_outputs
from hookline.actions.pages import commit_page
from hookline.actions.processes import Limits, await_end_of_earlier
from hookline.actions.provider import ActionContext, ActionResult
from hookline.actions.reachability import is_reachable
from hookline.errors import ActionError
from hookline.model import COMMIT_ID, SourceRevision

_LONGEST_SUMMARY = 2048
_SHA256 = 64
_FORMAT = "--format=%H%x00%ad%x00%cd%x00%B"
_DATES = "--date=format-local:%Y-%m-%dT%H:%M:%SZ"
_COMMON_VARIABLES = frozenset({"AuthorDate", "BranchName", "CommitId", "CommitMessage"})
_GITHUB_VARIABLES = _COMMON_VARIABLES | {"CommitUrl", "CommitterDate", "RepositoryName"}
_CONNECTION_VARIABLES = _COMMON_VARIABLES | {"FullRepositoryName"}


def of_github(context: ActionContext) -> Repository:
    """The repository of the action type Source · ThirdParty · GitHub · 1."""
    return Repository(
        owner=_configured(context, "Owner"),
        name=_configured(context, "Repo"),
        branch=_configured(context, "Branch"),
        token=context.action.configuration.get("OAuthToken", ""),
    )


def of_connection(context: ActionContext) -> Repository:
    """The repository of the action type Source · AWS · CodeStarSourceConnection · 1."""
    full_name = _configured(context, "FullRepositoryId")
    owner, slash, name = full_name.partition("/")
    if not slash:
        raise ActionError(f'FullRepositoryId "{full_name}" is not owner/repository', CONFIGURATION)
    return Repository(owner, name, _configured(context, "BranchName"))


def _configured(context: ActionContext, key: str) -> str:
    try:
        return context.action.configuration[key]
    except KeyError:
        raise ActionError(f"The action's configuration has no {key}", CONFIGURATION) from None


class GitHubSource:
    """Fetches a commit from GitHub with the OAuth token of the action."""

    def run(self, context: ActionContext) -> ActionResult:
        """See Provider."""
        return _with_variables(fetch(context, of_github(context)), _GITHUB_VARIABLES)


class ConnectionSource:
    """Fetches a commit of the repository that a connection names."""

    def run(self, context: ActionContext) -> ActionResult:
        """See Provider."""
        arn = _configured(context, "ConnectionArn")
        result = fetch(context, of_connection(context))
        return _with_variables(result, _CONNECTION_VARIABLES, ConnectionArn=arn)


def _with_variables(result: ActionResult, names: frozenset[str], **more: str) -> ActionResult:
    """The result with those of its variables that AWS documents for the action type."""
    known = {name: value for name, value in result.variables.items() if name in names}
    return replace(result, variables={**known, **more})


def fetch(context: ActionContext, repository: Repository) -> ActionResult:
    """Make the output artifact from one commit: the one that started the execution, or the head.

    A commit that an event names must be reachable from the branch, or from the tag or pull request
    of the trigger; otherwise, as after a forced push, the branch's head is taken (contract X3).

    Raises:
        ActionError: no such repository, branch or commit; git's own message is in it.
        Interrupted: `context.stop` was set.
    """
    limits = Limits.of(context.time_limit, context.stop)
    await_end_of_earlier(context, limits)
    folder = fresh(context.folder / "git")
    mask = Mask((*context.secrets, *repository.secrets))
    try:
        with ActionLog(context.log, mask, context.settings.max_log) as log:
            git = Git(context, repository, folder, folder / "repository", log, mask, limits)
            return _result(git, _taken(git))
    finally:
        remove(folder)


@dataclass(frozen=True)
class _Commit:
    id: str
    authored: str
    committed: str
    message: str


def _taken(git: Git) -> _Commit:
    """The commit to take, its files in the work tree."""
    mirrors = git.context.mirrors
    if mirrors is None:
        return _checked_out(_Commits(git))
    # What one token has opened is never given to another.
    what = (git.url, git.repository.credentials, _object_format(git.context.source_revision))
    with mirrors.using(what, git.limits.check) as mirror:
        for _ in range(2):
            try:
                return _checked_out(_Commits(git, mirror))
            except MirrorDamagedError as error:
                git.log.line(f"The mirror of {git.url} on this node is damaged: {error.message}")
                git.log.line("Fetching all of it anew")
    # Others go on reading the damaged one.
    return _checked_out(_Commits(git))


def _checked_out(commits: "_Commits") -> _Commit:
    git = commits.git
    fresh(git.tree)
    commit = commits.check_out(_chosen(commits))
    git.log.line(f"Fetched commit {commit.id}")
    return commit


def _chosen(commits: "_Commits") -> str:
    """The id of the fetched commit that the action takes: the revision's, or the branch's head."""
    git = commits.git
    revision, branch = git.context.source_revision, git.repository.ref
    if revision is None:
        return commits.fetch(branch)
    commit = revision.revision_id
    if not COMMIT_ID.fullmatch(commit):
        raise ActionError(f'The revision "{commit}" is not a commit id', UNAVAILABLE)
    if revision.reachable_from is None:
        return commits.fetch(commit)
    refs = [branch, *(ref for ref in revision.reachable_from if _is_ref(ref) and ref != branch)]
    if is_reachable(_History(commits), commit, refs):
        return commits.fetch(commit)
    git.log.line(f"Commit {commit} is not in the history of {' or '.join(refs)}")
    return commits.fetch(branch)


def _is_ref(ref: str) -> bool:
    return ref.startswith("refs/") and is_branch(ref)


def _object_format(revision: SourceRevision | None) -> str:
    """The format of a repository, as far as the length of a commit's id tells it."""
    return "sha256" if revision is not None and len(revision.revision_id) == _SHA256 else "sha1"


class _Commits:
    """Commits of the remote repository, each without what is before it.

    They are kept in the mirror, or else in a repository of the action's own. That the mirror has a
    commit is never enough: the remote repository is asked for each that is taken.

    Raises:
        MirrorDamagedError: the mirror is damaged, and was not made by this action.
        ActionError: git failed.
    """

    def __init__(self, git: Git, mirror: Mirror | None = None) -> None:
        self.git = git
        self._mirror = mirror
        self._fetched: dict[str, str] = {}

    def fetch(self, wanted: str) -> str:
        """Fetch a commit, or the one that a ref is at; its id."""
        if wanted not in self._fetched:
            self.git.log.line(f"Fetching {wanted} of {self.git.url}")
            mirror = self._mirror
            commit = self._alone(wanted) if mirror is None else self._mirrored(wanted, mirror)
            self._fetched |= {wanted: commit, commit: commit}
        return self._fetched[wanted]

    def check_out(self, commit: str) -> _Commit:
        """Put the files of a fetched commit into the work tree."""
        git = self._git()
        try:
            git.put_files(commit)
            text = git.run("log", "-1", _FORMAT, _DATES, commit, shown=False)
        except ActionError as error:
            if self._mirror is None or self._mirror.is_new:
                raise
            self._mirror.distrust()
            raise MirrorDamagedError(error.message) from error
        return _Commit(*text.rstrip("\n").split("\0", 3))

    def _mirrored(self, wanted: str, mirror: Mirror) -> str:
        with mirror.fetching():
            try:
                return self._alone(wanted)
            except ActionError as error:
                if mirror.is_new:
                    raise
                if not self._git().agrees("fsck", "--connectivity-only", "--no-dangling"):
                    raise MirrorDamagedError(error.message) from error
                refused = error
        raise refused

    def _alone(self, wanted: str) -> str:
        git = self._git()
        if not git.store.exists():
            git.make(_object_format(git.context.source_revision))
        # Some ref must keep it, for git to tell the remote repository that it is here.
        place = hashlib.sha256(git.repository.branch.encode()).hexdigest()[:2]
        git.fetch(f"+{wanted}:refs/kept/{place}", "--depth=1", "--quiet")
        return (git.store / "FETCH_HEAD").read_text().split(maxsplit=1)[0]

    def _git(self) -> Git:
        if self._mirror is None:
            return self.git
        return replace(self.git, store=self._mirror.repository, locks=self._mirror.locks)


def _result(git: Git, commit: _Commit) -> ActionResult:
    context, repository = git.context, git.repository
    artifacts = store_outputs(context, git.tree, git.log, git.limits)
    message = commit.message.strip()
    summary = message[:_LONGEST_SUMMARY]
    page = commit_page(git.url, commit.id)
    return ActionResult(
        summary=summary or commit.id,
        external_execution_id=commit.id,
        external_execution_url=page,
        artifacts=artifacts,
        revision=SourceRevision(context.action.name, commit.id, summary, page),
        variables={
            "AuthorDate": commit.authored,
            "BranchName": repository.branch,
            "CommitId": commit.id,
            "CommitMessage": message,
            "CommitUrl": page or "",
            "CommitterDate": commit.committed,
            "FullRepositoryName": f"{repository.owner}/{repository.name}",
            "RepositoryName": repository.name,
        },
    )


class _History:
    """What a repository's commits tell, in a local repository of its own: it never gets files.

    See reachability.Remote.
    """

    def __init__(self, commits: _Commits) -> None:
        self._commits = commits
        self._git = replace(commits.git, store=commits.git.folder / "history")

    def heads(self, refs: Sequence[str]) -> dict[str, str]:
        git = self._git
        if list(refs) == [git.repository.ref]:
            # Mostly it is at the commit, which is then fetched at once.
            return {git.repository.ref: self._commits.fetch(git.repository.ref)}
        # Of an annotated tag, the line with ^{} has the commit.
        peeled = [f"{ref}^{{}}" for ref in refs]
        options = ("--quiet", *git.upload_pack())
        text = git.run("ls-remote", *options, "--", git.url, *refs, *peeled, shown=False)
        lines = (line.partition("\t") for line in text.splitlines())
        found = {ref: commit for commit, _, ref in lines}
        return {ref: found.get(f"{ref}^{{}}", found[ref]) for ref in refs if ref in found}

    def deepen(self, ref: str, depth: int) -> str:
        if not self._git.store.exists():
            self._git.make(_object_format(self._git.context.source_revision))
        return self._git.fetch(
            f"+{ref}:{_local(ref)}", "--filter=tree:0", f"--depth={depth}", shown=False
        )

    def knows(self, commit: str, ref: str) -> bool:
        return self._git.agrees("merge-base", "--is-ancestor", commit, _local(ref))


def _local(ref: str) -> str:
    return f"refs/remote/{ref}"
