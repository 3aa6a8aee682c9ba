"""Every operation with every error that its model lists: a test, or why it can't occur (W4)."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from hookline.api.codepipeline.not_built import NOT_BUILT
from hookline.api.service import CODEPIPELINE
from support.broken_values import broken
from support.model_values import full
from support.server import Server, until
from support.tenant import Tenant, commands, declaration, source

TESTS = Path(__file__).parents[1]
OPERATIONS = list(CODEPIPELINE.operations)
SERIAL = "writes wait for each other, so none finds that another came between"
HERE = "wire/test_errors.py"
JOBS = "wire/test_jobs.py"
TAGS = "wire/test_tags.py"
TYPES = "wire/test_action_types.py"
PIPELINES = "wire/test_pipelines.py"
WEBHOOKS = "wire/test_webhooks.py"
EXECUTIONS = "wire/test_executions.py"
CONDITIONS = "wire/test_conditions.py"
APPROVALS = "wire/test_approvals.py"
STRUCTURE = "unit/api/test_pipeline_structure.py"

# Tests of this file that take every operation that is built and lists the error.
FOR_ALL = {
    "ValidationException": "test_w3_every_operation_checks_its_input",
    "PipelineNotFoundException": "test_w4_a_pipeline_that_is_not_there",
    "StageNotFoundException": "test_w4_a_stage_that_is_not_there",
    "WebhookNotFoundException": "test_w4_a_webhook_that_is_not_there",
    "InvalidNextTokenException": "test_w4_a_page_token_that_is_forged",
    "ResourceNotFoundException": "test_w4_a_resource_that_is_not_there",
    "InvalidArnException": "test_w4_an_arn_of_what_has_no_tags",
}

# By operation and error: `file::test` where a test raises it, else why it can't occur.
OTHERS: dict[tuple[str, str], str] = {
    ("CreatePipeline", "PipelineNameInUseException"): (
        f"{PIPELINES}::test_a_name_is_used_once_in_a_region"
    ),
    ("CreatePipeline", "InvalidStructureException"): (
        f"{PIPELINES}::test_a_refused_definition_changes_nothing"
    ),
    ("CreatePipeline", "TooManyTagsException"): (
        f"{PIPELINES}::test_a_refused_definition_changes_nothing"
    ),
    ("CreatePipeline", "InvalidTagsException"): (
        f"{PIPELINES}::test_a_refused_definition_changes_nothing"
    ),
    ("CreatePipeline", "LimitExceededException"): (
        f"{PIPELINES}::test_a_region_has_at_most_1000_pipelines"
    ),
    ("CreatePipeline", "InvalidStageDeclarationException"): (
        f"{HERE}::test_w4_a_declaration_is_refused_by_the_part_that_is_wrong"
    ),
    ("CreatePipeline", "InvalidActionDeclarationException"): (
        f"{HERE}::test_w4_a_declaration_is_refused_by_the_part_that_is_wrong"
    ),
    ("CreatePipeline", "InvalidBlockerDeclarationException"): (
        f"{HERE}::test_w4_a_declaration_is_refused_by_the_part_that_is_wrong"
    ),
    ("CreatePipeline", "ConcurrentModificationException"): SERIAL,
    ("UpdatePipeline", "InvalidStructureException"): (
        f"{PIPELINES}::test_a_refused_definition_changes_nothing"
    ),
    ("UpdatePipeline", "InvalidStageDeclarationException"): (
        f"{PIPELINES}::test_a_refused_definition_changes_nothing"
    ),
    ("UpdatePipeline", "InvalidActionDeclarationException"): (
        f"{HERE}::test_w4_a_declaration_is_refused_by_the_part_that_is_wrong"
    ),
    ("UpdatePipeline", "InvalidBlockerDeclarationException"): (
        f"{HERE}::test_w4_a_declaration_is_refused_by_the_part_that_is_wrong"
    ),
    ("UpdatePipeline", "LimitExceededException"): (
        f"{HERE}::test_w4_a_declaration_is_refused_by_the_part_that_is_wrong"
    ),
    ("DeletePipeline", "ConcurrentModificationException"): SERIAL,
    ("GetPipeline", "PipelineVersionNotFoundException"): (
        f"{PIPELINES}::test_what_is_not_there_is_not_found"
    ),
    ("GetPipelineExecution", "PipelineExecutionNotFoundException"): (
        f"{HERE}::test_w4_an_execution_that_is_not_there"
    ),
    ("ListActionExecutions", "PipelineExecutionNotFoundException"): (
        f"{HERE}::test_w4_an_execution_that_is_not_there"
    ),
    ("StartPipelineExecution", "ConcurrentPipelineExecutionsLimitExceededException"): (
        f"{HERE}::test_w4_more_executions_at_once_than_the_limit"
    ),
    ("StartPipelineExecution", "ConflictException"): (
        "a start only adds an execution, which waits for its turn while the pipeline is busy"
    ),
    ("ListRuleExecutions", "PipelineExecutionNotFoundException"): (
        f"{HERE}::test_w4_an_execution_that_is_not_there"
    ),
    ("ListRuleTypes", "InvalidNextTokenException"): "its input has no token",
    ("StopPipelineExecution", "PipelineExecutionNotStoppableException"): (
        f"{HERE}::test_w4_an_execution_that_cannot_be_stopped"
    ),
    ("StopPipelineExecution", "DuplicatedStopRequestException"): (
        f"{HERE}::test_w4_an_execution_that_is_stopping_already"
    ),
    ("StopPipelineExecution", "ConflictException"): SERIAL,
    ("RetryStageExecution", "StageNotRetryableException"): (
        f"{HERE}::test_w4_a_stage_that_cannot_be_retried"
    ),
    ("RetryStageExecution", "NotLatestPipelineExecutionException"): (
        f"{HERE}::test_w4_a_stage_that_another_execution_has_entered_since"
    ),
    ("RetryStageExecution", "ConcurrentPipelineExecutionsLimitExceededException"): (
        f"{HERE}::test_w4_more_executions_at_once_than_the_limit"
    ),
    ("RetryStageExecution", "ConflictException"): SERIAL,
    ("PutActionRevision", "ActionNotFoundException"): (
        f"{EXECUTIONS}::test_a_revision_is_put_only_to_a_source_action"
    ),
    ("PutActionRevision", "ConcurrentPipelineExecutionsLimitExceededException"): (
        f"{HERE}::test_w4_more_executions_at_once_than_the_limit"
    ),
    ("PutApprovalResult", "InvalidApprovalTokenException"): (
        f"{APPROVALS}::test_who_may_not_answer"
    ),
    ("PutApprovalResult", "ActionNotFoundException"): f"{APPROVALS}::test_who_may_not_answer",
    ("PutApprovalResult", "ApprovalAlreadyCompletedException"): (
        f"{APPROVALS}::test_an_approval_lets_the_stage_go_on"
    ),
    ("OverrideStageCondition", "ConditionNotOverridableException"): (
        f"{CONDITIONS}::test_who_and_what_can_be_overridden"
    ),
    ("OverrideStageCondition", "NotLatestPipelineExecutionException"): (
        f"{CONDITIONS}::test_who_and_what_can_be_overridden"
    ),
    ("OverrideStageCondition", "ConcurrentPipelineExecutionsLimitExceededException"): (
        f"{HERE}::test_w4_more_executions_at_once_than_the_limit"
    ),
    ("OverrideStageCondition", "ConflictException"): SERIAL,
    ("RollbackStage", "PipelineExecutionNotFoundException"): (
        f"{HERE}::test_w4_an_execution_that_is_not_there"
    ),
    ("RollbackStage", "PipelineExecutionOutdatedException"): (
        f"{HERE}::test_w4_a_stage_that_cannot_be_rolled_back"
    ),
    ("RollbackStage", "UnableToRollbackStageException"): (
        f"{HERE}::test_w4_a_stage_that_cannot_be_rolled_back"
    ),
    ("RollbackStage", "ConflictException"): SERIAL,
    ("PutWebhook", "LimitExceededException"): (
        f"{WEBHOOKS}::test_p8_a_region_has_at_most_300_webhooks"
    ),
    ("PutWebhook", "InvalidWebhookFilterPatternException"): (
        f"{WEBHOOKS}::test_p6_a_path_that_cannot_be_used_is_named"
    ),
    ("PutWebhook", "InvalidWebhookAuthenticationParametersException"): (
        f"{WEBHOOKS}::test_p7_each_authentication_takes_its_own_configuration"
    ),
    ("PutWebhook", "TooManyTagsException"): f"{WEBHOOKS}::test_p8_tags_have_limits",
    ("PutWebhook", "InvalidTagsException"): f"{WEBHOOKS}::test_p8_tags_have_limits",
    ("PutWebhook", "ConcurrentModificationException"): SERIAL,
    ("DeleteWebhook", "ConcurrentModificationException"): SERIAL,
    ("CreateCustomActionType", "LimitExceededException"): (
        f"{TYPES}::test_a_region_has_at_most_50_and_lists_them_by_page"
    ),
    ("CreateCustomActionType", "TooManyTagsException"): (
        f"{TYPES}::test_p8_tags_of_action_types_have_their_limits"
    ),
    ("CreateCustomActionType", "InvalidTagsException"): (
        f"{TYPES}::test_p8_tags_of_action_types_have_their_limits"
    ),
    ("CreateCustomActionType", "ConcurrentModificationException"): SERIAL,
    ("DeleteCustomActionType", "ConcurrentModificationException"): SERIAL,
    ("GetActionType", "ActionTypeNotFoundException"): (
        f"{TYPES}::test_types_of_integration_models_are_not_found"
    ),
    ("UpdateActionType", "ActionTypeNotFoundException"): (
        f"{TYPES}::test_types_of_integration_models_are_not_found"
    ),
    ("UpdateActionType", "RequestFailedException"): (
        "no action type of an integration model is there to be updated"
    ),
    ("PollForJobs", "ActionTypeNotFoundException"): (
        f"{JOBS}::test_a_worker_that_asks_wrongly_is_told_so"
    ),
    ("AcknowledgeJob", "InvalidNonceException"): (
        f"{JOBS}::test_a_worker_that_asks_wrongly_is_told_so"
    ),
    ("AcknowledgeJob", "JobNotFoundException"): (
        f"{JOBS}::test_a_worker_that_asks_wrongly_is_told_so"
    ),
    ("GetJobDetails", "JobNotFoundException"): (
        f"{JOBS}::test_a_worker_that_asks_wrongly_is_told_so"
    ),
    ("PutJobSuccessResult", "JobNotFoundException"): (
        f"{JOBS}::test_a_worker_that_asks_wrongly_is_told_so"
    ),
    ("PutJobSuccessResult", "InvalidJobStateException"): (
        f"{JOBS}::test_a_worker_that_asks_wrongly_is_told_so"
    ),
    ("PutJobSuccessResult", "OutputVariablesSizeExceededException"): (
        f"{JOBS}::test_a_worker_that_asks_wrongly_is_told_so"
    ),
    ("PutJobFailureResult", "JobNotFoundException"): (
        f"{JOBS}::test_a_worker_that_asks_wrongly_is_told_so"
    ),
    ("PutJobFailureResult", "InvalidJobStateException"): (
        f"{JOBS}::test_a_worker_that_asks_wrongly_is_told_so"
    ),
    ("TagResource", "TooManyTagsException"): f"{TAGS}::test_p8_tags_have_their_limits",
    ("TagResource", "InvalidTagsException"): f"{TAGS}::test_p8_tags_have_their_limits",
    ("TagResource", "ConcurrentModificationException"): SERIAL,
    ("UntagResource", "InvalidTagsException"): (
        "a key that no tag can have is no tag to remove, and that is no error"
    ),
    ("UntagResource", "ConcurrentModificationException"): SERIAL,
}


def is_built(operation: str) -> bool:
    return operation not in NOT_BUILT


def errors_of(operation: str) -> Iterator[str]:
    return (shape.name for shape in CODEPIPELINE.operations[operation].model.error_shapes)


def built_with(error: str) -> list[str]:
    return [name for name in OPERATIONS if is_built(name) and error in errors_of(name)]


def answer_for(operation: str, error: str) -> str | None:
    """The test of an error, or the reason why there is none, or None where there is neither."""
    if not is_built(operation):
        return f"Hookline does not build {operation} yet: {NOT_BUILT[operation]}"
    if (operation, error) in OTHERS:
        return OTHERS[operation, error]
    return f"{HERE}::{FOR_ALL[error]}" if error in FOR_ALL else None


@cache
def names_in(file: str) -> frozenset[str]:
    return frozenset(re.findall(r"^def (test_\w+)\(", (TESTS / file).read_text(), re.MULTILINE))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_w4_each_error_has_a_test_or_a_reason(operation: str) -> None:
    for error in errors_of(operation):
        answer = answer_for(operation, error)
        assert answer is not None, f"{operation} and {error}: neither a test nor a reason"
        file, is_test, name = answer.partition("::")
        assert not is_test or name in names_in(file), f"{answer} is no test"


def test_w4_the_table_names_nothing_that_is_not_in_the_model() -> None:
    known = {(operation, error) for operation in OPERATIONS for error in errors_of(operation)}
    assert set(OTHERS) <= known
    assert all(built_with(error) or not is_built(name) for name, error in OTHERS)


class Caller:
    """Calls any operation of a tenant, checked by the server alone."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self._client = server.client(tenant.region, parameter_validation=False)

    def code(self, operation: str, parameters: Any) -> str:
        """The error of a call: its code, once botocore has found the typed class of it."""
        with pytest.raises(ClientError) as caught:
            getattr(self._client, xform_name(operation))(**parameters)
        code = str(caught.value.response["Error"]["Code"])
        assert type(caught.value) is getattr(self._client.exceptions, code)
        return code


