"""Runs a build: downloads its source, runs its buildspec, takes its artifacts and reports."""

import os
import pwd
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from hookline.actions.archives import Bounds
from hookline.actions.build_caches import HOME, SOURCE, BuildCache, Folders
from hookline.actions.build_outputs import Source, assemble
from hookline.actions.build_reports import Report, report
from hookline.actions.build_runtimes import check_runtimes
from hookline.actions.build_session import SessionContext, SessionResult, run_commands
from hookline.actions.folders import fresh
from hookline.actions.processes import Limits, Owner
from hookline.actions.sandboxes import PATH, BuildEnvironment, runner_of
from hookline.builds.buildspec import ArtifactSpec, Buildspec, Environment
from hookline.builds.phases import (
    BuildStatus,
    Course,
    Phase,
    PhaseContext,
    PhaseLog,
    PhaseType,
    commands,
)
from hookline.builds.reading import read
from hookline.errors import ActionError, BuildspecError
from hookline.runners import Place, Runner

_CLIENT_ERROR = "CLIENT_ERROR"


class Log(Protocol):
    """Where a build's output goes."""

    def line(self, text: str) -> None:
        """Write a line of ours."""
        ...

    def write(self, data: bytes) -> None:
        """Take output as it comes."""
        ...


@dataclass(frozen=True)
class Download:
    """The source of a build, and the buildspec; `location` says where that stands.

    `variables` name the folders of further sources: `CODEBUILD_SRC_DIR_<name>`.
    """

    source: Path
    buildspec: bytes
    location: str
    variables: Mapping[str, str] = field(default_factory=dict)


def refuse_secrets(environment: Environment, given: Mapping[str, str]) -> Mapping[str, str]:
    """Resolve no variable of Parameter Store or Secrets Manager: those not `given` are refused.

    Raises ActionError.
    """
    stores = {"parameter-store": environment.parameter_store}
    stores["secrets-manager"] = environment.secrets_manager
    missing = [
        f"{name} (env/{store})" for store, names in stores.items() for name in names - given.keys()
    ]
    if missing:
        raise ActionError(
            f"These variables are in AWS, which this build can't reach: {', '.join(missing)}."
            " Give them as environment variables of the build, or take them out of the buildspec",
            "ConfigurationError",
        )
    return {}


@dataclass(frozen=True)
class BuildArtifact:
    """An artifact as a folder of its files; the primary one has no identifier."""

    identifier: str | None
    name: str | None
    folder: Path


def _ignore(_: object) -> None:
    pass


@dataclass(frozen=True)
class Build:
    """A build to run.

    `download` puts the source into an empty folder, anew for each retry. `environment` is that of
    the project and of whoever starts the build: it wins over the buildspec's. `variables` are
    CodeBuild's own (`CODEBUILD_BUILD_ID`), and win over all. `folder` is private to the build.
    `path` is where programs are found, if not where the runner has them, and `wanted` what it wants
    of that.
    `resolve` gives the values of Parameter Store and Secrets Manager that `environment` has not.
    `upload` takes the artifacts, and may raise ActionError; `on_phase` is told of the phases so far
    when one begins. The paths of the buildspec's cache are kept in `cache`, if there is one.
    """

    owner: Owner
    folder: Path
    download: Callable[[Path], Download]
    environment: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None
    wanted: BuildEnvironment = field(default_factory=BuildEnvironment)
    resolve: Callable[[Environment, Mapping[str, str]], Mapping[str, str]] = refuse_secrets
    upload: Callable[[Sequence[BuildArtifact]], object] = _ignore
    on_phase: Callable[[Sequence[Phase]], object] = _ignore
    cache: BuildCache | None = None


@dataclass(frozen=True)
class BuildResult:
    """How a build went.

    `phases` begin with DOWNLOAD_SOURCE: what was before is known to whoever started the build. The
    files of artifacts and reports are in the build's folder.
    """

    status: BuildStatus
    phases: tuple[Phase, ...]
    exported: Mapping[str, str]
    artifacts: tuple[BuildArtifact, ...]
    reports: tuple[Report, ...]
    reports_folder: Path

    @property
    def message(self) -> str:
        """Why it did not succeed: the contexts of its failed phases, in lines. Empty if it did."""
        contexts = (phase.context for phase in self.phases if phase.context)
        return "\n".join(context.message for context in contexts)


