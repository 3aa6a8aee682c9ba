"""Actions that others end: a person, through PutApprovalResult, or a job worker."""

import uuid

from hookline.actions.provider import ActionContext, Waiting

# Of AWS: CodePipeline quotas, "Length of time before an approval action times out", and "Length of
# time before an action times out", custom actions.
_WEEK_S, _DAY_S = 7 * 86_400.0, 86_400.0


class ManualApproval:
    """Waits for a person, for a week unless the action says otherwise."""

    def run(self, context: ActionContext) -> Waiting:
        """See Provider."""
        return Waiting(str(uuid.uuid4()), time_limit(context, _WEEK_S))


class JobWorkers:
    """Waits for a job worker, for a day unless the action says otherwise."""

    def run(self, context: ActionContext) -> Waiting:
        """See Provider."""
        return Waiting(str(uuid.uuid4()), time_limit(context, _DAY_S), by_worker=True)


def time_limit(context: ActionContext, default: float) -> float:
    """Seconds that an action may wait: what its definition says, or else `default`."""
    minutes = context.action.timeout_minutes
    return default if minutes is None else minutes * 60.0
