"""What lists of executions share: their filters, and what their page tokens are bound to."""

from collections.abc import Mapping
from typing import Any

import orjson

from hookline.errors import ValidationException
from hookline.store.action_executions import Wanted

_LATEST = "latestInPipelineExecution"


def page_query(operation: str, parameters: Mapping[str, Any]) -> str:
    """What a page token is bound to: a position in other results would mean nothing."""
    asked = {
        name: value for name, value in parameters.items() if name not in {"nextToken", "maxResults"}
    }
    return f"{operation} {orjson.dumps(asked, option=orjson.OPT_SORT_KEYS).decode()}"


def wanted_executions(filters: Mapping[str, Any], *, rules: bool = False) -> Wanted:
    """The filter of ListActionExecutions, or with `rules` of ListRuleExecutions.

    Raises:
        ValidationException: its two members name different executions.
    """
    execution_id, latest = filters.get("pipelineExecutionId"), filters.get(_LATEST)
    if latest is None:
        return Wanted(rules, execution_id)
    if execution_id is not None and execution_id != latest["pipelineExecutionId"]:
        raise ValidationException(
            f"The filters pipelineExecutionId and {_LATEST} name different executions"
        )
    return Wanted(rules, latest["pipelineExecutionId"], latest["startTimeRange"] == "Latest")
