"""Rules of stage conditions: Hookline runs none, so none was ever executed."""

from collections.abc import Mapping
from typing import Any

from hookline.api.lookups import find_execution, find_pipeline
from hookline.api.services import Services
from hookline.errors import InvalidNextTokenException
from hookline.model import Scope


class RuleOperations:
    """The operations that list rules."""

    def __init__(self, services: Services) -> None:
        self._database = services.database

    def list_rule_executions(
        self, scope: Scope, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """No executions of rules, of a pipeline and execution that exist."""
        filters = parameters.get("filter", {})
        latest = filters.get("latestInPipelineExecution", {})
        ids = {filters.get("pipelineExecutionId"), latest.get("pipelineExecutionId")} - {None}
        with self._database.read() as connection:
            pipeline = find_pipeline(connection, scope, parameters["pipelineName"])
            for execution_id in ids:
                find_execution(connection, pipeline, execution_id)
        if "nextToken" in parameters:
            # There is no second page that a token could be from.
            raise InvalidNextTokenException
        return {"ruleExecutionDetails": []}

    def list_rule_types(self, scope: Scope, parameters: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002 - a handler's signature
        """No types of rules."""
        return {"ruleTypes": []}
