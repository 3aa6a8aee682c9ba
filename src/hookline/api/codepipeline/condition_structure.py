"""Checks the conditions of a pipeline's stages, and their rules, before they are kept."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from hookline.actions.variable_check import OPERATORS, pattern
from hookline.api.codepipeline.rule_types import (
    COMMANDS_RULE,
    DEPLOYMENT_WINDOW,
    RULE_TYPES,
    VARIABLE_CHECK,
    RuleType,
)
from hookline.cron import Cron, CronError, time_zone
from hookline.errors import ActionError, InvalidStageDeclarationException
from hookline.model import CONDITION_MEMBERS, Action, ConditionType, Result, Stage

_REFERENCE = "#{"


def check_conditions(stages: Iterable[Stage], declared: Iterable[Mapping[str, Any]]) -> None:
    """Check the conditions of all stages, which satisfy the constraints of the service model.

    Raises:
        InvalidStageDeclarationException: one can't be used; says which and why.
    """
    made: set[str] = set()
    for number, (stage, raw) in enumerate(zip(stages, declared, strict=True)):
        before = frozenset(made)
        made |= {output.name for action in stage.actions for output in action.output_artifacts}
        for kind, member in CONDITION_MEMBERS.items():
            where = f"Stage '{stage.name}' has {member}"
            if reason := _objection_to_results(kind, raw.get(member), is_first=number == 0):
                raise InvalidStageDeclarationException(f"{where} with {reason}")
            artifacts = before if kind is ConditionType.BEFORE_ENTRY else made
            if reason := _objection_to_condition(stage, kind, artifacts):
                raise InvalidStageDeclarationException(f"{where} with {reason}")


def _objection_to_results(
    kind: ConditionType, declared: Mapping[str, Any] | None, *, is_first: bool
) -> str | None:
    if declared is None:
        return None
    results = {item.get("result") for item in (declared, *declared.get("conditions", ()))}
    refused = dict(_REFUSED_RESULTS[kind])
    if is_first:
        refused["ROLLBACK"] = "which the first stage can't have"
    for result, reason in refused.items():
        if result in results:
            return f"the result {result}, {reason}"
    if declared.get("retryConfiguration") and "RETRY" not in results:
        return "a retryConfiguration, which goes with the result RETRY"
    return None


_ONLY_ON_FAILURE = "which only onFailure can have"
_REFUSED_RESULTS: Mapping[ConditionType, Mapping[str, str]] = {
    ConditionType.BEFORE_ENTRY: {
        "RETRY": _ONLY_ON_FAILURE,
        "ROLLBACK": "which beforeEntry can't have",
    },
    ConditionType.ON_SUCCESS: {
        "RETRY": _ONLY_ON_FAILURE,
        "SKIP": "which a stage that has run can't have",
    },
    ConditionType.ON_FAILURE: {},
}


def _objection_to_condition(
    stage: Stage, kind: ConditionType, artifacts: Collection[str]
) -> str | None:
    condition = stage.conditions.get(kind)
    if condition is None:
        return None
    if not condition.rules:
        return "a condition without rules"
    if name := _repeated(rule.name for rule in condition.rules):
        return f"more than one rule '{name}'. Rule names must be unique"
    skips = kind is ConditionType.BEFORE_ENTRY and condition.result is Result.SKIP
    for rule in condition.rules:
        if reason := _objection_to_rule(rule, artifacts, skips=skips):
            return f"the rule '{rule.name}', which {reason}"
    return None


def _repeated(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _objection_to_rule(rule: Action, artifacts: Collection[str], *, skips: bool) -> str | None:
    known = RULE_TYPES.get(rule.type)
    if known is None:
        providers = ", ".join(kind.provider for kind in RULE_TYPES)
        return f"has the rule type {rule.type}, which does not exist; providers are {providers}"
    if skips and not known.may_skip:
        return f"can't go with the result SKIP: {_SKIPPING} can"
    return (
        _objection_to_keys(rule, known)
        or _objection_to_commands(rule)
        or _objection_to_inputs(rule, known, artifacts)
        or _objection_to_values(rule)
    )


_SKIPPING = " and ".join(kind.provider for kind, known in RULE_TYPES.items() if known.may_skip)


def _objection_to_keys(rule: Action, known: RuleType) -> str | None:
    names = {item.name for item in known.properties}
    unknown = sorted(set(rule.configuration) - names)
    if unknown and known.is_closed:
        return f"has the configuration key {unknown[0]}, which {rule.type.provider} does not know"
    missing = [
        item.name
        for item in known.properties
        if item.required and item.name not in rule.configuration
    ]
    return f"needs the configuration key {missing[0]}" if missing else None


def _objection_to_commands(rule: Action) -> str | None:
    if rule.type == COMMANDS_RULE and not rule.commands:
        return "has no commands"
    if rule.type != COMMANDS_RULE and rule.commands:
        return "has commands, which only rules with the provider Commands can have"
    return None


def _objection_to_inputs(rule: Action, known: RuleType, artifacts: Collection[str]) -> str | None:
    if len(rule.input_artifacts) > known.most_inputs:
        count = f"{len(rule.input_artifacts)} input artifacts"
        return f"has {count}; {rule.type.provider} takes {known.most_inputs} at most"
    for name in rule.input_artifacts:
        if name not in artifacts:
            return f"needs the input artifact '{name}', which no action makes before it"
    return None


def _objection_to_values(rule: Action) -> str | None:
    check = _VALUE_CHECKS.get(rule.type)
    if check is None:
        return None
    try:
        return check(rule.configuration)
    except (CronError, ActionError) as error:
        return f"can't be used: {error}"


def _check_window(configuration: Mapping[str, str]) -> None:
    if _REFERENCE not in configuration["Cron"]:
        Cron(configuration["Cron"])
    if _REFERENCE not in configuration.get("TimeZone", "UTC"):
        time_zone(configuration.get("TimeZone", "UTC"))


def _check_comparison(configuration: Mapping[str, str]) -> str | None:
    operator, value = configuration["Operator"], configuration["Value"]
    if _REFERENCE not in operator and operator not in OPERATORS:
        return f"has the Operator '{operator}'; use one of {', '.join(OPERATORS)}"
    if operator == "MATCHES" and _REFERENCE not in value:
        pattern(value)
    return None


_VALUE_CHECKS: Mapping[Any, Callable[[Mapping[str, str]], str | None]] = {
    DEPLOYMENT_WINDOW: _check_window,
    VARIABLE_CHECK: _check_comparison,
}
