"""Why operations of the model are not built: for the 501 answer and the reference page alike."""

from collections.abc import Mapping

_WORKERS = "Hookline has no custom action types and no job workers yet"
_PARTNERS = "only AWS's own partners poll for these jobs"
_RULES = "Hookline evaluates no stage conditions yet, so there are no rules"
_EXECUTIONS = "an execution runs to its end: it can't be stopped, retried or rolled back yet"
_TRANSITIONS = "transitions between stages are always enabled yet"

NOT_BUILT: Mapping[str, str] = {
    "AcknowledgeJob": _WORKERS,
    "AcknowledgeThirdPartyJob": _PARTNERS,
    "CreateCustomActionType": _WORKERS,
    "DeleteCustomActionType": _WORKERS,
    "DeregisterWebhookWithThirdParty": "add the webhook at the sender by hand, and remove it there",
    "DisableStageTransition": _TRANSITIONS,
    "EnableStageTransition": _TRANSITIONS,
    "GetActionType": _WORKERS,
    "GetJobDetails": _WORKERS,
    "GetThirdPartyJobDetails": _PARTNERS,
    "ListActionTypes": _WORKERS,
    "ListDeployActionExecutionTargets": "no deploy action runs yet",
    "ListRuleExecutions": _RULES,
    "ListRuleTypes": _RULES,
    "OverrideStageCondition": _RULES,
    "PollForJobs": _WORKERS,
    "PollForThirdPartyJobs": _PARTNERS,
    "PutActionRevision": "a source action takes its revision from the trigger, or the newest one",
    "PutApprovalResult": "no action waits for approval yet",
    "PutJobFailureResult": _WORKERS,
    "PutJobSuccessResult": _WORKERS,
    "PutThirdPartyJobFailureResult": _PARTNERS,
    "PutThirdPartyJobSuccessResult": _PARTNERS,
    "RegisterWebhookWithThirdParty": "add the webhook at the sender by hand, with its URL",
    "RetryStageExecution": _EXECUTIONS,
    "RollbackStage": _EXECUTIONS,
    "StopPipelineExecution": _EXECUTIONS,
    "UpdateActionType": _WORKERS,
}
"""The operations that `operations` does not answer, each with the reason."""
