"""The phases of a build: which runs after which, what runs in each, and what the log says of it."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from hookline.builds.buildspec import Buildspec, FailureAction, OnFailure, PhaseSpec


class PhaseType(StrEnum):
    """The phases of a build, in their order."""

    SUBMITTED = "SUBMITTED"
    QUEUED = "QUEUED"
    PROVISIONING = "PROVISIONING"
    DOWNLOAD_SOURCE = "DOWNLOAD_SOURCE"
    INSTALL = "INSTALL"
    PRE_BUILD = "PRE_BUILD"
    BUILD = "BUILD"
    POST_BUILD = "POST_BUILD"
    UPLOAD_ARTIFACTS = "UPLOAD_ARTIFACTS"
    FINALIZING = "FINALIZING"
    COMPLETED = "COMPLETED"


class BuildStatus(StrEnum):
    """The status of a build or of one of its phases, as AWS names them."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    FAULT = "FAULT"
    TIMED_OUT = "TIMED_OUT"
    IN_PROGRESS = "IN_PROGRESS"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class PhaseContext:
    """Why a phase ended as it did: AWS's code, such as COMMAND_EXECUTION_ERROR, and a message."""

    status_code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase that has begun; the times are in UTC, and `ended` is None until it has."""

    type: PhaseType
    started: datetime
    status: BuildStatus = BuildStatus.IN_PROGRESS
    ended: datetime | None = None
    context: PhaseContext | None = None


COMMAND_PHASES = (
    PhaseType.INSTALL,
    PhaseType.PRE_BUILD,
    PhaseType.BUILD,
    PhaseType.POST_BUILD,
)
"""Those that run the commands of a buildspec."""
_ORDER = tuple(PhaseType)
_AFTER_FAILURE = {
    PhaseType.BUILD: PhaseType.POST_BUILD,
    PhaseType.POST_BUILD: PhaseType.UPLOAD_ARTIFACTS,
    PhaseType.FINALIZING: PhaseType.COMPLETED,
}


def following(phase: PhaseType, *, succeeded: bool, on_failure: OnFailure | None) -> PhaseType:
    """The phase after `phase`, which is not COMPLETED."""
    action = on_failure.action if on_failure and not succeeded else None
    if succeeded or action is FailureAction.CONTINUE:
        return _ORDER[_ORDER.index(phase) + 1]
    if action is FailureAction.ABORT:
        return PhaseType.FINALIZING
    return _AFTER_FAILURE.get(phase, PhaseType.FINALIZING)


class PhaseLog:
    """The phases of a build as they come; writes a line of each step as AWS writes it.

    `on_phase` is told of the phases so far when one begins.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        now: Callable[[], datetime],
        on_phase: Callable[[Sequence["Phase"]], object] = lambda _: None,
    ) -> None:
        self._write = write
        self._now = now
        self._on_phase = on_phase
        self.phases: list[Phase] = []

    def say(self, text: str) -> None:
        """Write a line with the time."""
        now = self._now().astimezone(UTC)
        self._write(f"[Container] {now:%Y/%m/%d %H:%M:%S.%f} {text}")

    def enter(self, phase: PhaseType) -> None:
        """Begin `phase`."""
        self.phases.append(Phase(phase, self._now()))
        self._on_phase(self.phases)
        if phase in COMMAND_PHASES:
            self.say(f"Entering phase {phase}")

    def end(self, status: BuildStatus, context: PhaseContext | None = None) -> None:
        """End the phase that was begun last."""
        self.phases[-1] = replace(
            self.phases[-1], status=status, ended=self._now(), context=context
        )

    def complete(self, status: BuildStatus, context: PhaseContext | None = None) -> None:
        """End the phase that was begun last, and write so."""
        self.end(status, context)
        told = context or PhaseContext()
        self.say(f"Phase complete: {self.phases[-1].type} State: {status}")
        self.say(f"Phase context status code: {told.status_code} Message: {told.message}")


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run now. `build_succeeding` is whether all went well until now."""

    text: str
    build_succeeding: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit status, and the end of its output."""

    status: int
    output: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """How the commands of a build went, and which phase follows. `retry`: it begins again."""

    succeeded: bool
    next: PhaseType
    retry: bool = False


Commands = Generator[Command, Ended, Course]
"""Gives the commands to run one after another, and is sent how each ended."""


def commands(buildspec: Buildspec, log: PhaseLog, earlier_retries: int = 0) -> Commands:
    """Go through the phases with commands; each command that is to run is yielded."""
    phase, succeeded = PhaseType.INSTALL, True
    while phase in COMMAND_PHASES:
        spec = buildspec.phases.get(phase.lower(), PhaseSpec())
        log.enter(phase)
        failure = yield from _phase(spec, log, succeeding=succeeded)
        if failure is None:
            log.complete(BuildStatus.SUCCEEDED)
        else:
            succeeded = False
            log.complete(BuildStatus.FAILED, failure.context)
            retry = spec.on_failure
            if retry and retry.wants_retry(failure.found_in, earlier_retries):
                log.say(f"The build begins again: retry {earlier_retries + 1} of {retry.count}")
                return Course(succeeded=False, next=PhaseType.FINALIZING, retry=True)
        phase = following(phase, succeeded=failure is None, on_failure=spec.on_failure)
    return Course(succeeded, phase)


@dataclass(frozen=True, slots=True)
class _Failure:
    context: PhaseContext
    found_in: str


def _phase(
    spec: PhaseSpec, log: PhaseLog, *, succeeding: bool
) -> Generator[Command, Ended, _Failure | None]:
    failure = yield from _run(spec.commands, log, succeeding=succeeding)
    last = yield from _run(spec.finally_commands, log, succeeding=succeeding and failure is None)
    return failure or last


def _run(
    texts: tuple[str, ...], log: PhaseLog, *, succeeding: bool
) -> Generator[Command, Ended, _Failure | None]:
    for text in texts:
        shown = text.rstrip("\n")
        log.say(f"Running command {shown}")
        ended = yield Command(text, succeeding)
        if ended.status:
            log.say(f"Command did not exit successfully {shown} exit status {ended.status}")
            message = f"Error while executing command: {shown}. Reason: exit status {ended.status}"
            context = PhaseContext("COMMAND_EXECUTION_ERROR", message)
            return _Failure(context, f"{message}\n{ended.output}")
    return None
