"""AWS's ActionState: where an action stands, its revision, and the pages that show both."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hookline.actions.pages import branch_page
from hookline.api.action_logs import log_url
from hookline.api.codepipeline.action_types import CODECOMMIT, CONNECTION, GITHUB
from hookline.api.codepipeline.execution_views import cut, error_details
from hookline.model import Action, ActionStatus, ActionType, Execution, Scope, SourceRevision
from hookline.store import pipeline_secrets
from hookline.store.action_executions import ActionExecution
from hookline.store.action_types import CustomActionType

_LINKS = {"entityUrl": "entityUrlTemplate", "revisionUrl": "revisionUrlTemplate"}
# What names a branch in an action's configuration: the repository's parts, and the branch.
_BRANCH_KEYS = {
    GITHUB: ("Owner", "Repo", "Branch"),
    CONNECTION: ("FullRepositoryId", "BranchName"),
    CODECOMMIT: ("RepositoryName", "BranchName"),
}
_CONSOLES = {
    "aws": "https://{}.console.aws.amazon.com",
    "aws-cn": "https://{}.console.amazonaws.cn",
    "aws-us-gov": "https://{}.console.amazonaws-us-gov.com",
}
_REFERENCE = "#{"
_LONGEST_ID = 1_500
_LONGEST_URL = 2_048


def action_state(
    action: Action,
    latest: ActionExecution | None,
    revision: SourceRevision | None,
    pages: Mapping[str, str | None],
    address: str,
) -> dict[str, Any]:
    """An ActionState by the action's latest execution, its `revision` and its `pages`.

    `address` is the API's.
    """
    if latest is None:
        return {"actionName": action.name, **pages}
    # The token of an action that a job worker ends is not shown.
    is_custom = action.type.owner == "Custom"
    return {
        "actionName": action.name,
        "currentRevision": None if revision is None else _current_revision(revision, latest),
        "latestExecution": {
            "actionExecutionId": latest.id,
            "status": latest.status.value,
            "summary": cut(latest.summary),
            "lastStatusChange": latest.updated_at,
            "lastUpdatedBy": latest.updated_by,
            "token": latest.token if latest.waits and not is_custom else None,
            "externalExecutionId": latest.external_id,
            "externalExecutionUrl": latest.external_url or log_url(address, latest, action.type),
            "percentComplete": latest.percent_complete,
            "errorDetails": error_details(latest),
        },
        **pages,
    }


def current_revision(
    action: Action, latest: ActionExecution | None, executions: Mapping[str, Execution]
) -> SourceRevision | None:
    """The revision that a source action has fetched by its latest execution."""
    if latest is None or latest.status is not ActionStatus.SUCCEEDED:
        return None
    execution = executions.get(latest.execution_id)
    revisions = () if execution is None else execution.source_revisions
    return next((item for item in revisions if item.action_name == action.name), None)


def _current_revision(revision: SourceRevision, latest: ActionExecution) -> dict[str, Any]:
    return {
        "revisionId": revision.revision_id[:_LONGEST_ID],
        "revisionChangeId": revision.change_id or latest.execution_id,
        "created": latest.updated_at if revision.created is None else revision.created,
    }


def custom_pages(
    custom: CustomActionType, action: Action, latest: ActionExecution | None
) -> dict[str, str | None]:
    """The pages that the settings of a custom action type name for an action."""
    external_id = None if latest is None else latest.external_id
    configuration = _configuration(action, latest)
    return {
        member: custom.link(template, configuration, external_id)
        for member, template in _LINKS.items()
    }


def source_pages(
    action: Action,
    latest: ActionExecution | None,
    revision: SourceRevision | None,
    scope: Scope,
    github_url: str,
) -> dict[str, str | None]:
    """The pages of a source action's branch, and of the commit that it has fetched."""
    configuration = _configuration(action, latest)
    values = [configuration.get(key, "") for key in _BRANCH_KEYS.get(action.type, ())]
    known = values and not any(not value or _REFERENCE in value for value in values)
    entity = _branch(action.type, values, scope, github_url.rstrip("/")) if known else None
    return {
        "entityUrl": _url(entity),
        "revisionUrl": None if revision is None else _url(revision.url),
    }


def _configuration(action: Action, latest: ActionExecution | None) -> dict[str, str]:
    resolved = {} if latest is None else latest.resolved
    return {**pipeline_secrets.without_secrets(action.configuration), **resolved}


def _branch(kind: ActionType, values: list[str], scope: Scope, github_url: str) -> str | None:
    *repository, branch = values
    if kind != CODECOMMIT:
        return branch_page(f"{github_url}/{'/'.join(repository)}", branch)
    console = _CONSOLES.get(scope.partition)
    if console is None:
        return None
    return (
        f"{console.format(scope.region)}/codesuite/codecommit/repositories/{quote(values[0])}"
        f"/browse/refs/heads/{quote(branch, safe='')}"
    )


def _url(text: str | None) -> str | None:
    """A page's address, if it is not longer than the model takes."""
    return text if text and len(text) <= _LONGEST_URL else None
