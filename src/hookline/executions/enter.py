"""Lets executions enter stages: inserts the rows of the first actions, which nodes take."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from hookline.executions.decide import Begin, Progress, decide
from hookline.executions.stage_runs import StageRun
from hookline.model import (
    DEFAULT_LABEL,
    LONGEST_LABEL,
    Action,
    ConditionStatus,
    ConditionType,
    Pipeline,
    new_id,
)
from hookline.store import action_executions, condition_executions, stage_executions
from hookline.store.action_executions import ActionExecution
from hookline.store.condition_executions import ConditionExecution
from hookline.store.stage_executions import StageExecution

LABEL_VARIABLE = "HOOKLINE_NODE_LABEL"
"""The environment variable of an action, or variable of its pipeline, that asks for a label."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An execution that enters a stage of `pipeline`, which is in the execution's version."""

    execution_id: str
    pipeline: Pipeline
    stage_name: str
    variables: Mapping[str, str]


def enter(connection: Connection, entries: Sequence[Entry]) -> None:
    """Let executions enter stages, and begin what comes first there."""
    now = time.time()
    entered = [
        StageExecution(
            id=new_id(),
            execution_id=entry.execution_id,
            pipeline_id=entry.pipeline.id,
            stage_name=entry.stage_name,
            started_at=now,
            updated_at=now,
        )
        for entry in entries
    ]
    stage_executions.insert(connection, entered)
    rows: list[ActionExecution] = []
    for entry, stage_execution in zip(entries, entered, strict=True):
        stage = entry.pipeline.stage(entry.stage_name)
        step = decide(Progress(stage)).step
        if isinstance(step, Begin):
            rows += _rows(connection, stage_execution, entry.pipeline, entry.variables, step)
    action_executions.insert(connection, rows)


def begin(connection: Connection, run: StageRun, step: Begin) -> None:
    """Let nodes run actions or rules of a stage."""
    rows = _rows(connection, run.stage_execution, run.pipeline, run.execution.variables, step)
    action_executions.insert(connection, rows)


def _rows(
    connection: Connection,
    stage_execution: StageExecution,
    pipeline: Pipeline,
    variables: Mapping[str, str],
    step: Begin,
) -> list[ActionExecution]:
    now = time.time()
    if step.condition is not None:
        condition_executions.put(
            connection,
            ConditionExecution(
                stage_execution_id=stage_execution.id,
                type=step.condition,
                execution_id=stage_execution.execution_id,
                pipeline_id=pipeline.id,
                stage_name=stage_execution.stage_name,
                status=ConditionStatus.IN_PROGRESS,
                started_at=now,
                updated_at=now,
            ),
        )
    stage = pipeline.stage(stage_execution.stage_name)
    declared = stage.actions if step.condition is None else stage.conditions[step.condition].rules
    return [
        ActionExecution(
            id=new_id(),
            stage_execution_id=stage_execution.id,
            execution_id=stage_execution.execution_id,
            pipeline_id=pipeline.id,
            pipeline_version=pipeline.version,
            stage_name=stage_execution.stage_name,
            action_name=action.name,
            condition_type=step.condition,
            retry=0 if step.condition is ConditionType.BEFORE_ENTRY else stage_execution.retries,
            label=_label(action, variables),
            started_at=now,
            updated_at=now,
        )
        for action in declared
        if action.name in step.names
    ]


def _label(action: Action, variables: Mapping[str, str]) -> str:
    wanted = dict(action.environment).get(LABEL_VARIABLE) or variables.get(LABEL_VARIABLE)
    # Cut to the length of the column; no node has a longer label.
    return (wanted or DEFAULT_LABEL)[:LONGEST_LABEL]
