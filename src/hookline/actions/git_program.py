"""The git program, for one repository: bounded, and with nothing of the server's settings."""

import base64
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hookline.actions.log import ActionLog, Mask
from hookline.actions.processes import Child, Limits, run
from hookline.actions.provider import ActionContext
from hookline.errors import ActionError
from hookline.sealing import is_mask

CONFIGURATION = "ConfigurationError"
UNAVAILABLE = "RevisionUnavailable"

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_BAD_IN_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(?:/|$)|\.$|(?:^|/)\.")
_LONGEST_MESSAGE = 1000
_LONGEST_OUTPUT = 100_000
_NETWORK = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


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
                raise ActionError(f'"{part}" is not an owner or repository', CONFIGURATION)
        if not is_branch(self.branch):
            raise ActionError(f'"{self.branch}" is not the name of a branch', CONFIGURATION)
        if not self.token.isprintable():
            raise ActionError("The OAuth token has characters that none has", CONFIGURATION)

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


@dataclass(frozen=True)
class Git:
    """The git program, for one repository in one folder, with nothing of the server's settings.

    Commits are kept in the bare repository `store`. The program's keeper holds the `locks`.
    """

    context: ActionContext
    repository: Repository
    folder: Path
    store: Path
    log: ActionLog
    mask: Mask
    limits: Limits
    locks: tuple[int, ...] = ()

    @property
    def url(self) -> str:
        """The remote repository's address."""
        base = self.context.settings.github_url.rstrip("/")
        return f"{base}/{self.repository.owner}/{self.repository.name}"

    @property
    def scheme(self) -> str:
        """The only protocol that git may use."""
        return urlsplit(self.context.settings.github_url).scheme

    @property
    def tree(self) -> Path:
        """The work tree; git runs in it."""
        return self.folder / "tree"

    def upload_pack(self) -> tuple[str, ...]:
        """The operator chose the folder of a `file:` URL, whoever owns the repositories in it."""
        if self.scheme != "file":
            return ()
        settings = "-c safe.directory=* -c uploadpack.allowFilter=true"
        return (f"--upload-pack=git {settings} upload-pack",)

    def make(self, object_format: str) -> None:
        """Make the repository that keeps commits."""
        self.run("init", "--bare", "--quiet", "--template=", f"--object-format={object_format}")

    def fetch(self, refspec: str, *options: str, shown: bool = True) -> str:
        """Fetch what a refspec names; what git wrote."""
        common = ("--no-progress", "--no-tags", *self.upload_pack(), "--", self.url, refspec)
        return self.run("fetch", *options, *common, shown=shown)

    def put_files(self, commit: str) -> None:
        """Put the files of a commit into the work tree, which is empty."""
        self.run("read-tree", "-u", "--reset", commit, GIT_WORK_TREE=str(self.tree))

    def run(self, *arguments: str, shown: bool = True, **environment: str) -> str:
        """Run git and return what it wrote; if `shown`, that goes to the log as well."""
        written = bytearray()

        def show(data: bytes) -> None:
            self.log.write(data)
            written.extend(data)
            del written[:-_LONGEST_OUTPUT]

        def keep(data: bytes) -> None:
            written.extend(data)
            del written[_LONGEST_OUTPUT:]

        status = self._status(arguments, show if shown else keep, **environment)
        text = written.decode(errors="replace")
        if status:
            raise ActionError(self._failure(arguments[0], status, text), UNAVAILABLE)
        return text

    def agrees(self, *arguments: str) -> bool:
        """Whether git ends with success, without asking the remote repository."""
        return self._status(arguments, lambda _: None, GIT_ALLOW_PROTOCOL="none") == 0

    def _status(
        self, arguments: Sequence[str], output: Callable[[bytes], object], **environment: str
    ) -> int:
        given = self._environment() | environment
        child = Child(("git", *arguments), self.tree, given, self.context, locks=self.locks)
        return run(child, self.limits, output)

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
            "GIT_DIR": str(self.store),
            "GIT_INDEX_FILE": str(self.folder / "index"),
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
            "maintenance.auto": "false",
        }
        if self.repository.credentials and self.scheme in {"http", "https"}:
            header = f"Authorization: Basic {self.repository.credentials}"
            settings[f"http.{self.url}.extraHeader"] = header
        return settings


def _numbered(settings: dict[str, str]) -> dict[str, str]:
    """The settings as git reads them from the environment."""
    numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        numbered[f"GIT_CONFIG_KEY_{number}"] = key
        numbered[f"GIT_CONFIG_VALUE_{number}"] = value
    return numbered
