"""What a buildspec says, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Shell(StrEnum):
    """The shell that runs the commands."""

    SH = "sh"
    BASH = "bash"


class FailureAction(StrEnum):
    """What follows a failed phase whose `on-failure` says so."""

    ABORT = "ABORT"
    CONTINUE = "CONTINUE"
    RETRY = "RETRY"


@dataclass(frozen=True, slots=True)
class OnFailure:
    """`on-failure` of a phase; `count` and the compiled `pattern` (of RE2) are for RETRY."""

    action: FailureAction
    count: int = 3
    pattern: Any = None

    def wants_retry(self, message: str, earlier: int) -> bool:
        """Whether the build begins again after `message`, having done so `earlier` times."""
        if self.action is not FailureAction.RETRY or earlier >= self.count:
            return False
        return self.pattern is None or self.pattern.search(message) is not None


@dataclass(frozen=True, slots=True)
class PhaseSpec:
    """What runs in one phase."""

    commands: tuple[str, ...] = ()
    finally_commands: tuple[str, ...] = ()
    on_failure: OnFailure | None = None
    run_as: str | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """`env`: variables by name. `secrets` are those of Parameter Store and Secrets Manager."""

    shell: Shell = Shell.SH
    variables: Mapping[str, str] = field(default_factory=dict)
    parameter_store: Mapping[str, str] = field(default_factory=dict)
    secrets_manager: Mapping[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files by patterns, relative to the folders that `base_directory` matches."""

    files: tuple[str, ...]
    base_directory: str = "."
    exclude_paths: tuple[str, ...] = ()
    discard_paths: bool = False
    enable_symlinks: bool = False


@dataclass(frozen=True, slots=True)
class ArtifactSpec:
    """An artifact; the primary one has no identifier."""

    identifier: str | None
    file_set: FileSet
    name: str | None = None
    s3_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """A report group and the format of its files, such as `JUNITXML`."""

    group: str
    file_set: FileSet
    file_format: str = "JUNITXML"


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """`cache`; `action` is `restore`, `save`, or None for both."""

    paths: tuple[str, ...] = ()
    key: str | None = None
    fallback_keys: tuple[str, ...] = ()
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Buildspec:
    """A buildspec. `phases` has only those that it names, by their names there (`pre_build`).

    `warnings` say, with their lines, what is written there and does nothing.
    """

    version: str
    phases: Mapping[str, PhaseSpec]
    environment: Environment = field(default_factory=Environment)
    runtime_versions: Mapping[str, str] = field(default_factory=dict)
    run_as: str | None = None
    reports: tuple[ReportSpec, ...] = ()
    artifacts: tuple[ArtifactSpec, ...] = ()
    cache: CacheSpec | None = None
    warnings: tuple[str, ...] = ()

    @property
    def shares_shell(self) -> bool:
        """Whether all commands run in one shell; in version 0.1 each has its own."""
        return self.version != "0.1"
