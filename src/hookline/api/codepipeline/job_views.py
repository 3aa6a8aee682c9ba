"""What a job worker is told of its job, in the API's own shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from hookline.actions.artifacts import key_of, place_of
from hookline.api.codepipeline.action_types import identifier
from hookline.model import Action, Execution, Pipeline
from hookline.sealing import Seal
from hookline.store import action_executions, executions, pipeline_secrets, pipelines
from hookline.store.action_executions import ActionExecution
from hookline.store.jobs import Job


@dataclass(frozen=True, slots=True)
class Work:
    """A job with the action that it stands for; `pipeline` in the version of the execution."""

    job: Job
    pipeline: Pipeline
    execution: Execution
    action: Action
    action_execution: ActionExecution

    @property
    def outputs(self) -> dict[str, str]:
        """The output artifacts that a worker is to store, name → key in the store."""
        executed = self.action_execution
        ids = (self.pipeline.id, self.execution.id, executed.id, executed.attempt)
        return {item.name: key_of(*ids, item.name) for item in self.action.output_artifacts}

    @property
    def shown_configuration(self) -> dict[str, str]:
        """The action's configuration without its secrets, its references resolved."""
        declared = pipeline_secrets.without_secrets(self.action.configuration)
        return {**declared, **self.action_execution.resolved}


def find_work(connection: Connection, job: Job) -> Work | None:
    """What a job is about; None when its pipeline was deleted."""
    action_execution = action_executions.find(connection, job.action_execution_id)
    execution = executions.find(connection, job.execution_id)
    if action_execution is None or execution is None:
        return None
    pipeline = pipelines.get(connection, job.pipeline_id, execution.pipeline_version)
    if pipeline is None:
        return None
    action = pipeline.action(action_execution.stage_name, action_execution.action_name)
    return Work(job, pipeline, execution, action, action_execution)


def job_details(work: Work, seal: Seal, artifact_store: str) -> dict[str, Any]:
    """What AWS's Job and JobDetails have in common, with the action's secrets in clear.

    `artifact_store` is the address of the store that the engine works with.
    """
    return {
        "id": work.job.id,
        "accountId": work.job.scope.account,
        "data": {
            "actionTypeId": identifier(work.job.type),
            "actionConfiguration": {"configuration": _configuration(work, seal)},
            "pipelineContext": {
                "pipelineName": work.pipeline.name,
                "pipelineArn": work.pipeline.arn,
                "pipelineExecutionId": work.execution.id,
                "stage": {"name": work.action_execution.stage_name},
                "action": {
                    "name": work.action.name,
                    "actionExecutionId": work.action_execution.id,
                },
            },
            "inputArtifacts": _artifacts(work, work.action_execution.inputs, artifact_store),
            "outputArtifacts": _artifacts(work, work.outputs, artifact_store),
            "continuationToken": work.job.continuation_token,
            "encryptionKey": work.pipeline.artifact_store.get("encryptionKey"),
        },
    }


def _configuration(work: Work, seal: Seal) -> dict[str, str]:
    clear, _ = pipeline_secrets.opened(work.action.configuration, seal)
    return {**clear, **work.action_execution.resolved}


def _artifacts(work: Work, keys: Mapping[str, str], artifact_store: str) -> list[dict[str, Any]]:
    revisions = _revisions(work)
    return [
        {
            "name": name,
            "revision": revisions.get(name),
            "location": {"type": "S3", "s3Location": _location(artifact_store, key)},
        }
        for name, key in keys.items()
    ]


def _location(artifact_store: str, key: str) -> dict[str, str]:
    bucket, object_key = place_of(artifact_store, key)
    return {"bucketName": bucket, "objectKey": object_key}


def _revisions(work: Work) -> dict[str, str]:
    """The revisions of the artifacts of source actions, as far as they are known, by name."""
    of_action = {item.action_name: item.revision_id for item in work.execution.source_revisions}
    return {
        artifact.name: of_action[action.name]
        for action in work.pipeline.stages[0].actions
        if action.name in of_action
        for artifact in action.output_artifacts
    }
