"""What the engine asks of whoever keeps the state of executions; the engine itself keeps none."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from hookline.actions.provider import ActionResult, Artifact
from hookline.errors import ActionError
from hookline.model import Action, SourceRevision


@dataclass(frozen=True, slots=True)
class ActionTask:
    """One action execution to be done, with all it needs from the store.

    The action's configuration is in clear; `secrets` are its values that nobody may read. One
    that is `abandoned` was begun earlier and is not to be run again, only to be cleaned up.
    """

    action_execution_id: str
    execution_id: str
    pipeline_name: str
    pipeline_id: int
    stage_name: str
    action: Action
    region: str
    source_revision: SourceRevision | None
    inputs: tuple[Artifact, ...]
    secrets: tuple[str, ...] = field(default=(), repr=False)
    abandoned: bool = False


class Journal(Protocol):
    """The state of executions, as the engine needs it. Every call may be repeated."""

    def take(self, limit: int) -> list[str]:
        """Assign up to `limit` waiting stage executions to this node; their ids."""

    def unfinished(self) -> list[str]:
        """The stage executions this node has taken and not closed."""

    def wait(self, seconds: float) -> None:
        """Return when a stage may be waiting, at the latest after `seconds`."""

    def open(self, stage_execution_id: str) -> list[list[str]]:
        """The names of the actions to run, those of one run order together, in run order."""

    def begin(self, stage_execution_id: str, action_name: str) -> ActionTask | bool:
        """Note that an action runs; if it does not have to, whether it succeeded."""

    def abandoned(self, execution_ids: Collection[str]) -> list[str]:
        """Those of the executions whose running actions are to be abandoned."""

    def abandon(self, action_execution_id: str) -> None:
        """Note that an action was abandoned; nothing of it runs any longer."""

    def succeed(self, action_execution_id: str, result: ActionResult) -> None:
        """Note that an action succeeded, with what it produced."""

    def fail(self, action_execution_id: str, error: ActionError) -> None:
        """Note that an action failed."""

    def close(self, stage_execution_id: str) -> None:
        """End a stage by what became of its actions, and let the pipeline advance."""
