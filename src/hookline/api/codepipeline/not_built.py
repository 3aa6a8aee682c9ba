"""Why operations of CodePipeline are not built: for the 501 answer and the reference page alike."""

from collections.abc import Mapping

_PARTNERS = "only AWS's own partners poll for these jobs"

NOT_BUILT: Mapping[str, str] = {
    "AcknowledgeThirdPartyJob": _PARTNERS,
    "GetThirdPartyJobDetails": _PARTNERS,
    "ListDeployActionExecutionTargets": "no deploy action runs yet",
    "PollForThirdPartyJobs": _PARTNERS,
    "PutThirdPartyJobFailureResult": _PARTNERS,
    "PutThirdPartyJobSuccessResult": _PARTNERS,
}
"""The operations that `operations` does not answer, each with the reason."""
