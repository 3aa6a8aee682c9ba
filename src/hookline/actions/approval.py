"""Manual approvals: a person ends them, through PutApprovalResult."""

import uuid

from hookline.actions.provider import ActionContext, Waiting

# Of AWS: CodePipeline quotas, "Length of time before an approval action times out".
_WEEK_S = 7 * 86_400.0


class ManualApproval:
    """Waits for a person, for a week unless the action says otherwise."""

    def run(self, context: ActionContext) -> Waiting:
        """See Provider."""
        minutes = context.action.timeout_minutes
        return Waiting(str(uuid.uuid4()), _WEEK_S if minutes is None else minutes * 60.0)