@pytest.fixture
def caller(server: Server, tenant: Tenant) -> Caller:
    return Caller(server, tenant)


def parameters_of(operation: str, **changes: Any) -> dict[str, Any]:
    """Every parameter, valid by the model; then the changes that the operation has members for."""
    parameters = dict(full(CODEPIPELINE.operations[operation].input_shape))
    if operation == "PutWebhook":
        definition = parameters["webhook"]
        parameters["webhook"] = {
            **definition,
            "filters": [{"jsonPath": "$.ref"}],
            "authentication": "UNAUTHENTICATED",
            "authenticationConfiguration": {},
        }
    known = CODEPIPELINE.operations[operation].input_shape.members
    return parameters | {key: value for key, value in changes.items() if key in known}


def with_pipeline(operation: str, name: str, **changes: Any) -> dict[str, Any]:
    key = (
        "pipelineName"
        if "pipelineName" in CODEPIPELINE.operations[operation].input_shape.members
        else "name"
    )
    return parameters_of(operation, **{key: name}, **changes)


@pytest.mark.parametrize("operation", built_with("ValidationException"))
def test_w3_every_operation_checks_its_input(caller: Caller, operation: str) -> None:
    shape = CODEPIPELINE.operations[operation].input_shape
    parameters, _ = next(broken(shape, full(shape), ""))
    assert caller.code(operation, parameters) == "ValidationException"


