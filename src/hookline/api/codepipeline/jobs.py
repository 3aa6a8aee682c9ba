"""PollForJobs, AcknowledgeJob, GetJobDetails, PutJobSuccessResult, PutJobFailureResult."""

import time
from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import Connection

from hookline.actions.artifacts import ArtifactStore
from hookline.actions.provider import ActionResult, Artifact
from hookline.api.codepipeline.job_views import Work, find_work, job_details
from hookline.api.dependencies import Dependencies
from hookline.api.sigv4 import Caller
from hookline.errors import (
    ActionError,
    ActionTypeNotFoundException,
    InvalidNonceException,
    JobNotFoundException,
    OutputVariablesSizeExceededException,
    ServiceUnavailableException,
    ValidationException,
)
from hookline.executions import jobs as job_results
from hookline.model import ActionType, Scope, SourceRevision
from hookline.store import action_executions, action_types, jobs
from hookline.store.action_types import CustomActionType

_log = structlog.get_logger()
_MOST_JOBS = 100
# A worker that was given a job says within this time that it has it; else another one gets it.
_ACKNOWLEDGED_WITHIN_S = 60.0
# Of AWS: CodePipeline quotas, the size of all output variables of an action.
_VARIABLES_LIMIT = 122_880


class JobOperations:
    """The operations of job workers."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._seal = dependencies.seal
        self._settings = dependencies.settings

    def poll_for_jobs(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hand out jobs of a custom action type that nobody works at."""
        kind = ActionType.of(parameters["actionTypeId"])
        asked = parameters.get("queryParam") or {}
        with self._database.read() as connection:
            query_value = _query_value(_action_type(connection, caller.scope, kind), asked)
            forgotten_before = time.time() - _ACKNOWLEDGED_WITHIN_S
            wanted = jobs.Wanted(caller.scope, kind, query_value, forgotten_before)
            if not jobs.any_offered(connection, wanted):
                return {"jobs": []}
        limit = min(parameters.get("maxBatchSize", _MOST_JOBS), _MOST_JOBS)
        with self._database.write() as connection:
            handed_out = jobs.dispatch(connection, wanted, limit)
        with self._database.read() as connection:
            found = [find_work(connection, job) for job in handed_out]
        return {
            "jobs": [
                {**self._details(work), "nonce": work.job.nonce}
                for work in found
                if work is not None
            ]
        }

    def acknowledge_job(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Let a worker have a job that a poll handed out to it; the job's status."""
        job_id, nonce = parameters["jobId"], parameters["nonce"]
        with self._database.write() as connection:
            jobs.acknowledge(connection, job_id, nonce)
            job = job_results.find(connection, caller.scope, job_id)
        if job.nonce != nonce:
            raise InvalidNonceException(
                f"The nonce '{nonce}' is not that of the last poll that handed out the job"
                f" '{job_id}'. Another worker may have it: poll again"
            )
        return {"status": job.status.value}

    def get_job_details(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a job is about, with its action's secrets in clear."""
        return {"jobDetails": self._details(self._work(caller.scope, parameters["jobId"]))}

    def put_job_success_result(self, caller: Caller, parameters: Mapping[str, Any]) -> None:
        """End a job with success, and its action; with a token, another job continues it."""
        token = parameters.get("continuationToken")
        variables = _checked_variables(parameters)
        work = self._work(caller.scope, parameters["jobId"])
        missing = [] if token else self._missing_outputs(work)
        noted = self._noted(caller, work, parameters.get("executionDetails", {}))
        with self._database.write() as connection:
            job = job_results.lock(connection, caller.scope, work.job.id)
            action_executions.note(connection, work.action_execution.id, **noted)
            if token:
                job_results.continue_with(connection, job, token)
            elif missing:
                job_results.fail(connection, job, ActionError(_missing_text(missing)))
            else:
                result = _result(work, noted, variables, parameters.get("currentRevision"))
                job_results.succeed(connection, job, result)

    def put_job_failure_result(self, caller: Caller, parameters: Mapping[str, Any]) -> None:
        """End a job and its action with a failure."""
        details = parameters["failureDetails"]
        work = self._work(caller.scope, parameters["jobId"])
        noted = self._noted(caller, work, {**details, "summary": None})
        with self._database.write() as connection:
            job = job_results.lock(connection, caller.scope, work.job.id)
            action_executions.note(connection, work.action_execution.id, **noted)
            job_results.fail(connection, job, ActionError(details["message"], details["type"]))

    def _work(self, scope: Scope, job_id: str) -> Work:
        with self._database.read() as connection:
            job = job_results.find(connection, scope, job_id)
            work = find_work(connection, job)
        if work is None:
            raise JobNotFoundException(f"The pipeline of the job '{job_id}' was deleted")
        return work

    def _details(self, work: Work) -> dict[str, Any]:
        return job_details(work, self._seal, self._settings.artifacts)

    def _missing_outputs(self, work: Work) -> list[Artifact]:
        try:
            store = ArtifactStore(self._settings.artifacts)
            return [Artifact(name, key) for name, key in work.outputs.items() if not store.has(key)]
        except ActionError as error:
            _log.warning("artifact store unavailable", reason=error.message)
            raise ServiceUnavailableException(
                "The artifact store can't be read now, so the job was not ended. Try again."
            ) from error

    def _noted(self, caller: Caller, work: Work, details: Mapping[str, Any]) -> dict[str, Any]:
        """What a worker tells of its work, as an action execution keeps it."""
        external_id = details.get("externalExecutionId")
        with self._database.read() as connection:
            custom = action_types.find(connection, work.job.scope, work.job.type)
        return {
            "summary": details.get("summary"),
            "percent_complete": details.get("percentComplete"),
            "updated_by": caller.arn,
            "external_id": external_id,
            "external_url": None
            if custom is None
            else custom.link("executionUrlTemplate", work.shown_configuration, external_id),
        }


def _action_type(connection: Connection, scope: Scope, kind: ActionType) -> CustomActionType:
    if kind.owner != "Custom":
        raise ValidationException(
            f"Jobs are polled for action types of the owner Custom only, not for {kind}"
        )
    custom = action_types.available(connection, scope, kind)
    if custom is None:
        raise ActionTypeNotFoundException(
            f"Account '{scope.account}' does not have the action type {kind} in {scope.region}, or"
            " it was deleted"
        )
    return custom


def _query_value(custom: CustomActionType, asked: Mapping[str, str]) -> str | None:
    key = custom.queryable_key
    if key is None and asked:
        raise ValidationException(
            f"{custom.type} has no queryable property: leave queryParam out, or empty"
        )
    if key is not None and key not in asked:
        raise ValidationException(
            f"{custom.type} has the queryable property '{key}': give the value that the jobs are to"
            " have in queryParam"
        )
    return None if key is None else asked[key]


def _checked_variables(parameters: Mapping[str, Any]) -> dict[str, str]:
    variables = dict(parameters.get("outputVariables") or {})
    if variables and parameters.get("continuationToken"):
        raise ValidationException(
            "outputVariables can be given only without a continuationToken, when the action ends"
        )
    size = sum(len(key.encode()) + len(value.encode()) for key, value in variables.items())
    if size > _VARIABLES_LIMIT:
        raise OutputVariablesSizeExceededException(
            f"The output variables take {size} bytes; {_VARIABLES_LIMIT} is the most"
        )
    return variables


def _missing_text(missing: list[Artifact]) -> str:
    told = ", ".join(f"{artifact.name} (objectKey {artifact.key})" for artifact in missing)
    return (
        f"The job worker reported success, but has not stored the output artifact {told}. It must"
        " be at the location that the job gives before PutJobSuccessResult"
    )


def _result(
    work: Work,
    noted: Mapping[str, Any],
    variables: Mapping[str, str],
    revision: Mapping[str, Any] | None,
) -> ActionResult:
    before = work.action_execution
    is_source = work.action.type.category == "Source"
    return ActionResult(
        summary=noted["summary"] or before.summary or "",
        external_execution_id=noted["external_id"] or before.external_id,
        external_execution_url=noted["external_url"] or before.external_url,
        artifacts=tuple(Artifact(name, key) for name, key in work.outputs.items()),
        revision=_source_revision(work, revision) if is_source and revision else None,
        variables=variables,
    )


def _source_revision(work: Work, revision: Mapping[str, Any]) -> SourceRevision:
    return SourceRevision(
        work.action.name,
        revision["revision"],
        revision.get("revisionSummary"),
        change_id=revision["changeIdentifier"],
        created=revision.get("created"),
    )
