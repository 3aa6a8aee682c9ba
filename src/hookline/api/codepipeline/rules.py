"""What the API tells of rules: their executions and their types."""

from collections.abc import Mapping
from typing import Any

from hookline.api.codepipeline.action_types import identifier
from hookline.api.codepipeline.condition_views import rule_execution_detail
from hookline.api.codepipeline.execution_pages import page_of_executions
from hookline.api.codepipeline.rule_types import RULE_TYPES, RuleType
from hookline.api.dependencies import Dependencies
from hookline.api.sigv4 import Caller
from hookline.model import ActionType


class RuleOperations:
    """The operations that list rules."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def list_rule_executions(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """A page of a pipeline's rule executions, the newest first."""
        shown, token = page_of_executions(
            self._dependencies, caller.scope, "ListRuleExecutions", parameters, rules=True
        )
        link_url = self._dependencies.settings.link_url
        return {
            "ruleExecutionDetails": [
                rule_execution_detail(pipeline, rule, link_url) for pipeline, rule in shown
            ],
            "nextToken": token,
        }

    def list_rule_types(self, _caller: Caller, _parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """The rule types of AWS, with their configuration: the same in every region."""
        return {"ruleTypes": [_rule_type(kind, known) for kind, known in RULE_TYPES.items()]}


def _rule_type(kind: ActionType, known: RuleType) -> dict[str, Any]:
    return {
        "id": identifier(kind),
        "ruleConfigurationProperties": [
            {
                "name": item.name,
                "required": item.required,
                "key": False,
                "secret": False,
                "queryable": False,
                "description": item.description,
                "type": "String",
            }
            for item in known.properties
        ],
        "inputArtifactDetails": {"minimumCount": 0, "maximumCount": known.most_inputs},
    }
