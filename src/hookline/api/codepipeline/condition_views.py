"""Conditions of stages and executions of their rules, in the API's own shapes."""

from collections.abc import Iterable, Mapping
from typing import Any

from hookline.api.action_logs import log_url
from hookline.api.codepipeline.execution_views import artifact_details, cut, error_details
from hookline.executions.take import declared_action
from hookline.model import CONDITION_MEMBERS, Action, Condition, ConditionType, Pipeline, Stage
from hookline.store.action_executions import ActionExecution
from hookline.store.condition_executions import ConditionExecution

_STATES = {
    ConditionType.BEFORE_ENTRY: "beforeEntryConditionState",
    ConditionType.ON_SUCCESS: "onSuccessConditionState",
    ConditionType.ON_FAILURE: "onFailureConditionState",
}

Asked = Mapping[tuple[str, ConditionType], ConditionExecution | None]


def condition_states(
    stage: Stage, asked: Asked, executed: Iterable[ActionExecution], address: str
) -> dict[str, Any]:
    """The members of a StageState that tell of its conditions, as they were last checked.

    `address` is the API's.
    """
    rules = {
        (rule.stage_execution_id, rule.condition_type, rule.action_name): rule
        for rule in executed
        if rule.has_begun
    }
    states: dict[str, Any] = {}
    for kind, condition in stage.conditions.items():
        execution = asked.get((stage.name, kind))
        found = {
            name: rule
            for (stage_execution_id, of, name), rule in rules.items()
            if execution is not None
            and (stage_execution_id, of) == (execution.stage_execution_id, kind)
        }
        states[_STATES[kind]] = _stage_condition_state(condition, execution, found, address)
    return states


def _stage_condition_state(
    condition: Condition,
    execution: ConditionExecution | None,
    rules: Mapping[str, ActionExecution],
    address: str,
) -> dict[str, Any]:
    state: dict[str, Any] = {
        "ruleStates": [_rule_state(rule, rules.get(rule.name), address) for rule in condition.rules]
    }
    if execution is None:
        return {"conditionStates": [state]}
    latest = {"status": execution.status.value, "summary": cut(execution.summary)}
    state["latestExecution"] = {**latest, "lastStatusChange": execution.updated_at}
    return {"latestExecution": latest, "conditionStates": [state]}


def _rule_state(declared: Action, rule: ActionExecution | None, address: str) -> dict[str, Any]:
    if rule is None:
        return {"ruleName": declared.name}
    return {
        "ruleName": declared.name,
        "latestExecution": {
            "ruleExecutionId": rule.id,
            "status": rule.status.value,
            "summary": cut(rule.summary),
            "lastStatusChange": rule.updated_at,
            "externalExecutionUrl": log_url(address, rule, declared.type),
            "errorDetails": error_details(rule),
        },
    }


def rule_execution_detail(
    pipeline: Pipeline, rule: ActionExecution, address: str
) -> dict[str, Any]:
    """A RuleExecutionDetail; `pipeline` in the version of the execution, `address` the API's."""
    declared = _declared(pipeline, rule)
    kind = declared.get("ruleTypeId", {})
    configuration = declared.get("configuration", {})
    return {
        "pipelineExecutionId": rule.execution_id,
        "ruleExecutionId": rule.id,
        "pipelineVersion": rule.pipeline_version,
        "stageName": rule.stage_name,
        "ruleName": rule.action_name,
        "startTime": rule.started_at,
        "lastUpdateTime": rule.updated_at,
        "status": rule.status.value,
        "input": {
            "ruleTypeId": {"owner": "AWS", "version": "1", **kind},
            "configuration": configuration,
            "resolvedConfiguration": {**configuration, **rule.resolved},
            "roleArn": declared.get("roleArn"),
            "region": declared.get("region", pipeline.scope.region),
            "inputArtifacts": artifact_details(pipeline, rule.inputs),
        },
        "output": {
            "executionResult": {
                "externalExecutionSummary": cut(rule.summary),
                "externalExecutionUrl": log_url(
                    address, rule, declared_action(pipeline, rule).type
                ),
                "errorDetails": error_details(rule),
            }
        },
    }


def _declared(pipeline: Pipeline, rule: ActionExecution) -> Mapping[str, Any]:
    return next(
        (
            declared
            for stage in pipeline.declaration["stages"]
            if stage["name"] == rule.stage_name
            for kind, member in CONDITION_MEMBERS.items()
            if kind is rule.condition_type
            for condition in stage.get(member, {}).get("conditions", ())
            for declared in condition.get("rules", ())
            if declared["name"] == rule.action_name
        ),
        {},
    )
