"""Source actions whose provider is git: GitHub, and connections to GitHub."""

import base64
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from hookline.actions.folders import fresh, remove
from hookline.actions.log import ActionLog, Mask
from hookline.actions.outputs import store_outputs
from hookline.actions.pages import commit_page
from hookline.actions.processes import Child, Limits, await_end_of_earlier, run
from hookline.actions.provider import ActionContext, ActionResult
from hookline.actions.reachability import is_reachable
from hookline.errors import ActionError
from hookline.model import SourceRevision
from hookline.sealing import is_mask

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BAD_IN_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(?:/|$)|\.$|(?:^|/)\.")
_LONGEST_SUMMARY = 2048
_LONGEST_MESSAGE = 1000
_LONGEST_OUTPUT = 100_000
_SHA256 = 64
_FORMAT = "--format=%H%x00%ad%x00%cd%x00%B"
_DATES = "--date=format-local:%Y-%m-%dT%H:%M:%SZ"
_NETWORK = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")
_COMMON_VARIABLES = frozenset({"AuthorDate", "BranchName", "CommitId", "CommitMessage"})
_GITHUB_VARIABLES = _COMMON_VARIABLES | {"CommitUrl", "CommitterDate", "RepositoryName"}
_CONNECTION_VARIABLES = _COMMON_VARIABLES | {"FullRepositoryName"}
_UNAVAILABLE = "RevisionUnavailable"
_CONFIGURATION = "ConfigurationError"


@dataclass(frozen=True)
class Repository:
    """A branch of a repository, and the token that opens it."""

    owner: str
    name: str
    branch: str
    token: str = ""

    def __post_init__(self) -> None:
        for part in (self.owner, self.name):
            if not _NAME.fullmatch(part) or part in {".", ".."}:
                raise ActionError(f'"{part}" is not an owner or repository', _CONFIGURATION)
        if not is_branch(self.branch):
            raise ActionError(f'"{self.branch}" is not the name of a branch', _CONFIGURATION)
        if not self.token.isprintable():
            raise ActionError("The OAuth token has characters that none has", _CONFIGURATION)

    @property
    def ref(self) -> str:
        """The branch as git names it in full."""
        return f"refs/heads/{self.branch}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be read in logs and errors."""
        return (self.token, self.credentials) if self.credentials else ()

    @property
    def credentials(self) -> str:
        """The token in the form of HTTP's basic authentication; empty without a token."""
        if not self.token or is_mask(self.token):
            return ""
        return base64.b64encode(f"x-access-token:{self.token}".encode()).decode()


def is_branch(name: str) -> bool:
    """Whether git takes `name` for a branch (the rules of git-check-ref-format)."""
    bad_ends = name.startswith(("-", "/")) or name.endswith("/")
    return bool(name) and not bad_ends and not _BAD_IN_BRANCH.search(name)


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
        raise ActionError(f'FullRepositoryId "{full_name}" is not owner/repository', _CONFIGURATION)
    return Repository(owner, name, _configured(context, "BranchName"))


def _configured(context: ActionContext, key: str) -> str:
    try:
        return context.action.configuration[key]
    except KeyError:
        raise ActionError(f"The action's configuration has no {key}", _CONFIGURATION) from None


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
            git = _Git(context, repository, folder, log, mask, limits)
            git.tree.mkdir()
            commit = _checked_out(git, _wanted(git))
            return _result(git, commit)
    finally:
        remove(folder)


def _wanted(git: "_Git") -> str:
    """What to fetch: the commit of the revision, or the branch's full name."""
    revision, branch = git.context.source_revision, git.repository.ref
    if revision is None:
        return branch
    commit = revision.revision_id
    if not _COMMIT.fullmatch(commit):
        raise ActionError(f'The revision "{commit}" is not a commit id', _UNAVAILABLE)
    if revision.reachable_from is None:
        return commit
    refs = [branch, *(ref for ref in revision.reachable_from if _is_ref(ref) and ref != branch)]
    if is_reachable(_History(git, commit), commit, refs):
        return commit
    git.log.line(f"Commit {commit} is not in the history of {' or '.join(refs)}")
    return branch


def _is_ref(ref: str) -> bool:
    return ref.startswith("refs/") and is_branch(ref)


@dataclass(frozen=True)
class _Commit:
    id: str
    authored: str
    committed: str
    message: str


