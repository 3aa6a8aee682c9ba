"""The service model of CodePipeline, botocore's own: what every other module of the wire walks."""

import functools
from typing import cast

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape


@functools.cache
def service() -> ServiceModel:
    """CodePipeline's service model `2015-07-09`, read once (some 40 ms)."""
    return ServiceModel(Loader().load_service_model("codepipeline", "service-2"), "codepipeline")


def operation_model(operation: str) -> OperationModel:
    """The model of `operation`, one of `service().operation_names`."""
    return service().operation_model(operation)


def input_shape(operation: str) -> StructureShape:
    """The shape of the parameters of `operation`; in this model every operation has one."""
    return cast("StructureShape", operation_model(operation).input_shape)


def shape_named(name: str) -> Shape:
    """The shape `name`. No shape of this model contains itself, so a walk of it ends."""
    return service().shape_for(name)


def member_path(path: str, member: str) -> str:
    """The path of a structure's member as AWS's messages write it.

    AWS writes every member with a small first letter: `MaxResults` is at `maxResults`.
    """
    name = member[:1].lower() + member[1:]
    return f"{path}.{name}" if path else name


def entry_path(path: str, entry: str | int) -> str:
    """The path of a list's entry (positions count from 1) or of a map's value (by key)."""
    return f"{path}.{entry}.member"
