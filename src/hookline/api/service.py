"""The services of AWS that the API answers for, by botocore's own models of them."""

import functools
from collections.abc import Mapping
from typing import cast

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from hookline.errors import ApiError, InvalidInputException, ValidationException


class Service:
    """A service of AWS: how requests name it, and its model.

    `name` is what botocore, signatures, ARNs and permissions call it, `target_prefix` what requests
    do. `refusal` is the error for parameters that do not satisfy the model.
    """

    def __init__(self, name: str, title: str, target_prefix: str, refusal: type[ApiError]) -> None:
        self.name = name
        self.title = title
        self.target_prefix = target_prefix
        self.refusal = refusal

    @functools.cached_property
    def model(self) -> ServiceModel:
        """Botocore's model, read at its first use: some 40 ms."""
        return ServiceModel(Loader().load_service_model(self.name, "service-2"), self.name)

    @functools.cached_property
    def operations(self) -> Mapping[str, "Operation"]:
        """All operations of the model by their names."""
        return {name: Operation(self, name) for name in self.model.operation_names}

    def shape(self, name: str) -> Shape:
        """The shape `name`. No shape of these models contains itself, so a walk of it ends."""
        return self.model.shape_for(name)


class Operation:
    """An operation of a service; there is one object for each."""

    __slots__ = ("name", "service")

    def __init__(self, service: Service, name: str) -> None:
        self.service = service
        self.name = name

    def __str__(self) -> str:
        """What a permission calls it, `codepipeline:PutWebhook`."""
        return f"{self.service.name}:{self.name}"

    @property
    def model(self) -> OperationModel:
        """Botocore's model of it."""
        return self.service.model.operation_model(self.name)

    @property
    def input_shape(self) -> StructureShape:
        """The shape of its parameters; in these models every operation has one."""
        return cast("StructureShape", self.model.input_shape)


CODEPIPELINE = Service(
    "codepipeline", "AWS CodePipeline", "CodePipeline_20150709", ValidationException
)
# Its model lists this one instead of ValidationException, for all operations with parameters.
CODEBUILD = Service("codebuild", "AWS CodeBuild", "CodeBuild_20161006", InvalidInputException)


def member_path(path: str, member: str) -> str:
    """The path of a structure's member as AWS's messages write it.

    AWS writes every member with a small first letter: `MaxResults` is at `maxResults`.
    """
    name = member[:1].lower() + member[1:]
    return f"{path}.{name}" if path else name


def entry_path(path: str, entry: str | int) -> str:
    """The path of a list's entry (positions count from 1) or of a map's value (by key)."""
    return f"{path}.{entry}.member"