@pytest.mark.parametrize("operation", built_with("PipelineNotFoundException"))
def test_w4_a_pipeline_that_is_not_there(caller: Caller, operation: str) -> None:
    parameters = with_pipeline(operation, "absent")
    assert caller.code(operation, parameters) == "PipelineNotFoundException"


@pytest.mark.parametrize("operation", built_with("StageNotFoundException"))
def test_w4_a_stage_that_is_not_there(caller: Caller, tenant: Tenant, operation: str) -> None:
    name = tenant.idle_pipeline()
    execution_id = tenant.client.start_pipeline_execution(name=name)["pipelineExecutionId"]
    tenant.finished(name, execution_id)
    parameters = with_pipeline(
        operation,
        name,
        stageName="Absent",
        pipelineExecutionId=execution_id,
        targetPipelineExecutionId=execution_id,
    )
    assert caller.code(operation, parameters) == "StageNotFoundException"


@pytest.mark.parametrize("operation", built_with("WebhookNotFoundException"))
def test_w4_a_webhook_that_is_not_there(caller: Caller, operation: str) -> None:
    assert caller.code(operation, {"webhookName": "absent"}) == "WebhookNotFoundException"


@pytest.mark.parametrize(
    "operation",
    [
        name
        for name in built_with("InvalidNextTokenException")
        if {"nextToken", "NextToken"} & set(CODEPIPELINE.operations[name].input_shape.members)
    ],
)
def test_w4_a_page_token_that_is_forged(caller: Caller, tenant: Tenant, operation: str) -> None:
    name = tenant.idle_pipeline()
    arn = tenant.client.get_pipeline(name=name)["metadata"]["pipelineArn"]
    given = {"pipelineName": name, "resourceArn": arn, "nextToken": "forged", "NextToken": "forged"}
    members = CODEPIPELINE.operations[operation].input_shape.members
    parameters = {key: value for key, value in given.items() if key in members}
    assert caller.code(operation, parameters) == "InvalidNextTokenException"