def _checked_out(git: "_Git", wanted: str) -> _Commit:
    """Fetch `wanted` and nothing before it, and put its files into the work tree."""
    git.log.line(f"Fetching {wanted} of {git.url}")
    git.make(wanted)
    git.fetch(wanted, "--depth=1", "--quiet")
    git.run("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    text = git.run("log", "-1", _FORMAT, _DATES, "FETCH_HEAD", shown=False)
    commit = _Commit(*text.rstrip("\n").split("\0", 3))
    git.log.line(f"Fetched commit {commit.id}")
    return commit


def _result(git: "_Git", commit: _Commit) -> ActionResult:
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


@dataclass(frozen=True)
class _Git:
    """The git program, for one repository in one folder, with nothing of the server's settings."""

    context: ActionContext
    repository: Repository
    folder: Path
    log: ActionLog
    mask: Mask
    limits: Limits
    name: str = "repository"

    @property
    def url(self) -> str:
        base = self.context.settings.github_url.rstrip("/")
        return f"{base}/{self.repository.owner}/{self.repository.name}"

    @property
    def scheme(self) -> str:
        return urlsplit(self.context.settings.github_url).scheme

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def upload_pack(self) -> tuple[str, ...]:
        """The operator chose the folder of a `file:` URL, whoever owns the repositories in it."""
        if self.scheme != "file":
            return ()
        settings = "-c safe.directory=* -c uploadpack.allowFilter=true"
        return (f"--upload-pack=git {settings} upload-pack",)

    def make(self, wanted: str) -> None:
        """Make the local repository, for commits whose ids are as long as `wanted`."""
        kind = "sha256" if len(wanted) == _SHA256 and _COMMIT.fullmatch(wanted) else "sha1"
        self.run("init", "--quiet", "--template=", f"--object-format={kind}")

    def fetch(self, wanted: str, *options: str, shown: bool = True) -> str:
        """Fetch a commit or a ref; what git wrote."""
        common = ("--no-progress", "--no-tags", *self.upload_pack(), "--", self.url, wanted)
        return self.run("fetch", *options, *common, shown=shown)

    def run(self, *arguments: str, shown: bool = True) -> str:
        """Run git and return what it wrote; if `shown`, that goes to the log as well."""
        written = bytearray()

        def show(data: bytes) -> None:
            self.log.write(data)
            written.extend(data)
            del written[:-_LONGEST_OUTPUT]

        def keep(data: bytes) -> None:
            written.extend(data)
            del written[_LONGEST_OUTPUT:]

        status = self._status(arguments, show if shown else keep)
        text = written.decode(errors="replace")
        if status:
            raise ActionError(self._failure(arguments[0], status, text), _UNAVAILABLE)
        return text

    def agrees(self, *arguments: str) -> bool:
        """Whether git ends with success, without asking the remote repository."""
        return self._status(arguments, lambda _: None, GIT_ALLOW_PROTOCOL="none") == 0

    def _status(
        self, arguments: Sequence[str], output: Callable[[bytes], object], **environment: str
    ) -> int:
        given = self._environment() | environment
        return run(Child(("git", *arguments), self.tree, given, self.context), self.limits, output)

    def _failure(self, verb: str, status: int, text: str) -> str:
        said = self.mask.text(text).strip()[-_LONGEST_MESSAGE:] or f"exit status {status}"
        return f"git {verb} of {self.url} failed: {said}"

    def _environment(self) -> dict[str, str]:
        network = {k: v for k, v in os.environ.items() if k.lower() in _NETWORK}
        return {
            **network,
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "TZ": "UTC0",
            "GIT_DIR": str(self.folder / self.name),
            "GIT_WORK_TREE": str(self.tree),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": self.scheme,
            **_numbered(self._settings()),
        }

    def _settings(self) -> dict[str, str]:
        """Git's settings; the token goes here since arguments and URLs can be read by others."""
        settings = {
            "core.hooksPath": os.devnull,
            "credential.helper": "",
            "fetch.recurseSubmodules": "false",
            "http.followRedirects": "false",
            "i18n.logOutputEncoding": "UTF-8",
            "gc.auto": "0",
        }
        if self.repository.credentials and self.scheme in {"http", "https"}:
            header = f"Authorization: Basic {self.repository.credentials}"
            settings[f"http.{self.url}.extraHeader"] = header
        return settings


class _History:
    """What a repository's commits tell, in a local repository of its own: it never gets files.

    See reachability.Remote.
    """

    def __init__(self, git: _Git, commit: str) -> None:
        self._git = replace(git, name="history")
        self._commit = commit
        self._made = False

    def heads(self, refs: Sequence[str]) -> dict[str, str]:
        # Of an annotated tag, the line with ^{} has the commit.
        peeled = [f"{ref}^{{}}" for ref in refs]
        options = ("--quiet", *self._git.upload_pack())
        text = self._git.run(
            "ls-remote", *options, "--", self._git.url, *refs, *peeled, shown=False
        )
        lines = (line.partition("\t") for line in text.splitlines())
        found = {ref: commit for commit, _, ref in lines}
        return {ref: found.get(f"{ref}^{{}}", found[ref]) for ref in refs if ref in found}

    def deepen(self, ref: str, depth: int) -> str:
        if not self._made:
            self._git.make(self._commit)
            self._made = True
        return self._git.fetch(
            f"+{ref}:{_local(ref)}", "--filter=tree:0", f"--depth={depth}", shown=False
        )

    def knows(self, commit: str, ref: str) -> bool:
        return self._git.agrees("merge-base", "--is-ancestor", commit, _local(ref))


def _local(ref: str) -> str:
    return f"refs/remote/{ref}"


def _numbered(settings: dict[str, str]) -> dict[str, str]:
    """The settings as git reads them from the environment."""
    numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        numbered[f"GIT_CONFIG_KEY_{number}"] = key
        numbered[f"GIT_CONFIG_VALUE_{number}"] = value
    return numbered
