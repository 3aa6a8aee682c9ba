"""What the API tells of rules: their executions and their types."""

from collections.abc import Mapping
from typing import Any

from hookline.api.codepipeline.action_types import identifier
from hookline.api.codepipeline.condition_views import rule_execution_detail
from hookline.api.codepipeline.lookups import find_execution, find_pipeline
from hookline.api.codepipeline.rule_types import RULE_TYPES, RuleType
from hookline.api.listing import page_query, wanted_executions
from hookline.api.services import Services
from hookline.api.sigv4 import Caller
from hookline.model import ActionType
from hookline.store import action_executions, pipelines

_PAGE = 100


class RuleOperations:
    """The operations that list rules."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._page_tokens = services.page_tokens
        self._link_url = services.settings.link_url

    def list_rule_executions(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """A page of a pipeline's rule executions, the newest first."""
        query = page_query("ListRuleExecutions", parameters)
        limit, token = parameters.get("maxResults", _PAGE), parameters.get("nextToken")
        wanted = wanted_executions(parameters.get("filter", {}), rules=True)
        with self._database.read() as connection:
            pipeline = find_pipeline(connection, caller.scope, parameters["pipelineName"])
            if wanted.execution_id is not None:
                find_execution(connection, pipeline, wanted.execution_id)
            position = token and self._page_tokens.decode(caller.scope, query, token)
            before = (position[0], position[1]) if position else None
            found = action_executions.page(connection, pipeline.id, wanted, before, limit + 1)
            declared = {
                version: pipelines.get(connection, pipeline.id, version) or pipeline
                for version in {rule.pipeline_version for rule in found}
            }
        shown = found[:limit]
        answer: dict[str, Any] = {
            "ruleExecutionDetails": [
                rule_execution_detail(declared[rule.pipeline_version], rule, self._link_url)
                for rule in shown
            ]
        }
        if len(found) > limit:
            position = [shown[-1].started_at, shown[-1].id]
            answer["nextToken"] = self._page_tokens.encode(caller.scope, query, position)
        return answer

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
