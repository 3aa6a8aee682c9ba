"""What a template is evaluated in: the account, the region and the stack that it stands for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hookline.model import partition_of

_STACK_CHARACTERS = re.compile(r"[^A-Za-z0-9]+")
_DOMAINS = {"aws-cn": "amazonaws.com.cn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`parameters` are those given, by name."""

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
