"""What the engine hands to an action, what it gets back, and what a provider promises."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hookline.actions.artifacts import ArtifactStore, key_of
from hookline.actions.build_caches import BuildCaches
from hookline.actions.log import LogSink
from hookline.actions.mirrors import Mirrors
from hookline.builds.build import Build
from hookline.errors import ActionError, HooklineError
from hookline.model import Action, SourceRevision
from hookline.runners import Runner, Sandbox
from hookline.runners.containers import Containers


class Interrupted(HooklineError):  # noqa: N818 - the engine asks for it; not an error
    """The action was stopped before it ended; it is safe to run it again."""


class BuildFailedError(ActionError):
    """A build has ended, and not succeeded; `build` is how it stands then."""

    def __init__(self, message: str, build: Build) -> None:
        super().__init__(message)
        self.build = build


@dataclass(frozen=True, slots=True)
class Artifact:
    """A named archive in the artifact store, at `key`."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class ActionSettings:
    """What the operator decides about actions: sizes in bytes, times in seconds.

    `github_url` is where the repositories of GitHub's source actions are; a `file:` URL works too.
    `pid_namespaces` is whether programs run in some, where the machine allows it. `runner` runs
    commands whose pipeline asks for no other. `limits` are the kernel's on each process of
    commands, by their names in the module `resource`.
    """

    github_url: str = "https://github.com"
    time_limit: float = 3600.0
    max_log: int = 10_000_000
    max_artifact: int = 10_000_000_000
    max_source_cache: int = 5_000_000_000
    max_build_cache: int = 5_000_000_000
    pid_namespaces: bool = True
    runner: Runner = Runner.HOST
    sandbox: Sandbox = field(default_factory=Sandbox)
    containers: Containers = field(default_factory=Containers)
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ActionContext:
    """One action execution, as its provider sees it.

    `source_revision` is the revision that started the execution, for this source action.
    `folder` is private to this action execution and may hold what an interrupted try left.
    `stop` is set when the engine stops or the action is abandoned. `runner` and `image` are what
    its pipeline's tags ask for, None where they don't. `mirrors` are those of the node, unless it
    keeps none. `build` is what an action of CodeBuild's has to run, and `note_build` takes how far
    it is; `caches` are those of the node's builds, unless it keeps none.
    """

    action_execution_id: str
    attempt: int
    execution_id: str
    pipeline_name: str
    pipeline_id: int
    stage_name: str
    action: Action
    region: str
    source_revision: SourceRevision | None
    inputs: tuple[Artifact, ...]
    artifacts: ArtifactStore
    folder: Path
    log: LogSink
    settings: ActionSettings
    stop: threading.Event
    secrets: tuple[str, ...] = ()
    runner: str | None = None
    image: str | None = None
    mirrors: Mirrors | None = None
    build: Build | None = None
    note_build: Callable[[Build], object] = lambda _: None
    caches: BuildCaches | None = None

    @property
    def time_limit(self) -> float:
        """Seconds that the action may take."""
        minutes = self.action.timeout_minutes
        return self.settings.time_limit if minutes is None else minutes * 60.0

    def output(self, name: str) -> Artifact:
        """The output artifact `name` of this attempt, at a key that no other has."""
        identifiers = (self.pipeline_id, self.execution_id, self.action_execution_id)
        return Artifact(name, key_of(*identifiers, self.attempt, name))


@dataclass(frozen=True)
class ActionResult:
    """What a succeeded action leaves: AWS's summary and ids, artifacts, and output variables.

    `build` is the build of an action of CodeBuild's, as it has ended.
    """

    summary: str
    external_execution_id: str | None = None
    external_execution_url: str | None = None
    artifacts: tuple[Artifact, ...] = ()
    revision: SourceRevision | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    build: Build | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The action goes on elsewhere: whoever knows the `token` says how it ended.

    It fails when nobody has within `time_limit` seconds. No thread waits meanwhile. `by_worker`
    says that it is a job worker, to whom the action is offered as a job.
    """

    token: str
    time_limit: float
    by_worker: bool = False


class Provider(Protocol):
    """Runs the actions of one action type."""

    def run(self, context: ActionContext) -> ActionResult | Waiting:
        """Run one action to its end, or begin one that others end.

        It is safe to call again after an interrupted try.

        Raises:
            ActionError: the action failed; the message says why.
            Interrupted: `context.stop` was set.
        """
        ...
