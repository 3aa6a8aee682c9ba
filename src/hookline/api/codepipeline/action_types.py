"""AWS's documented action types: how many artifacts each takes and makes, and what it is told.

Sources: "Valid input and output artifacts for each action type" and the "Action structure
reference" of the AWS CodePipeline user guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hookline.model import ActionType
from hookline.store.action_types import CustomActionType
from hookline.store.pipeline_secrets import SECRET_KEYS


@dataclass(frozen=True, slots=True)
class Count:
    """How many artifacts are allowed."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class ActionTypeRule:
    """What an action of a type declares: `keys` of its configuration it must, `others` it may.

    `spellings` maps keys to others that templates have in their place. Keys that are not among them
    are refused where `is_closed`; AWS has more keys than its documentation tells. The value of
    `queryable` is what job workers choose jobs by.
    """

    inputs: Count
    outputs: Count
    keys: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    is_closed: bool = False
    queryable: str | None = None
    spellings: Mapping[str, str] = field(default_factory=dict)

    def missing(self, configuration: Mapping[str, str]) -> list[str]:
        """The keys that a configuration must have and lacks, in each of their spellings."""
        return [
            key
            for key in self.keys
            if key not in configuration and self.spellings.get(key) not in configuration
        ]


_NONE = Count(0, 0)
_ONE = Count(1, 1)
_MAYBE = Count(0, 1)
_FIVE = Count(0, 5)


def _aws(category: str, provider: str) -> ActionType:
    return ActionType(category, "AWS", provider, "1")


def _third_party(category: str, provider: str) -> ActionType:
    return ActionType(category, "ThirdParty", provider, "1")


def _source(*keys: str, others: tuple[str, ...] = ()) -> ActionTypeRule:
    return ActionTypeRule(_NONE, _ONE, keys, others)


def _deployment(*keys: str, others: tuple[str, ...] = ()) -> ActionTypeRule:
    return ActionTypeRule(_ONE, _NONE, keys, others)


GITHUB = _third_party("Source", "GitHub")
CONNECTION = _aws("Source", "CodeStarSourceConnection")
CODECOMMIT = _aws("Source", "CodeCommit")
ECR = _aws("Source", "ECR")
S3 = _aws("Source", "S3")
COMMANDS = _aws("Compute", "Commands")

_CODEBUILD = ActionTypeRule(
    Count(1, 5),
    _FIVE,
    ("ProjectName",),
    ("PrimarySource", "BatchEnabled", "CombineArtifacts", "EnvironmentVariables"),
)
_STACK_SET = ActionTypeRule(Count(0, 10), _MAYBE, ("StackSetName",))
# What partners' actions are told, they agree with their customers.
_PARTNER = ActionTypeRule(_FIVE, _FIVE)

