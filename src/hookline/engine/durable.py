"""All of DBOS behind one file: workflows that a crash interrupts and the next start resumes.

Facts this relies on (DBOS 3.4.0): a workflow id runs once, so a repeated start is harmless; a
start recovers the pending workflows of the same executor id and application version, so both are
pinned; a step that was interrupted runs again, so every step here may be repeated; the portable
serializer keeps plain JSON where the default one would pickle.
"""

import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowHandle
from dbos._serialization import DBOSPortableJSON
from sqlalchemy import Engine as SQLAlchemyEngine

# Work is resumed only under the version it began with: it never changes.
_APPLICATION_VERSION = "hookline-1"

_log = structlog.get_logger()
_KEPT_S = 60
_FORGOTTEN_AT_ONCE = 200

StageFunction = Callable[[str], None]


class DurableRuns:
    """Runs stages and their actions as DBOS workflows, one per id, each to its end.

    `open_stage(stage id)` gives action names by run order, `run_action(stage id, name)` runs one
    and says whether it succeeded, `close_stage(stage id)` ends the stage. All are steps.
    """

    def __init__(
        self,
        *,
        database: SQLAlchemyEngine,
        node: str,
        open_stage: Callable[[str], list[list[str]]],
        run_action: Callable[[str, str], bool],
        close_stage: StageFunction,
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
        self._stage_workflow = _stage_workflow(
            open_stage, _action_workflow(run_action), close_stage
        )

    def launch(self) -> None:
        """Connect, and resume what an earlier process left unfinished."""
        DBOS.launch()

    def start(self, stage_execution_id: str) -> None:
        """Run a stage, unless its workflow exists already."""
        with SetWorkflowID(stage_execution_id):
            DBOS.start_workflow(self._stage_workflow, stage_execution_id)

    def start_again(self, stage_execution_ids: Collection[str]) -> None:
        """Run those of the stages anew whose workflow has ended by an error that nobody expected.

        Their actions that have ended are not run again: the journal knows them.
        """
        broken = DBOS.list_workflows(
            workflow_ids=list(stage_execution_ids), status=["ERROR"], load_input=False
        )
        for workflow in broken:
            _log.warning("stage broke; running it again", stage_execution=workflow.workflow_id)
            DBOS.delete_workflows([workflow.workflow_id], delete_children=True)
            self.start(workflow.workflow_id)

    def forget_finished(self) -> None:
        """Delete finished workflows, the oldest first, 200 at most: DBOS itself keeps all for ever.

        What they did is in the journal, which also keeps a stage from running twice.
        """
        before = datetime.now(UTC) - timedelta(seconds=_KEPT_S)
        finished = DBOS.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=before.isoformat(),
            limit=_FORGOTTEN_AT_ONCE,
            load_input=False,
            load_output=False,
        )
        if finished:
            DBOS.delete_workflows([workflow.workflow_id for workflow in finished])


# DBOS decorates plain functions only, and the steps given may be methods: so each gets a wrapper.


def _action_workflow(run_action: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    @DBOS.step(name="run_action")
    def run(stage_execution_id: str, action_name: str) -> bool:
        return run_action(stage_execution_id, action_name)

    @DBOS.workflow(name="run_action_durably")
    def workflow(stage_execution_id: str, action_name: str) -> bool:
        return run(stage_execution_id, action_name)

    return workflow


def _stage_workflow(
    open_stage: Callable[[str], list[list[str]]],
    action_workflow: Callable[[str, str], bool],
    close_stage: StageFunction,
) -> StageFunction:
    @DBOS.step(name="open_stage")
    def opened(stage_execution_id: str) -> list[list[str]]:
        return open_stage(stage_execution_id)

    @DBOS.step(name="close_stage")
    def close(stage_execution_id: str) -> None:
        close_stage(stage_execution_id)

    @DBOS.workflow(name="run_stage_durably")
    def workflow(stage_execution_id: str) -> None:
        for names in opened(stage_execution_id):
            if not all(_run_together(action_workflow, stage_execution_id, names)):
                break
        close(stage_execution_id)

    return workflow


def _run_together(
    action_workflow: Callable[[str, str], bool], stage_execution_id: str, names: list[str]
) -> list[bool]:
    handles: list[WorkflowHandle[bool]] = []
    for name in names:
        with SetWorkflowID(f"{stage_execution_id}/{name}"):
            handles.append(DBOS.start_workflow(action_workflow, stage_execution_id, name))
    return [handle.get_result() for handle in handles]
