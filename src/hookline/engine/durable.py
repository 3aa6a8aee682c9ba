"""All of DBOS behind one file: workflows that a crash interrupts and the next start resumes.

Facts this relies on (DBOS 3.4.0): a workflow id runs once, so a repeated start is harmless; a
start recovers the pending workflows of the same executor id and application version, so both are
pinned; a step that was interrupted runs again, so every step here may be repeated; the portable
serializer keeps plain JSON where the default one would pickle.
"""

import itertools
import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowHandle
from dbos._serialization import DBOSPortableJSON
from sqlalchemy import Engine as SQLAlchemyEngine

from hookline.engine.journal import StageTurn

# Work is resumed only under the version it began with: it never changes.
_APPLICATION_VERSION = "hookline-1"

_log = structlog.get_logger()
_KEPT_S = 60
_FORGOTTEN_AT_ONCE = 200

_STAGE = "run_stage_durably"
# The states of a workflow that has not ended.
_GOES_ON = frozenset({"PENDING", "ENQUEUED"})

# Arguments of workflows and steps are kept as JSON: a turn goes as its two parts.
NextActions = Callable[[str, int], list[str]]
RunAction = Callable[[str, int, str], None]
StageWorkflow = Callable[[str, int], None]


class DurableRuns:
    """Runs the turns of stages and their actions as DBOS workflows, each to its end.

    `next_actions(stage id, turn)` names the actions to run together, or none; `run_action(stage
    id, turn, name)` runs one. Both are steps: they are asked again after an interruption.
    """

    def __init__(
        self,
        *,
        database: SQLAlchemyEngine,
        node: str,
        next_actions: NextActions,
        run_action: RunAction,
    ) -> None:
        logging.getLogger("dbos").setLevel(logging.WARNING)
        config: DBOSConfig = {
            "name": "hookline",
            "system_database_engine": database,
            "executor_id": node,
            "application_version": _APPLICATION_VERSION,
            "serializer": DBOSPortableJSON,
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        DBOS(config=config)
        self._running: set[StageTurn] = set()
        self._stage_workflow = _stage_workflow(
            next_actions, _action_workflow(run_action), self._running
        )

    @property
    def count(self) -> int:
        """How many turns run now."""
        return len(self._running)

    def launch(self) -> None:
        """Connect, and resume what an earlier process left unfinished."""
        DBOS.launch()

    def start(self, turn: StageTurn) -> None:
        """Run a turn, unless its workflow exists already."""
        self._running.add(turn)
        with SetWorkflowID(f"{turn.stage_execution_id}/{turn.number}"):
            handle = DBOS.start_workflow(self._stage_workflow, turn.stage_execution_id, turn.number)
        if handle.get_status().status not in _GOES_ON:
            # It ended before this start, and so does not say that it ends.
            self._running.discard(turn)

    def start_again(self, unfinished: Collection[StageTurn]) -> None:
        """Run those turns anew whose workflow has ended by an error that nobody expected.

        Only those of stages that have not ended, as `unfinished` tells. Their actions that have
        ended are not run again: the journal knows them.
        """
        stages = {turn.stage_execution_id for turn in unfinished}
        for workflow in DBOS.list_workflows(name=_STAGE, status=["ERROR"], load_input=False):
            stage_execution_id, _, number = workflow.workflow_id.partition("/")
            if stage_execution_id in stages:
                _log.warning("stage broke; running it again", stage_execution=stage_execution_id)
                DBOS.delete_workflows([workflow.workflow_id], delete_children=True)
                self.start(StageTurn(stage_execution_id, int(number)))

    def forget_finished(self) -> None:
        """Delete finished turns, the oldest first, 200 at most: DBOS itself keeps all for ever.

        What they did is in the journal, which also keeps a stage from running twice. The workflows
        of actions go with their turn, never before: a turn that is resumed asks for each of them
        again, and would wait for ever for one that is gone.
        """
        before = datetime.now(UTC) - timedelta(seconds=_KEPT_S)
        finished = DBOS.list_workflows(
            name=_STAGE,
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=before.isoformat(),
            limit=_FORGOTTEN_AT_ONCE,
            load_input=False,
            load_output=False,
        )
        if finished:
            ids = [workflow.workflow_id for workflow in finished]
            DBOS.delete_workflows(ids, delete_children=True)


# DBOS decorates plain functions only, and the steps given may be methods: so each gets a wrapper.


def _action_workflow(run_action: RunAction) -> RunAction:
    @DBOS.step(name="run_action")
    def run(stage_execution_id: str, turn: int, action_name: str) -> None:
        run_action(stage_execution_id, turn, action_name)

    @DBOS.workflow(name="run_action_durably", max_recovery_attempts=None)
    def workflow(stage_execution_id: str, turn: int, action_name: str) -> None:
        run(stage_execution_id, turn, action_name)

    return workflow


def _error_of(handle: WorkflowHandle[None]) -> Exception | None:
    try:
        handle.get_result()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised later
        return error
    return None


def _stage_workflow(
    next_actions: NextActions, action_workflow: RunAction, running: set[StageTurn]
) -> StageWorkflow:
    @DBOS.step(name="next_actions")
    def following(stage_execution_id: str, turn: int) -> list[str]:
        return next_actions(stage_execution_id, turn)

    def run_all(stage_execution_id: str, turn: int) -> None:
        rounds = itertools.count(1)
        while names := following(stage_execution_id, turn):
            prefix = f"{stage_execution_id}/{turn}/{next(rounds)}"
            handles: list[WorkflowHandle[None]] = []
            for name in names:
                with SetWorkflowID(f"{prefix}/{name}"):
                    handles.append(
                        DBOS.start_workflow(action_workflow, stage_execution_id, turn, name)
                    )
            broken = [error for handle in handles if (error := _error_of(handle))]
            # Not before all have ended: the turn is run again, and what still runs would be, too.
            if broken:
                raise broken[0]

    # However often it was interrupted, a stage is to end.
    @DBOS.workflow(name=_STAGE, max_recovery_attempts=None)
    def workflow(stage_execution_id: str, turn: int) -> None:
        this = StageTurn(stage_execution_id, turn)
        running.add(this)
        try:
            run_all(stage_execution_id, turn)
        finally:
            running.discard(this)

    return workflow