ACTION_TYPES: dict[ActionType, ActionTypeRule] = {
    GITHUB: _source("Owner", "Repo", "Branch", "OAuthToken", others=("PollForSourceChanges",)),
    CONNECTION: _source(
        "ConnectionArn",
        "FullRepositoryId",
        "BranchName",
        others=("OutputArtifactFormat", "DetectChanges"),
    ),
    S3: _source(
        "S3Bucket", "S3ObjectKey", others=("AllowOverrideForS3ObjectKey", "PollForSourceChanges")
    ),
    CODECOMMIT: _source(
        "RepositoryName", "BranchName", others=("PollForSourceChanges", "OutputArtifactFormat")
    ),
    ECR: _source("RepositoryName", others=("ImageTag",)),
    COMMANDS: ActionTypeRule(Count(1, 10), _MAYBE),
    _aws("Build", "CodeBuild"): _CODEBUILD,
    _aws("Test", "CodeBuild"): _CODEBUILD,
    _aws("Build", "ECRBuildAndPublish"): ActionTypeRule(_ONE, _NONE, ("ECRRepositoryName",)),
    _aws("Test", "DeviceFarm"): ActionTypeRule(
        _ONE, _NONE, ("AppType", "DevicePoolArn", "ProjectId", "TestType")
    ),
    _aws("Approval", "Manual"): ActionTypeRule(
        _NONE, _NONE, others=("NotificationArn", "CustomData", "ExternalEntityLink")
    ),
    _aws("Deploy", "AppConfig"): _deployment(
        "Application", "Environment", "ConfigurationProfile", "InputArtifactConfigurationPath"
    ),
    _aws("Deploy", "CloudFormation"): ActionTypeRule(
        Count(0, 10),
        _MAYBE,
        ("ActionMode", "StackName"),
        (
            "Capabilities",
            "ChangeSetName",
            "OutputFileName",
            "ParameterOverrides",
            "RoleArn",
            "TemplateConfiguration",
            "TemplatePath",
        ),
    ),
    _aws("Deploy", "CloudFormationStackInstances"): _STACK_SET,
    _aws("Deploy", "CloudFormationStackSet"): _STACK_SET,
    _aws("Deploy", "CodeDeploy"): _deployment("ApplicationName", "DeploymentGroupName"),
    _aws("Deploy", "CodeDeployToECS"): ActionTypeRule(
        Count(1, 5),
        _NONE,
        ("ApplicationName", "DeploymentGroupName"),
        (
            "AppSpecTemplateArtifact",
            "AppSpecTemplatePath",
            "TaskDefinitionTemplateArtifact",
            "TaskDefinitionTemplatePath",
        ),
    ),
    _aws("Deploy", "EC2"): _deployment("InstanceTagKey", "InstanceType"),
    _aws("Deploy", "ECS"): _deployment(
        "ClusterName", "ServiceName", others=("FileName", "DeploymentTimeout")
    ),
    _aws("Deploy", "EKS"): _deployment("ClusterName"),
    _aws("Deploy", "ElasticBeanstalk"): _deployment("ApplicationName", "EnvironmentName"),
    _aws("Deploy", "Lambda"): _deployment("FunctionName"),
    _aws("Deploy", "OpsWorks"): ActionTypeRule(
        _ONE,
        _NONE,
        ("Stack", "App"),
        ("StackId", "AppId", "Layer"),
        spellings={"Stack": "StackId", "App": "AppId"},
    ),
    _aws("Deploy", "S3"): _deployment(
        "BucketName",
        "Extract",
        others=("CacheControl", "CannedACL", "KMSEncryptionKeyARN", "ObjectKey"),
    ),
    _aws("Deploy", "ServiceCatalog"): _deployment("ProductId"),
    _third_party("Deploy", "AlexaSkillsKit"): ActionTypeRule(
        Count(1, 2), _NONE, ("ClientId", "ClientSecret", "RefreshToken", "SkillId")
    ),
    _third_party("Build", "CloudBees"): _PARTNER,
    _third_party("Deploy", "XebiaLabs"): _PARTNER,
    _third_party("Invoke", "Snyk"): _PARTNER,
    _third_party("Test", "BlazeMeter"): _PARTNER,
    _third_party("Test", "GhostInspector"): _PARTNER,
    _third_party("Test", "HeadSpin"): _PARTNER,
    _third_party("Test", "Nouvola"): _PARTNER,
    _third_party("Test", "Runscope"): _PARTNER,
    _third_party("Test", "StormRunnerLoad"): _PARTNER,
    _aws("Invoke", "CodePipeline"): ActionTypeRule(_NONE, _NONE, ("PipelineName",)),
    _aws("Invoke", "InspectorScan"): ActionTypeRule(_MAYBE, _MAYBE, ("InspectorRunMode",)),
    _aws("Invoke", "Lambda"): ActionTypeRule(_FIVE, _FIVE, ("FunctionName",), ("UserParameters",)),
    _aws("Invoke", "StepFunctions"): ActionTypeRule(
        _MAYBE, _MAYBE, ("StateMachineArn",), ("ExecutionNamePrefix", "Input", "InputType")
    ),
}


def rule_of(custom: CustomActionType) -> ActionTypeRule:
    """The rule that a custom action type states in its definition."""
    required = {item["name"]: item["required"] for item in custom.properties}
    return ActionTypeRule(
        inputs=_count(custom.definition["inputArtifactDetails"]),
        outputs=_count(custom.definition["outputArtifactDetails"]),
        keys=tuple(name for name in required if required[name]),
        others=tuple(name for name in required if not required[name]),
        is_closed=True,
        queryable=custom.queryable_key,
    )


def identifier(kind: ActionType) -> dict[str, str]:
    """An ActionTypeId."""
    return {
        "category": kind.category,
        "owner": kind.owner,
        "provider": kind.provider,
        "version": kind.version,
    }


def described(kind: ActionType, rule: ActionTypeRule) -> dict[str, Any]:
    """One of AWS's action types as ListActionTypes tells of it."""
    return {
        "id": identifier(kind),
        "actionConfigurationProperties": [
            {
                "name": key,
                "required": key in rule.keys,
                "key": key in rule.keys,
                "secret": key in SECRET_KEYS,
                "queryable": False,
            }
            for key in (*rule.keys, *rule.others)
        ],
        "inputArtifactDetails": _details(rule.inputs),
        "outputArtifactDetails": _details(rule.outputs),
    }


def _count(details: Mapping[str, int]) -> Count:
    return Count(details["minimumCount"], details["maximumCount"])


def _details(count: Count) -> dict[str, int]:
    return {"minimumCount": count.least, "maximumCount": count.most}
