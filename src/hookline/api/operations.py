"""The services that the API answers for, each with its operations: the one table of them."""

from hookline.api.codepipeline import operations as codepipeline
from hookline.api.codepipeline.not_built import NOT_BUILT
from hookline.api.endpoint import Served
from hookline.api.service import CODEPIPELINE
from hookline.api.services import Services


def served(services: Services) -> tuple[Served, ...]:
    """All services that are answered for."""
    return (
        Served(CODEPIPELINE, codepipeline.operations(services), NOT_BUILT, codepipeline.ASKING),
    )
