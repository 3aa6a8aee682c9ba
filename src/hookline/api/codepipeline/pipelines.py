"""CreatePipeline, GetPipeline, UpdatePipeline, DeletePipeline, ListPipelines."""

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import Connection

from hookline.actions import not_run
from hookline.api import tags as api_tags
from hookline.api.codepipeline.action_types import rule_of
from hookline.api.codepipeline.pipeline_structure import check_structure, with_defaults
from hookline.api.dependencies import Dependencies
from hookline.api.sigv4 import Caller
from hookline.errors import (
    InvalidActionDeclarationException,
    InvalidStructureException,
    LimitExceededException,
    PipelineNameInUseException,
    PipelineNotFoundException,
    PipelineVersionNotFoundException,
)
from hookline.executions.stop import cancel_all
from hookline.model import ActionType, Pipeline, Scope
from hookline.sealing import is_mask
from hookline.store import (
    action_types,
    pipeline_secrets,
    pipelines,
    tags,
)

_LIMIT = 1_000
_PAGE = 1_000
_log = structlog.get_logger()


class PipelineOperations:
    """The operations on pipelines."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._seal = dependencies.seal
        self._state = dependencies.state
        self._page_tokens = dependencies.page_tokens

    def create_pipeline(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a pipeline."""
        name = parameters["pipeline"]["name"]
        given_tags = api_tags.checked(parameters.get("tags", ()))
        with self._database.write() as connection:
            declaration = self._checked(connection, caller.scope, parameters["pipeline"], None)
            # Two that are created at once must see each other: by their name, and in the count.
            pipelines.lock_scope(connection, caller.scope)
            pipeline = pipelines.create(connection, caller.scope, declaration)
            if pipeline is None:
                raise PipelineNameInUseException(f"A pipeline with name '{name}' already exists")
            if pipelines.count(connection, caller.scope) > _LIMIT:
                raise LimitExceededException(
                    f"Account '{caller.scope.account}' already has {_LIMIT} pipelines in "
                    f"{caller.scope.region}, which is the limit. Delete one that is no longer used."
                )
            tags.replace(connection, pipeline.arn, given_tags)
        self._state.definitions_changed()
        _warn_of_what_is_not_run(pipeline)
        return {
            "pipeline": pipeline_secrets.masked(pipeline.declaration),
            "tags": api_tags.listed(given_tags),
        }

    def get_pipeline(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """A pipeline in its current or a given version."""
        name, version = parameters["name"], parameters.get("version")
        with self._database.read() as connection:
            pipeline = pipelines.find(connection, caller.scope, name)
            if pipeline is None:
                raise pipeline_not_found(caller.scope, name)
            if version is not None:
                pipeline = pipelines.find(connection, caller.scope, name, version)
        if pipeline is None:
            raise PipelineVersionNotFoundException(
                f"Pipeline '{name}' does not have a version {version}"
            )
        return {
            "pipeline": pipeline_secrets.masked(pipeline.declaration),
            "metadata": {
                "pipelineArn": pipeline.arn,
                "created": pipeline.created_at,
                "updated": pipeline.updated_at,
            },
        }

    def update_pipeline(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace a pipeline's definition by a new version."""
        name = parameters["pipeline"]["name"]
        with self._database.write() as connection:
            # A secret given as a mask is the newest one, also when two update at once.
            pipelines.lock(connection, [(caller.scope, name)])
            previous = pipelines.find(connection, caller.scope, name)
            if previous is None:
                # UpdatePipeline's model lists no PipelineNotFoundException.
                raise InvalidStructureException(_not_found_text(caller.scope, name))
            declaration = self._checked(connection, caller.scope, parameters["pipeline"], previous)
            pipeline = pipelines.update_declaration(connection, caller.scope, declaration)
        if pipeline is None:
            raise InvalidStructureException(_not_found_text(caller.scope, name))
        self._state.definitions_changed()
        _warn_of_what_is_not_run(pipeline)
        return {"pipeline": pipeline_secrets.masked(pipeline.declaration)}

    def delete_pipeline(self, caller: Caller, parameters: Mapping[str, Any]) -> None:
        """Delete a pipeline; its absence is success."""
        with self._database.write() as connection:
            removed = pipelines.remove(connection, caller.scope, parameters["name"])
            if removed is not None:
                cancel_all(connection, removed)
            tags.replace(connection, caller.scope.pipeline_arn(parameters["name"]), {})
        self._state.definitions_changed()

    def list_pipelines(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """A page of the scope's pipelines by name."""
        size, token = parameters.get("maxResults", _PAGE), parameters.get("nextToken")
        page = self._page_tokens.page(caller.scope, "ListPipelines", token, size)
        with self._database.read() as connection:
            found = pipelines.page(connection, caller.scope, page.after, page.limit)
        shown, token = page.cut(found, lambda last: last.name)
        return {"pipelines": [_summary(pipeline) for pipeline in shown], "nextToken": token}

    def _checked(
        self,
        connection: Connection,
        scope: Scope,
        declaration: Mapping[str, Any],
        previous: Pipeline | None,
    ) -> dict[str, Any]:
        custom = {item.type: item for item in action_types.all_available(connection, scope)}
        rules = {kind: rule_of(item) for kind, item in custom.items()}
        check_structure(declaration, scope.region, rules)

        def secret_keys(kind: ActionType) -> frozenset[str]:
            return custom[kind].secret_keys if kind in custom else frozenset()

        sealed = pipeline_secrets.sealed(
            with_defaults(declaration),
            None if previous is None else previous.declaration,
            self._seal,
            secret_keys,
        )
        for stage in sealed["stages"]:
            for action in stage["actions"]:
                kind = ActionType.of(action["actionTypeId"])
                keys = pipeline_secrets.SECRET_KEYS | secret_keys(kind)
                _check_secrets(stage["name"], action, keys)
        return sealed


def _check_secrets(stage_name: str, action: Mapping[str, Any], keys: frozenset[str]) -> None:
    configuration = action.get("configuration", {})
    for key in sorted(keys & configuration.keys()):
        if is_mask(configuration[key]):
            raise InvalidActionDeclarationException(
                f"Action '{action['name']}' of stage '{stage_name}' has {key} "
                f"'{configuration[key]}', which stands for a secret kept already, and none is. "
                "Give the secret itself."
            )


def _warn_of_what_is_not_run(pipeline: Pipeline) -> None:
    for item in not_run(pipeline.stages):
        _log.warning(
            "an action will fail",
            pipeline=pipeline.arn,
            stage=item.stage_name,
            action=item.action.name,
            reason=str(item),
        )


def pipeline_not_found(scope: Scope, name: str) -> PipelineNotFoundException:
    """The error for a pipeline that the scope does not have, in AWS's words."""
    return PipelineNotFoundException(_not_found_text(scope, name))


def _not_found_text(scope: Scope, name: str) -> str:
    return f"Account '{scope.account}' does not have a pipeline with name '{name}'"


def _summary(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "name": pipeline.name,
        "version": pipeline.version,
        "pipelineType": pipeline.declaration.get("pipelineType"),
        "executionMode": pipeline.execution_mode.value,
        "created": pipeline.created_at,
        "updated": pipeline.updated_at,
    }
