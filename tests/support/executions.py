"""Starts, stops and statuses of executions, through boto3."""

from typing import Any

import pytest

from .server import until
from .tenant import Tenant


def begin(tenant: Tenant, pipeline: str, **more: Any) -> str:
    """Start an execution; its id."""
    execution_id: str = tenant.client.start_pipeline_execution(name=pipeline, **more)[
        "pipelineExecutionId"
    ]
    return execution_id


def refused(tenant: Tenant, error: str, call: str, /, **parameters: Any) -> str:
    """The message of a call that is refused with an error."""
    with pytest.raises(getattr(tenant.client.exceptions, error)) as caught:
        getattr(tenant.client, call)(**parameters)
    return str(caught.value)


def status(tenant: Tenant, pipeline: str, execution_id: str) -> str:
    """The status of an execution now."""
    found: str = tenant.execution(pipeline, execution_id)["status"]
    return found


def ended(tenant: Tenant, pipeline: str, execution_id: str) -> str:
    """The last status of an execution; Stopping is none."""
    until(
        lambda: status(tenant, pipeline, execution_id) not in {"InProgress", "Stopping"},
        seconds=40,
    )
    return status(tenant, pipeline, execution_id)


def statuses(tenant: Tenant, pipeline: str, execution_id: str) -> dict[str, str]:
    """The status of each action of an execution."""
    actions = tenant.actions(pipeline, execution_id)
    return {name: detail["status"] for name, detail in actions.items()}


def stage_status(tenant: Tenant, pipeline: str, stage: str) -> str:
    """The status of a stage's latest execution."""
    states = tenant.client.get_pipeline_state(name=pipeline)["stageStates"]
    [state] = [item for item in states if item["stageName"] == stage]
    found: str = state["latestExecution"]["status"]
    return found


def stop(tenant: Tenant, pipeline: str, execution_id: str, **more: Any) -> Any:
    """Stop an execution."""
    return tenant.client.stop_pipeline_execution(
        pipelineName=pipeline, pipelineExecutionId=execution_id, **more
    )
