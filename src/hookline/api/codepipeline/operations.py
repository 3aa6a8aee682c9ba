"""The operations of CodePipeline that are built, by their names in the model."""

from collections.abc import Mapping

from hookline.api.codepipeline.action_type_operations import ActionTypeOperations
from hookline.api.codepipeline.executions import ExecutionOperations
from hookline.api.codepipeline.jobs import JobOperations
from hookline.api.codepipeline.pipelines import PipelineOperations
from hookline.api.codepipeline.registration import RegistrationOperations
from hookline.api.codepipeline.rules import RuleOperations
from hookline.api.codepipeline.stages import StageOperations
from hookline.api.codepipeline.tagging import TagOperations
from hookline.api.codepipeline.webhooks import WebhookOperations
from hookline.api.dependencies import Dependencies
from hookline.api.endpoint import Handler

ASKING = frozenset(
    {
        "DeleteWebhook",
        "DeregisterWebhookWithThirdParty",
        "PutWebhook",
        "RegisterWebhookWithThirdParty",
    }
)
"""The operations that wait for GitHub's answer."""


def operations(dependencies: Dependencies) -> Mapping[str, Handler]:
    """The handlers of the operations that are built."""
    webhooks = WebhookOperations(dependencies)
    registration = RegistrationOperations(dependencies)
    pipelines = PipelineOperations(dependencies)
    executions = ExecutionOperations(dependencies)
    stages = StageOperations(dependencies)
    rules = RuleOperations(dependencies)
    action_types = ActionTypeOperations(dependencies)
    jobs = JobOperations(dependencies)
    tagging = TagOperations(dependencies)
    return {
        "PutWebhook": webhooks.put_webhook,
        "ListWebhooks": webhooks.list_webhooks,
        "DeleteWebhook": webhooks.delete_webhook,
        "RegisterWebhookWithThirdParty": registration.register_webhook_with_third_party,
        "DeregisterWebhookWithThirdParty": registration.deregister_webhook_with_third_party,
        "CreatePipeline": pipelines.create_pipeline,
        "GetPipeline": pipelines.get_pipeline,
        "UpdatePipeline": pipelines.update_pipeline,
        "DeletePipeline": pipelines.delete_pipeline,
        "ListPipelines": pipelines.list_pipelines,
        "StartPipelineExecution": executions.start_pipeline_execution,
        "GetPipelineExecution": executions.get_pipeline_execution,
        "ListPipelineExecutions": executions.list_pipeline_executions,
        "ListActionExecutions": executions.list_action_executions,
        "PutActionRevision": executions.put_action_revision,
        "StopPipelineExecution": executions.stop_pipeline_execution,
        "GetPipelineState": stages.get_pipeline_state,
        "DisableStageTransition": stages.disable_stage_transition,
        "EnableStageTransition": stages.enable_stage_transition,
        "RetryStageExecution": stages.retry_stage_execution,
        "RollbackStage": stages.rollback_stage,
        "OverrideStageCondition": stages.override_stage_condition,
        "PutApprovalResult": stages.put_approval_result,
        "ListRuleExecutions": rules.list_rule_executions,
        "ListRuleTypes": rules.list_rule_types,
        "CreateCustomActionType": action_types.create_custom_action_type,
        "DeleteCustomActionType": action_types.delete_custom_action_type,
        "ListActionTypes": action_types.list_action_types,
        "GetActionType": action_types.get_action_type,
        "UpdateActionType": action_types.update_action_type,
        "PollForJobs": jobs.poll_for_jobs,
        "AcknowledgeJob": jobs.acknowledge_job,
        "GetJobDetails": jobs.get_job_details,
        "PutJobSuccessResult": jobs.put_job_success_result,
        "PutJobFailureResult": jobs.put_job_failure_result,
        "TagResource": tagging.tag_resource,
        "UntagResource": tagging.untag_resource,
        "ListTagsForResource": tagging.list_tags_for_resource,
    }
