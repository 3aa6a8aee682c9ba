"""Why operations of CodeBuild are not built: for the 501 answer and the reference page alike."""

from collections.abc import Mapping

_ALONE = "builds run as actions of pipelines: use StartPipelineExecution"
_RETRY = "builds run as actions of pipelines: use RetryStageExecution"
_BATCHES = "batch builds do not run here"
_FLEETS = "builds run on this server's own nodes, and there are no fleets"
_REPORTS = "reports are not kept"
_SANDBOXES = "there are no sandboxes"
_SHARING = "nothing is shared between accounts here"
_CREDENTIALS = "source credentials are not kept: sources come from pipelines"
_WEBHOOKS = "webhooks here are CodePipeline's: use PutWebhook"

NOT_BUILT: Mapping[str, str] = {
    "BatchGetBuildBatches": _BATCHES,
    "BatchGetCommandExecutions": _SANDBOXES,
    "BatchGetFleets": _FLEETS,
    "BatchGetReportGroups": _REPORTS,
    "BatchGetReports": _REPORTS,
    "BatchGetSandboxes": _SANDBOXES,
    "CreateFleet": _FLEETS,
    "CreateReportGroup": _REPORTS,
    "CreateWebhook": _WEBHOOKS,
    "DeleteBuildBatch": _BATCHES,
    "DeleteFleet": _FLEETS,
    "DeleteReport": _REPORTS,
    "DeleteReportGroup": _REPORTS,
    "DeleteResourcePolicy": _SHARING,
    "DeleteSourceCredentials": _CREDENTIALS,
    "DeleteWebhook": _WEBHOOKS,
    "DescribeCodeCoverages": _REPORTS,
    "DescribeTestCases": _REPORTS,
    "GetReportGroupTrend": _REPORTS,
    "GetResourcePolicy": _SHARING,
    "ImportSourceCredentials": _CREDENTIALS,
    "InvalidateProjectCache": "each node keeps caches of its own, within max_build_cache",
    "ListBuildBatches": _BATCHES,
    "ListBuildBatchesForProject": _BATCHES,
    "ListCommandExecutionsForSandbox": _SANDBOXES,
    "ListFleets": _FLEETS,
    "ListReportGroups": _REPORTS,
    "ListReports": _REPORTS,
    "ListReportsForReportGroup": _REPORTS,
    "ListSandboxes": _SANDBOXES,
    "ListSandboxesForProject": _SANDBOXES,
    "ListSharedProjects": _SHARING,
    "ListSharedReportGroups": _SHARING,
    "ListSourceCredentials": _CREDENTIALS,
    "PutResourcePolicy": _SHARING,
    "RetryBuild": _RETRY,
    "RetryBuildBatch": _BATCHES,
    "StartBuild": _ALONE,
    "StartBuildBatch": _BATCHES,
    "StartCommandExecution": _SANDBOXES,
    "StartSandbox": _SANDBOXES,
    "StartSandboxConnection": _SANDBOXES,
    "StopBuildBatch": _BATCHES,
    "StopSandbox": _SANDBOXES,
    "UpdateFleet": _FLEETS,
    "UpdateProjectVisibility": "nothing here can be seen without an access key",
    "UpdateReportGroup": _REPORTS,
    "UpdateWebhook": _WEBHOOKS,
}
"""The operations that `operations` does not answer, each with the reason."""
