"""The operations of CodeBuild that are built, by their names in the model."""

from collections.abc import Mapping

from hookline.api.codebuild.builds import BuildOperations
from hookline.api.codebuild.images import list_curated_environment_images
from hookline.api.codebuild.projects import ProjectOperations
from hookline.api.dependencies import Dependencies
from hookline.api.endpoint import Handler


def operations(dependencies: Dependencies) -> Mapping[str, Handler]:
    """The handlers of the operations that are built."""
    projects = ProjectOperations(dependencies)
    builds = BuildOperations(dependencies)
    return {
        "CreateProject": projects.create_project,
        "UpdateProject": projects.update_project,
        "DeleteProject": projects.delete_project,
        "BatchGetProjects": projects.batch_get_projects,
        "ListProjects": projects.list_projects,
        "BatchGetBuilds": builds.batch_get_builds,
        "ListBuilds": builds.list_builds,
        "ListBuildsForProject": builds.list_builds_for_project,
        "StopBuild": builds.stop_build,
        "BatchDeleteBuilds": builds.batch_delete_builds,
        "ListCuratedEnvironmentImages": list_curated_environment_images,
    }
