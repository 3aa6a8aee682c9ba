"""What a template takes from outside: the stack it stands for, parameters, other resources."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hookline.declarations.conversion import written
from hookline.declarations.problems import MissingValueError
from hookline.errors import HooklineError
from hookline.model import partition_of
from hookline.sealing import MASK

Evaluate = Callable[[Any, str], Any]
"""Evaluates a property, given where it stands."""

_STACK_CHARACTERS = re.compile(r"[^A-Za-z0-9]+")
_DOMAINS = {"aws-cn": "amazonaws.com.cn"}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StackContext:
    """The account, the region and the stack that a template stands for, and the values given."""

    account: str
    region: str
    stack_name: str
    parameters: Mapping[str, str]

    @property
    def partition(self) -> str:
        """AWS's partition of the region, as ARNs begin with it."""
        return partition_of(self.region)

    def pseudo_parameters(self) -> Mapping[str, Any]:
        """What a template can refer to without declaring it, by name."""
        stack = f"{self.region}:{self.account}:stack/{self.stack_name}/hookline"
        return {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": self.partition,
            "AWS::URLSuffix": _DOMAINS.get(self.partition, "amazonaws.com"),
            "AWS::StackName": self.stack_name,
            "AWS::StackId": f"arn:{self.partition}:cloudformation:{stack}",
            "AWS::NotificationARNs": [],
        }


def stack_name_of(file: str) -> str:
    """The name of the stack that a file stands for: its own, without what cdk adds to it."""
    stem = file.rpartition("/")[2].partition(".")[0]
    return _STACK_CHARACTERS.sub("-", stem).strip("-") or "stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredValue:
    """A value from outside that a template asks for, by the name it is given under.

    Where `value` is None it is missing, and `missing` says so, with the place that asks for it.
    """

    name: str
    value: str | None = field(default=None, repr=False)
    missing: str = ""
    is_secret: bool = False
    description: str = ""


class Parameters:
    """Values by name: what was given, else the default. Remembers which may not be shown.

    `used` are the names of given values that something asked for or that the template declares;
    `required` is what anything asked for.
    """

    def __init__(self, declared: Mapping[str, Any], given: Mapping[str, str]) -> None:
        self._declared = declared
        self._given = given
        self.used = declared.keys() & given.keys()
        self.required: dict[str, RequiredValue] = {}
        self.secrets: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._declared

    def value(self, name: str, path: str) -> Any:
        """The value of a parameter of the template.

        Raises HooklineError: MissingValueError where it has none.
        """
        declaration = self._declared[name]
        if not isinstance(declaration, dict):
            raise HooklineError(f"The parameter '{name}' must be an object")
        kind = str(declaration.get("Type", "String"))
        is_secret = written(declaration.get("NoEcho", "")).lower() == "true"
        value = self._given.get(name, _default(kind, declaration))
        self._note(
            RequiredValue(
                name=name,
                value=value,
                missing=f"{path}: {_reason_missing(name, kind)}",
                is_secret=is_secret,
                description=str(declaration.get("Description", "")),
            )
        )
        if value is None:
            raise MissingValueError(f"{path}: {_reason_missing(name, kind)}")
        if is_secret:
            self.secrets |= {value} - {"", MASK}
        parts = _items(kind, value)
        for part in parts:
            _check(name, kind, declaration, part)
        if not _is_list(kind):
            return value
        self.note_derived(value, parts)
        return parts

    def note_derived(self, text: str, parts: Iterable[str]) -> None:
        """Hold the parts and other spellings of a text that tells a secret to be secret, too."""
        if any(secret in text for secret in self.secrets):
            self.secrets |= {*parts} - {"", MASK}

    def external(self, *names: str, missing: str, is_secret: bool = False) -> str:
        """A value given, under one of the names, for something that is no parameter.

        Raises MissingValueError where there is none.
        """
        name = next((name for name in names if name in self._given), names[0])
        value = self._given.get(name)
        self._note(RequiredValue(name=name, value=value, missing=missing, is_secret=is_secret))
        if value is None:
            raise MissingValueError(missing)
        self.used.add(name)
        if is_secret:
            self.secrets |= {value} - {"", MASK}
        return value

    def _note(self, required: RequiredValue) -> None:
        self.required.setdefault(required.name, required)


def _default(kind: str, declaration: Mapping[str, Any]) -> str | None:
    # The default of a parameter of these types is the name of what AWS keeps.
    if kind.startswith("AWS::SSM::Parameter") or "Default" not in declaration:
        return None
    return written(declaration["Default"])


def _reason_missing(name: str, kind: str) -> str:
    if kind.startswith("AWS::SSM::Parameter"):
        return (
            f"the parameter '{name}' is kept in AWS's parameter store, which Hookline doesn't read"
        )
    return f"the parameter '{name}' has no value"


def _is_list(kind: str) -> bool:
    return kind == "CommaDelimitedList" or "List<" in kind


def _items(kind: str, value: str) -> list[str]:
    """The items of a list; of anything else the value itself."""
    if not _is_list(kind):
        return [value]
    return [part.strip() for part in value.split(",")] if value else []


def _check(name: str, kind: str, declaration: Mapping[str, Any], value: str) -> None:
    allowed = declaration.get("AllowedValues")
    if isinstance(allowed, list) and value not in map(written, allowed):
        raise HooklineError(
            f"The parameter '{name}' takes one of {', '.join(map(written, allowed))}"
        )
    if kind in {"Number", "List<Number>"}:
        try:
            float(value)
        except ValueError as error:
            raise HooklineError(f"The parameter '{name}' takes a number") from error


def placeholder(
    logical_id: str, resource: Mapping[str, Any], context: StackContext, evaluate: Evaluate
) -> str:
    """What stands for `Ref` of a resource."""
    if resource["Type"] in _REFERRED_BY_ARN:
        return _arn(logical_id, resource, context, evaluate)
    return _name(logical_id, resource, evaluate)


def placeholder_attribute(
    logical_id: str,
    name: str,
    resource: Mapping[str, Any],
    context: StackContext,
    evaluate: Evaluate,
) -> str:
    """What stands for `Fn::GetAtt` of a resource."""
    if name.endswith("Arn"):
        return _arn(logical_id, resource, context, evaluate)
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
    logical_id: str, resource: Mapping[str, Any], context: StackContext, evaluate: Evaluate
) -> str:
    account, region, start = context.account, context.region, f"arn:{context.partition}"
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
