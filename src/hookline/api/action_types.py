"""AWS's documented action types: how many artifacts each takes and makes, and what it must be told.

Sources: "Valid input and output artifacts for each action type" and the "Action structure
reference" of the AWS CodePipeline user guide.
"""

from dataclasses import dataclass

from hookline.model import ActionType


@dataclass(frozen=True, slots=True)
class Count:
    """How many artifacts are allowed."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class ActionTypeRule:
    """What an action of a type must declare; `keys` are configuration keys."""

    inputs: Count
    outputs: Count
    keys: tuple[str, ...] = ()


_NONE = Count(0, 0)
_ONE = Count(1, 1)
_MAYBE = Count(0, 1)
_FIVE = Count(0, 5)


def _aws(category: str, provider: str) -> ActionType:
    return ActionType(category, "AWS", provider, "1")


def _third_party(category: str, provider: str) -> ActionType:
    return ActionType(category, "ThirdParty", provider, "1")


def _source(*keys: str) -> ActionTypeRule:
    return ActionTypeRule(_NONE, _ONE, keys)


def _deployment(*keys: str) -> ActionTypeRule:
    return ActionTypeRule(_ONE, _NONE, keys)


GITHUB = _third_party("Source", "GitHub")
CONNECTION = _aws("Source", "CodeStarSourceConnection")
COMMANDS = _aws("Compute", "Commands")

_CODEBUILD = ActionTypeRule(Count(1, 5), _FIVE, ("ProjectName",))
_STACK_SET = ActionTypeRule(Count(0, 10), _MAYBE, ("StackSetName",))

ACTION_TYPES: dict[ActionType, ActionTypeRule] = {
    GITHUB: _source("Owner", "Repo", "Branch", "OAuthToken"),
    CONNECTION: _source("ConnectionArn", "FullRepositoryId", "BranchName"),
    _aws("Source", "S3"): _source("S3Bucket", "S3ObjectKey"),
    _aws("Source", "CodeCommit"): _source("RepositoryName", "BranchName"),
    _aws("Source", "ECR"): _source("RepositoryName"),
    COMMANDS: ActionTypeRule(Count(1, 10), _MAYBE),
    _aws("Build", "CodeBuild"): _CODEBUILD,
    _aws("Test", "CodeBuild"): _CODEBUILD,
    _aws("Build", "ECRBuildAndPublish"): ActionTypeRule(_ONE, _NONE, ("ECRRepositoryName",)),
    _aws("Test", "DeviceFarm"): ActionTypeRule(
        _ONE, _NONE, ("AppType", "DevicePoolArn", "ProjectId", "TestType")
    ),
    _aws("Approval", "Manual"): ActionTypeRule(_NONE, _NONE),
    _aws("Deploy", "AppConfig"): _deployment(
        "Application", "Environment", "ConfigurationProfile", "InputArtifactConfigurationPath"
    ),
    _aws("Deploy", "CloudFormation"): ActionTypeRule(
        Count(0, 10), _MAYBE, ("ActionMode", "StackName")
    ),
    _aws("Deploy", "CloudFormationStackInstances"): _STACK_SET,
    _aws("Deploy", "CloudFormationStackSet"): _STACK_SET,
    _aws("Deploy", "CodeDeploy"): _deployment("ApplicationName", "DeploymentGroupName"),
    _aws("Deploy", "CodeDeployToECS"): ActionTypeRule(
        Count(1, 5), _NONE, ("ApplicationName", "DeploymentGroupName")
    ),
    _aws("Deploy", "EC2"): _deployment("InstanceTagKey", "InstanceType"),
    _aws("Deploy", "ECS"): _deployment("ClusterName", "ServiceName"),
    _aws("Deploy", "EKS"): _deployment("ClusterName"),
    _aws("Deploy", "ElasticBeanstalk"): _deployment("ApplicationName", "EnvironmentName"),
    _aws("Deploy", "Lambda"): _deployment("FunctionName"),
    _aws("Deploy", "OpsWorks"): _deployment("Stack", "App"),
    _aws("Deploy", "S3"): _deployment("BucketName", "Extract"),
    _aws("Deploy", "ServiceCatalog"): _deployment("ProductId"),
    _third_party("Deploy", "AlexaSkillsKit"): ActionTypeRule(
        Count(1, 2), _NONE, ("ClientId", "ClientSecret", "RefreshToken", "SkillId")
    ),
    _aws("Invoke", "CodePipeline"): ActionTypeRule(_NONE, _NONE, ("PipelineName",)),
    _aws("Invoke", "InspectorScan"): ActionTypeRule(_MAYBE, _MAYBE, ("InspectorRunMode",)),
    _aws("Invoke", "Lambda"): ActionTypeRule(_FIVE, _FIVE, ("FunctionName",)),
    _aws("Invoke", "StepFunctions"): ActionTypeRule(_MAYBE, _MAYBE, ("StateMachineArn",)),
}
