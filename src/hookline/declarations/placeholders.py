"""Values for a template's resources that Hookline doesn't make: buckets, roles, keys."""

from collections.abc import Callable, Mapping
from typing import Any

from hookline.declarations.surroundings import Surroundings

Evaluate = Callable[[Any, str], Any]
"""Evaluates a property, given where it stands."""

_NAMES = (
    *("Name", "BucketName", "RoleName", "FunctionName", "TopicName", "QueueName", "TableName"),
    *("ProjectName", "ConnectionName", "ApplicationName", "ClusterName", "RepositoryName"),
)
# By CloudFormation's reference: what Ref answers for these is their ARN.
_REFERRED_BY_ARN = frozenset(
    {
        "AWS::CodeConnections::Connection",
        "AWS::CodeStarConnections::Connection",
        "AWS::SecretsManager::Secret",
        "AWS::SNS::Topic",
        "AWS::StepFunctions::StateMachine",
    }
)
_LONGEST_BUCKET = 63


def reference(
    logical_id: str, resource: Mapping[str, Any], around: Surroundings, evaluate: Evaluate
) -> str:
    """What stands for `Ref` of a resource."""
    if resource["Type"] in _REFERRED_BY_ARN:
        return _arn(logical_id, resource, around, evaluate)
    return _name(logical_id, resource, evaluate)


def attribute(
    logical_id: str,
    name: str,
    resource: Mapping[str, Any],
    around: Surroundings,
    evaluate: Evaluate,
) -> str:
    """What stands for `Fn::GetAtt` of a resource."""
    if name.endswith("Arn"):
        return _arn(logical_id, resource, around, evaluate)
    if name.endswith("Name"):
        return _name(logical_id, resource, evaluate)
    return f"{logical_id}.{name}"


def _name(logical_id: str, resource: Mapping[str, Any], evaluate: Evaluate) -> str:
    properties = resource.get("Properties")
    for key in _NAMES:
        if isinstance(properties, dict) and key in properties:
            found = evaluate(properties[key], f"{logical_id}.{key}")
            if isinstance(found, str):
                return found
    if resource["Type"] == "AWS::S3::Bucket":
        return logical_id.lower()[:_LONGEST_BUCKET]
    return logical_id


def _arn(
    logical_id: str, resource: Mapping[str, Any], around: Surroundings, evaluate: Evaluate
) -> str:
    account, region, start = around.account, around.region, f"arn:{around.partition}"
    name = _name(logical_id, resource, evaluate)
    _, service, kind = (*resource["Type"].split("::"), "", "")[:3]
    match service, kind:
        case "IAM", _:
            return f"{start}:iam::{account}:{kind.lower()}/{name}"
        case "S3", _:
            return f"{start}:s3:::{name}"
        case (("SNS" | "SQS"), _):
            return f"{start}:{service.lower()}:{region}:{account}:{name}"
        case "Lambda", _:
            return f"{start}:lambda:{region}:{account}:function:{name}"
    return f"{start}:{service.lower()}:{region}:{account}:{kind.lower()}/{name}"
