"""Ends actions that wait for a person's approval."""

import time

from sqlalchemy import Connection

from hookline.actions.provider import ActionResult
from hookline.errors import ApprovalAlreadyCompletedException, InvalidApprovalTokenException
from hookline.executions.finish import Rejected, end
from hookline.model import Pipeline
from hookline.store import action_executions


def answer(  # noqa: PLR0913 - what an answer consists of
    connection: Connection,
    pipeline: Pipeline,
    place: tuple[str, str],
    token: str,
    *,
    approved: bool,
    summary: str,
    by: str,
) -> float:
    """Approve or reject the action at `place` (stage, action) that waits under `token`; when.

    The pipeline must be locked by the transaction. A rejected action fails. `by` is an ARN.

    Raises:
        InvalidApprovalTokenException: the action does not ask under this token.
        ApprovalAlreadyCompletedException: it was answered, its time ran out, or it was abandoned.
    """
    asked = action_executions.find_by_token(connection, pipeline.id, token)
    if asked is None or (asked.stage_name, asked.action_name) != place:
        raise InvalidApprovalTokenException(
            f"The action '{place[1]}' in stage '{place[0]}' does not wait for an approval with "
            "this token; GetPipelineState tells the token of an open approval"
        )
    if not asked.waits:
        raise ApprovalAlreadyCompletedException(
            f"The approval of action '{place[1]}' was completed: it is {asked.status.value}"
        )
    approval = ActionResult(
        summary, external_execution_id=asked.external_id, external_execution_url=asked.external_url
    )
    end(connection, asked, approval if approved else Rejected(summary), updated_by=by)
    return time.time()
