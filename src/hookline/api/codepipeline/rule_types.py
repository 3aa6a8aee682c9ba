"""AWS's documented rule types: what a rule of each must and may be told.

Source: "Rule structure reference" of the AWS CodePipeline user guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hookline.model import ActionType


@dataclass(frozen=True, slots=True)
class Property:
    """A configuration property of a rule type."""

    name: str
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class RuleType:
    """A rule type: its configuration, how many artifacts it takes, whether it may skip a stage.

    Keys that are not among its properties are refused where `is_closed`; of the types that Hookline
    does not run, AWS may know more than is documented.
    """

    properties: tuple[Property, ...] = ()
    most_inputs: int = 0
    may_skip: bool = False
    is_closed: bool = False


def _rule(provider: str) -> ActionType:
    return ActionType("Rule", "AWS", provider, "1")


COMMANDS_RULE = _rule("Commands")
DEPLOYMENT_WINDOW = _rule("DeploymentWindow")
VARIABLE_CHECK = _rule("VariableCheck")

RULE_TYPES: Mapping[ActionType, RuleType] = {
    _rule("CloudWatchAlarm"): RuleType(
        (
            Property("AlarmName", "The name of the CloudWatch alarm", required=True),
            Property("AlarmStates", "The states to look for: ALARM, OK, INSUFFICIENT_DATA"),
            Property("WaitTime", "The minutes to wait for a change of the alarm's state"),
        )
    ),
    _rule("CodeBuild"): RuleType(
        (
            Property("ProjectName", "The name of the build project", required=True),
            Property("PrimarySource", "The input artifact that has the build specification"),
            Property("BatchEnabled", "Whether the build runs as a batch"),
            Property("CombineArtifacts", "Whether a batch's artifacts become one"),
            Property("EnvironmentVariables", "Environment variables of the build, in JSON"),
        ),
        most_inputs=5,
    ),
    COMMANDS_RULE: RuleType(most_inputs=5, is_closed=True),
    DEPLOYMENT_WINDOW: RuleType(
        (
            Property("Cron", "The minutes in which the stage may be entered", required=True),
            Property("TimeZone", "The time zone of Cron; UTC unless given"),
        ),
        is_closed=True,
    ),
    _rule("LambdaInvoke"): RuleType(
        (
            Property("FunctionName", "The name of the Lambda function", required=True),
            Property("UserParameters", "A text that the function gets"),
        ),
        most_inputs=5,
        may_skip=True,
    ),
    VARIABLE_CHECK: RuleType(
        (
            Property("Variable", "The value to check, such as #{variables.Stage}", required=True),
            Property("Value", "What it is compared with", required=True),
            Property("Operator", "EQ, NE, CONTAINS or MATCHES", required=True),
        ),
        may_skip=True,
        is_closed=True,
    ),
}
"""The rule types by their ids, in the order in which they are listed."""
