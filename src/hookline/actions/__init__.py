"""The actions that Hookline runs: one provider an action type."""

from collections.abc import Mapping

from hookline.actions.approval import ManualApproval
from hookline.actions.commands import Commands
from hookline.actions.deployment_window import DeploymentWindow
from hookline.actions.git import ConnectionSource, GitHubSource
from hookline.actions.job_workers import JobWorkers
from hookline.actions.provider import Provider
from hookline.actions.variable_check import VariableCheck
from hookline.errors import ActionError
from hookline.model import ActionType

PROVIDERS: Mapping[ActionType, Provider] = {
    ActionType("Source", "ThirdParty", "GitHub", "1"): GitHubSource(),
    ActionType("Source", "AWS", "CodeStarSourceConnection", "1"): ConnectionSource(),
    ActionType("Compute", "AWS", "Commands", "1"): Commands(),
    ActionType("Approval", "AWS", "Manual", "1"): ManualApproval(),
    # Rules of stage conditions run as actions do.
    ActionType("Rule", "AWS", "Commands", "1"): Commands(),
    ActionType("Rule", "AWS", "DeploymentWindow", "1"): DeploymentWindow(),
    ActionType("Rule", "AWS", "VariableCheck", "1"): VariableCheck(),
}

_CUSTOM = JobWorkers()
_PARTNERS = (
    ": its provider works for AWS CodePipeline only. Give the action a custom action type, which a"
    " job worker of yours runs, or commands"
)


def provider_for(kind: ActionType) -> Provider:
    """The provider that runs actions of `kind`.

    Raises:
        ActionError: this version of Hookline runs no such actions.
    """
    if kind.owner == "Custom":
        return _CUSTOM
    try:
        return PROVIDERS[kind]
    except KeyError:
        reason = _PARTNERS if kind.owner == "ThirdParty" else ""
        raise ActionError(
            f"{kind} is not run by this version of Hookline{reason}", "ConfigurationError"
        ) from None
