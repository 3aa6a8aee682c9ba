"""Action executions: what each action of a stage, or rule of a condition, was given and did."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    exists,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.elements import TextClause

from hookline.model import DEFAULT_LABEL, ActionStatus, ConditionType
from hookline.store import dialect
from hookline.store.mapping import Mapper
from hookline.store.tables import (
    action_executions,
    is_action,
    is_owned,
    is_rule,
    is_runnable,
    is_waiting,
    nodes,
)


@dataclass(frozen=True, slots=True)
class ActionExecution:
    """One run of an action, or of a rule: then `condition_type` says of which condition.

    Times are epoch seconds; artifacts are name → key in the store. `resolved` holds the
    configuration values that had references to variables, with their values. `retry` counts the
    retries of failed actions within the stage execution that came before it. Of the nodes that
    have its `label` the instance `owner` runs it, for the `attempt`th time. One with `waits_until`
    is run by nobody and fails at that time; whoever knows the `token` ends it, if it has one.
    """

    id: str
    stage_execution_id: str
    execution_id: str
    pipeline_id: int
    pipeline_version: int
    stage_name: str
    action_name: str
    started_at: float
    updated_at: float
    condition_type: ConditionType | None = None
    status: ActionStatus = ActionStatus.IN_PROGRESS
    retry: int = 0
    label: str = DEFAULT_LABEL
    owner: str | None = None
    attempt: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    summary: str | None = None
    external_id: str | None = None
    external_url: str | None = None
    percent_complete: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    waits_until: float | None = None
    updated_by: str | None = None

    @property
    def waits(self) -> bool:
        """Whether it is in progress without a node."""
        return self.status is ActionStatus.IN_PROGRESS and self.waits_until is not None

    @property
    def has_begun(self) -> bool:
        """Whether a node has ever taken it."""
        return self.attempt > 0


_ACTION_EXECUTIONS = Mapper(action_executions, ActionExecution)


def insert(connection: Connection, new: Sequence[ActionExecution]) -> None:
    """Add action executions that nobody has begun, and tell the nodes."""
    if new:
        _ACTION_EXECUTIONS.insert(connection, new)
        dialect.notify_nodes(connection)


def any_runnable(connection: Connection, labels: Collection[str]) -> bool:
    """Whether there is one that a node with `labels` may take."""
    query = select(action_executions.c.id).where(is_runnable, action_executions.c.label.in_(labels))
    return connection.execute(query.limit(1)).first() is not None


def take(
    connection: Connection,
    owner: str,
    labels: Collection[str],
    limit: int,
    but: Collection[str] = (),
) -> list[ActionExecution]:
    """Give up to `limit` that a node with `labels` may run to its instance `owner`, oldest first.

    None of those with the ids `but` is given to it.
    """
    now = time.time()
    runnable = (
        select(action_executions.c.id)
        .where(
            is_runnable,
            action_executions.c.label.in_(labels),
            action_executions.c.id.not_in(but),
        )
        .order_by(action_executions.c.id)
        .limit(limit)
        # Nodes that take at the same moment get different ones, and none waits for the other.
        .with_for_update(skip_locked=True)
    )
    begun = action_executions.c.attempt > 0
    taken = (
        update(action_executions)
        .where(action_executions.c.id.in_(runnable.scalar_subquery()))
        .values(
            owner=owner,
            attempt=action_executions.c.attempt + 1,
            started_at=case((begun, action_executions.c.started_at), else_=now),
            updated_at=now,
        )
        .returning(action_executions)
    )
    found = _ACTION_EXECUTIONS.all(connection, taken)
    return sorted(found, key=lambda item: item.id)


def owned(connection: Connection, owner: str) -> list[ActionExecution]:
    """The action executions that a node instance runs."""
    return _found(connection, is_owned, action_executions.c.owner == owner)


def hold(connection: Connection, owner: str, ids: Collection[str]) -> dict[str, int]:
    """The attempts of those of `ids` that the node instance `owner` runs.

    They stay its own until the transaction ends. Left out are those that another transaction is
    about to change: this one waits for none.
    """
    query = (
        select(action_executions.c.id, action_executions.c.attempt)
        .where(is_owned, action_executions.c.owner == owner, action_executions.c.id.in_(ids))
        .with_for_update(skip_locked=True)
    )
    return {row.id: row.attempt for row in connection.execute(query)}


def lost(connection: Connection, silent: Collection[str]) -> list[ActionExecution]:
    """Those owned by the node instances `silent`, or by instances that no longer exist."""
    of_no_node = action_executions.c.owner.not_in(select(nodes.c.instance))
    return _found(connection, is_owned, or_(of_no_node, action_executions.c.owner.in_(silent)))


def release(connection: Connection, action_execution_id: str) -> None:
    """Let nodes take an action execution again."""
    change(connection, action_execution_id, owner=None)
    dialect.notify_nodes(connection)


def remove_unbegun(connection: Connection, stage_execution_id: str) -> None:
    """Delete what no node has ever taken in a stage."""
    connection.execute(
        delete(action_executions).where(
            action_executions.c.stage_execution_id == stage_execution_id,
            is_runnable,
            action_executions.c.attempt == 0,
        )
    )


def change(connection: Connection, action_execution_id: str, **values: Any) -> None:
    """Set columns of an action execution."""
    connection.execute(
        update(action_executions)
        .where(action_executions.c.id == action_execution_id)
        .values(updated_at=time.time(), **values)
    )


def note(connection: Connection, action_execution_id: str, **values: Any) -> None:
    """Set what is known of an action execution in progress; what is None stays as it is."""
    known = {name: value for name, value in values.items() if value is not None}
    change(connection, action_execution_id, **known)


def overdue(connection: Connection, now: float) -> list[ActionExecution]:
    """Those that wait and should have been ended before `now`."""
    return _found(connection, is_waiting, action_executions.c.waits_until < now)


def waiting_rules(connection: Connection) -> list[ActionExecution]:
    """The rules that wait."""
    return _found(connection, is_waiting, action_executions.c.condition_type.is_not(None))


def find(connection: Connection, action_execution_id: str) -> ActionExecution | None:
    """An action execution by its id."""
    return next(iter(_found(connection, action_executions.c.id == action_execution_id)), None)


def find_by_token(connection: Connection, pipeline_id: int, token: str) -> ActionExecution | None:
    """The action execution of a pipeline that waits, or waited, under `token`."""
    of_pipeline = action_executions.c.pipeline_id == pipeline_id
    found = _found(connection, of_pipeline, action_executions.c.token == token)
    return next(iter(found), None)


def of_stages(
    connection: Connection, stage_execution_ids: Collection[str]
) -> list[ActionExecution]:
    """All action executions of stage executions, rules included, the oldest first."""
    of_stages = action_executions.c.stage_execution_id.in_(stage_execution_ids)
    return _found(connection, of_stages)


def of_execution(connection: Connection, execution_id: str) -> list[ActionExecution]:
    """All action executions of a pipeline execution, rules included, the oldest first."""
    return _found(connection, action_executions.c.execution_id == execution_id)


def _found(
    connection: Connection, *conditions: ColumnElement[bool] | TextClause
) -> list[ActionExecution]:
    query = (
        select(action_executions)
        .where(and_(*conditions))
        .order_by(action_executions.c.started_at, action_executions.c.id)
    )
    return _ACTION_EXECUTIONS.all(connection, query)


def produced(connection: Connection, execution_ids: Sequence[str]) -> list[ActionExecution]:
    """The actions that have succeeded in the executions: in their order, each oldest first."""
    found = _found(
        connection,
        action_executions.c.execution_id.in_(execution_ids),
        action_executions.c.status == ActionStatus.SUCCEEDED.value,
        action_executions.c.condition_type.is_(None),
    )
    return sorted(found, key=lambda execution: execution_ids.index(execution.execution_id))


def latest(
    connection: Connection, pipeline_id: int, stage_name: str, action_name: str
) -> ActionExecution | None:
    """The newest execution of an action of a pipeline that has begun."""
    return _ACTION_EXECUTIONS.newest(
        connection,
        action_executions.c.pipeline_id == pipeline_id,
        action_executions.c.stage_name == stage_name,
        action_executions.c.action_name == action_name,
        is_action,
        action_executions.c.attempt > 0,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executions: of `rules` or of actions, of one pipeline execution, of each the newest."""

    rules: bool = False
    execution_id: str | None = None
    only_latest: bool = False