@pytest.mark.parametrize("operation", built_with("ResourceNotFoundException"))
@pytest.mark.parametrize(
    "resource", ["absent", "webhook:absent", "actiontype:Custom/Build/Absent/1"]
)
def test_w4_a_resource_that_is_not_there(
    caller: Caller, tenant: Tenant, operation: str, resource: str
) -> None:
    arn = f"arn:aws:codepipeline:{tenant.region}:000000000000:{resource}"
    parameters = parameters_of(operation, resourceArn=arn)
    assert caller.code(operation, parameters) == "ResourceNotFoundException"


@pytest.mark.parametrize("operation", built_with("InvalidArnException"))
def test_w4_an_arn_of_what_has_no_tags(caller: Caller, operation: str) -> None:
    arn = "arn:aws:codepipeline:us-east-1:000000000000:rule:x"
    parameters = parameters_of(operation, resourceArn=arn)
    assert caller.code(operation, parameters) == "InvalidArnException"


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("GetPipelineExecution", {}),
        ("ListActionExecutions", {}),
        ("ListRuleExecutions", {}),
        ("RollbackStage", {"stageName": "Build"}),
    ],
)
def test_w4_an_execution_that_is_not_there(
    caller: Caller, tenant: Tenant, operation: str, more: dict[str, str]
) -> None:
    one, other = tenant.idle_pipeline(), tenant.idle_pipeline()
    of_other = tenant.client.start_pipeline_execution(name=other)["pipelineExecutionId"]
    members = CODEPIPELINE.operations[operation].input_shape.members
    for execution_id in ("01234567-89ab-7def-8123-456789abcdef", of_other):
        given = {
            "pipelineExecutionId": execution_id,
            "targetPipelineExecutionId": execution_id,
            "filter": {"pipelineExecutionId": execution_id},
        }
        parameters = {key: value for key, value in given.items() if key in members}
        code = caller.code(operation, {"pipelineName": one, **parameters, **more})
        assert code == "PipelineExecutionNotFoundException"


