"""A build of a project: what it runs, how far it is, and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hookline.builds.phases import BuildStatus, Phase, PhaseType
from hookline.model import Scope


@dataclass(frozen=True, slots=True)
class Build:
    """A build. `uuid` is the part of its id that is its own, of version 7.

    `definition` is what it runs, in the shape of a project's and settled when the build started.
    `artifacts` are in the API's shape, the primary one first and the others by their identifiers.
    `action_execution_id` is the action of a pipeline that it is for. Times are epoch seconds.
    """

    scope: Scope
    uuid: str
    project_name: str
    number: int
    definition: Mapping[str, Any]
    initiator: str
    started_at: float
    status: BuildStatus = BuildStatus.IN_PROGRESS
    current_phase: PhaseType = PhaseType.SUBMITTED
    source_version: str | None = None
    resolved_source_version: str | None = None
    phases: tuple[Phase, ...] = ()
    artifacts: tuple[Mapping[str, Any], ...] = ()
    exported_variables: Mapping[str, str] | None = None
    action_execution_id: str | None = None
    ended_at: float | None = None

    @property
    def id(self) -> str:
        """Its id in the API."""
        return f"{self.project_name}:{self.uuid}"

    @property
    def arn(self) -> str:
        """Its ARN."""
        return self.scope.build_arn(self.id)
