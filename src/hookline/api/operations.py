"""The services that the API answers for, each with its operations: the one table of them."""

from hookline.api.codebuild import operations as codebuild
from hookline.api.codebuild.not_built import NOT_BUILT as NOT_BUILT_OF_CODEBUILD
from hookline.api.codepipeline import operations as codepipeline
from hookline.api.codepipeline.not_built import NOT_BUILT as NOT_BUILT_OF_CODEPIPELINE
from hookline.api.dependencies import Dependencies
from hookline.api.endpoint import Served
from hookline.api.service import CODEBUILD, CODEPIPELINE


def served(dependencies: Dependencies) -> tuple[Served, ...]:
    """All services that are answered for."""
    return (
        Served(
            CODEPIPELINE,
            codepipeline.operations(dependencies),
            NOT_BUILT_OF_CODEPIPELINE,
            codepipeline.ASKING,
        ),
        Served(CODEBUILD, codebuild.operations(dependencies), NOT_BUILT_OF_CODEBUILD),
    )
