"""The actions that Hookline runs: one provider an action type."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hookline.actions.codebuild import CodeBuild, Configuration
from hookline.actions.commands import Commands, check_secret_variables
from hookline.actions.deployment_window import DeploymentWindow
from hookline.actions.git import ConnectionSource, GitHubSource
from hookline.actions.provider import Provider
from hookline.actions.variable_check import VariableCheck
from hookline.actions.waiting import JobWorkers, ManualApproval
from hookline.errors import ActionError
from hookline.model import Action, ActionType, Stage

PROVIDERS: Mapping[ActionType, Provider] = {
    ActionType("Source", "ThirdParty", "GitHub", "1"): GitHubSource(),
    ActionType("Source", "AWS", "CodeStarSourceConnection", "1"): ConnectionSource(),
    ActionType("Compute", "AWS", "Commands", "1"): Commands(),
    ActionType("Build", "AWS", "CodeBuild", "1"): CodeBuild(),
    ActionType("Test", "AWS", "CodeBuild", "1"): CodeBuild(),
    ActionType("Approval", "AWS", "Manual", "1"): ManualApproval(),
    # Rules of stage conditions run as actions do.
    ActionType("Rule", "AWS", "Commands", "1"): Commands(),
    ActionType("Rule", "AWS", "DeploymentWindow", "1"): DeploymentWindow(),
    ActionType("Rule", "AWS", "VariableCheck", "1"): VariableCheck(),
}

_CUSTOM = JobWorkers()
_NOT_RUN = "is not run by this version of Hookline"
_PARTNERS = (
    ": its provider works for AWS CodePipeline only. Give the action a custom action type, which a"
    " job worker of yours runs, or commands"
)


def provider_for(kind: ActionType) -> Provider:
    """The provider that runs actions of `kind`.

    Raises:
        ActionError: this version of Hookline runs no such actions.
    """
    provider = _CUSTOM if kind.owner == "Custom" else PROVIDERS.get(kind)
    if provider is None:
        reason = _PARTNERS if kind.owner == "ThirdParty" else ""
        raise ActionError(f"{kind} {_NOT_RUN}{reason}", "ConfigurationError")
    return provider


def runs_commands(kind: ActionType) -> bool:
    """Whether an action or a rule of `kind` is there for what its commands do, and write."""
    return isinstance(PROVIDERS.get(kind), Commands) or runs_builds(kind)


def runs_builds(kind: ActionType) -> bool:
    """Whether an action of `kind` runs a build of a project."""
    return isinstance(PROVIDERS.get(kind), CodeBuild)


@dataclass(frozen=True, slots=True)
class NotRun:
    """An action or a condition's rule that fails when it is reached, and why."""

    stage_name: str
    action: Action
    reason: str

    def __str__(self) -> str:
        what = "Rule" if self.action.type.category == "Rule" else "Action"
        return f"{what} '{self.action.name}' in stage '{self.stage_name}' will fail: {self.reason}"


def not_run(stages: Iterable[Stage]) -> list[NotRun]:
    """The actions and rules of the stages that this server can't run (contract X9)."""
    return [
        NotRun(stage.name, action, reason)
        for stage in stages
        for action in (*stage.actions, *_rules(stage))
        if (reason := _why_not_run(action))
    ]


def _why_not_run(action: Action) -> str | None:
    try:
        provider_for(action.type)
        check_secret_variables(action.secret_variables)
        if runs_builds(action.type):
            Configuration.of(action)
    except ActionError as error:
        return error.message
    return None


def _rules(stage: Stage) -> Iterator[Action]:
    for condition in stage.conditions.values():
        yield from condition.rules
