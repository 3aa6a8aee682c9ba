"""Actions of custom types: a job worker ends them, with the result of its job."""

import uuid

from hookline.actions.provider import ActionContext, Waiting

# Of AWS: CodePipeline quotas, "Length of time before an action times out", custom actions.
_DAY_S = 86_400.0


class JobWorkers:
    """Waits for a job worker, for a day unless the action says otherwise."""

    def run(self, context: ActionContext) -> Waiting:
        """See Provider."""
        minutes = context.action.timeout_minutes
        limit = _DAY_S if minutes is None else minutes * 60.0
        return Waiting(str(uuid.uuid4()), limit, by_worker=True)
