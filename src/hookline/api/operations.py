"""The services that the API answers for, each with its operations: the one table of them."""

from hookline.api.codebuild import operations as codebuild
from hookline.api.codebuild.not_built import NOT_BUILT as NOT_BUILT_OF_CODEBUILD
from hookline.api.codepipeline import operations as codepipeline
from hookline.api.codepipeline.not_built import NOT_BUILT as NOT_BUILT_OF_CODEPIPELINE
from hookline.api.endpoint import Served
from hookline.api.service import CODEBUILD, CODEPIPELINE
from hookline.api.services import Services


def served(services: Services) -> tuple[Served, ...]:
    """All services that are answered for."""
    return (
        Served(
            CODEPIPELINE,
            codepipeline.operations(services),
            NOT_BUILT_OF_CODEPIPELINE,
            codepipeline.ASKING,
        ),
        Served(CODEBUILD, codebuild.operations(services), NOT_BUILT_OF_CODEBUILD),
    )