def run_build(build: Build, log: Log, limits: Limits) -> BuildResult:
    """Run a build to its end; again from its source for as long as `on-failure` asks for it.

    Raises:
        ActionError: the shell can't be started, or its processes can't be ended.
        Interrupted: `limits.stop` is set.
    """
    retries = 0
    while True:
        attempt = _Attempt(build, log, limits)
        if attempt.run(retries):
            return attempt.result()
        retries += 1


class _Attempt:
    def __init__(self, build: Build, log: Log, limits: Limits) -> None:
        self._build = build
        self._log = log
        self._limits = limits
        self._phases = PhaseLog(log.line, lambda: datetime.now(UTC), build.on_phase)
        self._folder = fresh(build.folder / "build")
        self._status = BuildStatus.SUCCEEDED
        self._left = SessionResult()
        self._artifacts: list[BuildArtifact] = []
        self._reports: list[Report] = []

    def run(self, retries: int) -> bool:
        """Whether this was the last attempt."""
        try:
            course = self._through_phases(retries)
        except ActionError:
            if time.monotonic() < self._limits.deadline:
                raise
            self._fail("BUILD_TIMED_OUT", "Build has timed out. ", BuildStatus.TIMED_OUT)
            course = Course(succeeded=False, next=PhaseType.FINALIZING)
        for phase in (PhaseType.FINALIZING, PhaseType.COMPLETED):
            self._phases.enter(phase)
            self._phases.end(BuildStatus.SUCCEEDED)
        return not course.retry

    def result(self) -> BuildResult:
        return BuildResult(
            self._status,
            tuple(self._phases.phases),
            self._left.exported,
            tuple(self._artifacts),
            tuple(self._reports),
            self._folder / "reports",
        )

    def _through_phases(self, retries: int) -> Course:
        self._phases.enter(PhaseType.DOWNLOAD_SOURCE)
        try:
            download, spec = self._download()
            environment = self._environment(download, spec)
            self._check_runtimes(spec, environment)
            self._restore(spec)
        except BuildspecError as error:
            self._fail("YAML_FILE_ERROR", error.message)
        except ActionError as error:
            self._limits.check()
            self._fail(_CLIENT_ERROR, error.message)
        else:
            self._phases.complete(BuildStatus.SUCCEEDED)
            course, self._left = self._run(download, spec, environment, retries)
            if not course.succeeded:
                self._status = BuildStatus.FAILED
            if course.next is PhaseType.UPLOAD_ARTIFACTS:
                self._upload(download, spec, self._left.environment or environment)
            return course
        return Course(succeeded=False, next=PhaseType.FINALIZING)

    def _fail(self, code: str, message: str, status: BuildStatus = BuildStatus.FAILED) -> None:
        self._status = status
        self._phases.complete(status, PhaseContext(code, message))

    def _download(self) -> tuple[Download, Buildspec]:
        say = self._phases.say
        say("Phase is DOWNLOAD_SOURCE")
        source = self._folder / SOURCE
        source.mkdir()
        download = self._build.download(source)
        say(f"CODEBUILD_SRC_DIR={download.source}")
        say(f"YAML location is {download.location}")
        spec = read(download.buildspec)
        for warning in spec.warnings:
            say(f"Warning: {warning}")
        _check_users(spec)
        return download, spec

    def _environment(self, download: Download, spec: Buildspec) -> dict[str, str]:
        build = self._build
        home, temporary = self._folder / HOME, self._folder / "tmp"
        for folder in (home, temporary):
            folder.mkdir()
        return {
            **({} if build.path is None else {"PATH": build.path}),
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "CI": "true",
            **spec.environment.variables,
            **build.resolve(spec.environment, build.environment),
            **build.environment,
            **download.variables,
            "CODEBUILD_CI": "true",
            "CODEBUILD_SRC_DIR": str(download.source),
            "CODEBUILD_START_TIME": str(time.time_ns() // 1_000_000),
            "CODEBUILD_BUILD_SUCCEEDING": "1",
            **build.variables,
        }

    def _run(
        self, download: Download, spec: Buildspec, environment: Mapping[str, str], retries: int
    ) -> tuple[Course, SessionResult]:
        context = SessionContext(
            owner=self._build.owner,
            place=Place(self._folder, download.source, self._folder / "tmp"),
            folder=self._folder / "session",
            environment=environment,
            wanted=self._build.wanted,
            shell=spec.environment.shell,
            shares_shell=spec.shares_shell,
            exported=spec.environment.exported,
            names=tuple({artifact.name for artifact in spec.artifacts if artifact.name}),
        )
        steps = commands(spec, self._phases, retries)
        return run_commands(context, steps, self._log.write, self._limits)

    def _upload(self, download: Download, spec: Buildspec, environment: Mapping[str, str]) -> None:
        self._phases.enter(PhaseType.UPLOAD_ARTIFACTS)
        bounds = Bounds(self._build.owner.settings.max_artifact, self._limits.check)
        others = (Path(environment[name]) for name in (*download.variables, "HOME", "TMPDIR"))
        own = tuple(folder for folder in others if folder.is_relative_to(self._folder))
        source = Source(download.source, own, environment, bounds, self._phases.say)
        try:
            self._take_reports(spec, source)
            for artifact in spec.artifacts:
                self._take_artifact(artifact, source)
            self._build.upload(self._artifacts)
            self._save(spec)
        except (ActionError, OSError) as error:
            self._limits.check()
            self._fail(_CLIENT_ERROR, str(error))
        else:
            self._phases.complete(BuildStatus.SUCCEEDED)

    def _check_runtimes(self, spec: Buildspec, environment: Mapping[str, str]) -> None:
        """Say of each wanted runtime what there is; an image has what it has."""
        if runner_of(self._build.owner) is not Runner.CONTAINER:
            for told in check_runtimes(spec.runtime_versions, {"PATH": PATH, **environment}):
                self._phases.say(told)

    def _restore(self, spec: Buildspec) -> None:
        cache = self._build.cache
        if cache is not None and spec.cache is not None and spec.cache.action != "save":
            cache.restore(self._folders())

    def _save(self, spec: Buildspec) -> None:
        """Keep the cache of a build that has succeeded."""
        cache, succeeded = self._build.cache, self._status is BuildStatus.SUCCEEDED
        if succeeded and cache and spec.cache is not None and spec.cache.action != "restore":
            cache.save(self._folders(), spec.cache.paths)

    def _folders(self) -> Folders:
        bounds = Bounds(self._build.owner.settings.max_artifact, self._limits.check)
        return Folders(self._folder, bounds, self._phases.say)

    def _take_artifact(self, artifact: ArtifactSpec, source: Source) -> None:
        identifier = artifact.identifier
        if identifier:
            self._phases.say(f"Preparing to copy secondary artifact {identifier}")
        folder = self._folder / "artifacts" / (f"secondary-{identifier}" if identifier else "main")
        count = assemble(artifact.file_set, source, folder)
        if not count:
            of = f" for secondary artifact {identifier}" if identifier else ""
            raise ActionError(f"no matching artifact paths found{of}")
        self._phases.say(f"Found {count} file(s)")
        name = self._left.names.get(artifact.name, artifact.name) if artifact.name else None
        self._artifacts.append(BuildArtifact(identifier, name, folder))

    def _take_reports(self, spec: Buildspec, source: Source) -> None:
        for number, wanted in enumerate(spec.reports):
            self._phases.say(f"Preparing to copy report {wanted.group}")
            folder = self._folder / "reports" / str(number)
            if not assemble(wanted.file_set, source, folder):
                self._phases.say(f"No report files found for {wanted.group}")
            found = report(wanted.group, wanted.file_format, folder)
            for why in found.unread:
                self._phases.say(f"Report {wanted.group} is not complete: {why}")
            if (counts := found.counts) is not None:
                self._phases.say(
                    f"Report {wanted.group}: {counts.total} tests, {counts.failed} failed,"
                    f" {counts.errors} errors, {counts.skipped} skipped"
                )
            self._reports.append(found)


def _check_users(spec: Buildspec) -> None:
    """Raise ActionError if commands are to run as a user that they can't run as."""
    try:
        own = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        own = str(os.getuid())
    users = {spec.run_as, *(phase.run_as for phase in spec.phases.values())}
    if others := sorted(users - {None, own}, key=str):
        raise ActionError(
            f"run-as: {', '.join(map(str, others))}: commands run as {own} here. Take run-as out"
            " of the buildspec, or run the server as that user",
            "ConfigurationError",
        )
