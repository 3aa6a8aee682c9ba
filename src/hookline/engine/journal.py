"""What the engine asks of whoever keeps the state of executions; the engine itself keeps none."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from hookline.actions.provider import ActionResult, Artifact, Waiting
from hookline.errors import ActionError
from hookline.model import Action, SourceRevision


@dataclass(frozen=True, slots=True)
class StageTurn:
    """One look at what a stage does next, and the actions that are run for it.

    The first turn begins with the stage. A later one begins when there is more to do: an action
    that waited was ended, or failed ones are retried, while the actions of earlier turns run on.
    """

    stage_execution_id: str
    number: int


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

    def take(self, limit: int) -> list[StageTurn]:
        """Assign up to `limit` stages that wait for an engine to this node; their turns."""

    def unfinished(self) -> list[StageTurn]:
        """The turns, of stages that this node has taken, that may have more to do.

        Of each stage that has not ended, the newest turn and those whose actions still run.
        """

    def wait(self, seconds: float) -> None:
        """Return when a stage may be waiting, at the latest after `seconds`."""

    def next_actions(self, turn: StageTurn) -> list[str]:
        """The actions that the turn runs now, all together; none, and the turn is over.

        Where nothing is left to do, this ends the stage and lets the pipeline advance.
        """

    def begin(self, turn: StageTurn, action_name: str) -> ActionTask | None:
        """Note that an action runs; None where it does not have to."""

    def abandoned(self, execution_ids: Collection[str]) -> list[str]:
        """Those of the executions whose running actions are to be abandoned."""

    def abandon(self, action_execution_id: str) -> None:
        """Note that an action was abandoned; nothing of it runs any longer."""

    def wait_for(self, action_execution_id: str, waiting: Waiting) -> None:
        """Note that an action waits for others to end it."""

    def settle(self) -> None:
        """End the rules whose wait is over, and fail the actions that have waited for too long."""

    def succeed(self, action_execution_id: str, result: ActionResult) -> None:
        """Note that an action succeeded, with what it produced."""

    def fail(self, action_execution_id: str, error: ActionError) -> None:
        """Note that an action failed."""