def page(
    connection: Connection,
    pipeline_id: int,
    wanted: Wanted,
    before: tuple[float, str] | None,
    limit: int,
) -> list[ActionExecution]:
    """Up to `limit` executions of actions or of rules that have begun, the newest first.

    `before` is (started_at, id) of the last one seen. A pipeline execution that is wanted must be
    one of the pipeline.
    """
    table = action_executions
    # One of both: by the pipeline, a database could go through all of it for the order's sake.
    if wanted.execution_id is None:
        where = table.c.pipeline_id == pipeline_id
    else:
        where = table.c.execution_id == wanted.execution_id
    is_wanted = is_rule if wanted.rules else is_action
    query = select(table).where(where, table.c.attempt > 0, is_wanted)
    if wanted.only_latest:
        later = table.alias()
        names = ("execution_id", "stage_name", "action_name")
        same = (later.c[name] == table.c[name] for name in names)
        same_condition = later.c.condition_type.is_not_distinct_from(table.c.condition_type)
        after = (later.c.attempt > 0, later.c.started_at > table.c.started_at)
        query = query.where(~exists().where(*same, same_condition, *after))
    if before is not None:
        query = query.where(tuple_(table.c.started_at, table.c.id) < before)
    newest_first = query.order_by(table.c.started_at.desc(), table.c.id.desc())
    return _ACTION_EXECUTIONS.all(connection, newest_first.limit(limit))