def run(tenant: Tenant, name: str) -> str:
    """An execution that has ended."""
    execution_id = str(tenant.client.start_pipeline_execution(name=name)["pipelineExecutionId"])
    tenant.finished(name, execution_id)
    return execution_id


def test_w4_an_execution_that_cannot_be_stopped(caller: Caller, tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    given = {"pipelineName": name, "pipelineExecutionId": run(tenant, name)}
    assert caller.code("StopPipelineExecution", given) == "PipelineExecutionNotStoppableException"


def test_w4_an_execution_that_is_stopping_already(caller: Caller, tenant: Tenant) -> None:
    name = tenant.pipeline(("Build", commands("Wait", "sleep 60")))
    execution_id = tenant.client.start_pipeline_execution(name=name)["pipelineExecutionId"]
    assert until(lambda: "Wait" in tenant.actions(name, execution_id), 20)
    given = {"pipelineName": name, "pipelineExecutionId": execution_id}
    tenant.client.stop_pipeline_execution(**given)
    assert caller.code("StopPipelineExecution", given) == "DuplicatedStopRequestException"
    tenant.client.stop_pipeline_execution(**given, abandon=True)


def test_w4_a_stage_that_cannot_be_retried(caller: Caller, tenant: Tenant) -> None:
    name = tenant.idle_pipeline()
    given = {"pipelineName": name, "retryMode": "ALL_ACTIONS", "stageName": "Build"}
    for execution_id in (run(tenant, name), "01234567-89ab-7def-8123-456789abcdef"):
        code = caller.code("RetryStageExecution", {**given, "pipelineExecutionId": execution_id})
        assert code == "StageNotRetryableException"


def test_w4_a_stage_that_another_execution_has_entered_since(
    caller: Caller, tenant: Tenant
) -> None:
    name = tenant.idle_pipeline()
    first, _ = run(tenant, name), run(tenant, name)
    given = {"pipelineName": name, "retryMode": "ALL_ACTIONS", "stageName": "Source"}
    code = caller.code("RetryStageExecution", {**given, "pipelineExecutionId": first})
    assert code == "NotLatestPipelineExecutionException"


def test_w4_a_stage_that_cannot_be_rolled_back(caller: Caller, tenant: Tenant) -> None:
    name = tenant.pipeline()
    given = {"pipelineName": name, "targetPipelineExecutionId": run(tenant, name)}
    first = {**given, "stageName": "Source"}
    assert caller.code("RollbackStage", first) == "UnableToRollbackStageException"
    changed = declaration(name, tenant.source(), ("Build", commands("Make", "echo changed")))
    tenant.client.update_pipeline(pipeline=changed)
    outdated = {**given, "stageName": "Build"}
    assert caller.code("RollbackStage", outdated) == "PipelineExecutionOutdatedException"


BUILD = ("Build", commands("Make", "true"))
BLOCKED = {
    "name": "Build",
    "actions": [commands("Make", "true")],
    "blockers": [{"name": "b", "type": "Schedule"}],
}


@pytest.mark.parametrize("operation", ["CreatePipeline", "UpdatePipeline"])
@pytest.mark.parametrize(
    ("stages", "code"),
    [
        ([], "InvalidStructureException"),
        ([BUILD, BUILD], "InvalidStageDeclarationException"),
        (
            [("Build", commands("Make", "true", inputArtifacts=[{"name": "Missing"}]))],
            "InvalidActionDeclarationException",
        ),
        ([BLOCKED], "InvalidBlockerDeclarationException"),
        (
            [(f"Stage-{number}", commands("Make", "true")) for number in range(60)],
            "LimitExceededException",
        ),
    ],
)
def test_w4_a_declaration_is_refused_by_the_part_that_is_wrong(
    caller: Caller, tenant: Tenant, operation: str, stages: list[Any], code: str
) -> None:
    name = "absent" if operation == "CreatePipeline" else tenant.idle_pipeline()
    declared = declaration(name, source(), *(item for item in stages if isinstance(item, tuple)))
    declared["stages"] += [item for item in stages if isinstance(item, dict)]
    assert caller.code(operation, {"pipeline": declared}) == code


def test_w4_more_executions_at_once_than_the_limit(
    caller: Caller, tenant: Tenant, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    slow = ("Build", commands("Wait", f"test -e {flag} && sleep 60"))
    name = tenant.pipeline(slow, pipelineType="V2", executionMode="QUEUED")
    failed = run(tenant, name)
    flag.touch()
    begun = [tenant.client.start_pipeline_execution(name=name) for _ in range(50)]
    stage = {"pipelineName": name, "stageName": "Build"}
    retry = {**stage, "retryMode": "ALL_ACTIONS"}
    override = {**stage, "conditionType": "BEFORE_ENTRY"}
    change = {"revisionId": "0" * 40, "revisionChangeId": "change", "created": 0}
    place = {"pipelineName": name, "stageName": "Source", "actionName": "App"}
    revision = {**place, "actionRevision": change}
    for operation, parameters in (
        ("StartPipelineExecution", {"name": name}),
        ("RetryStageExecution", {**retry, "pipelineExecutionId": failed}),
        ("OverrideStageCondition", {**override, "pipelineExecutionId": failed}),
        ("PutActionRevision", revision),
    ):
        code = caller.code(operation, parameters)
        assert code == "ConcurrentPipelineExecutionsLimitExceededException"
    # What is in progress already is none more.
    active = {"pipelineExecutionId": begun[0]["pipelineExecutionId"]}
    assert caller.code("RetryStageExecution", {**retry, **active}) == "StageNotRetryableException"
    code = caller.code("OverrideStageCondition", {**override, **active})
    assert code == "ConditionNotOverridableException"
    tenant.client.delete_pipeline(name=name)
