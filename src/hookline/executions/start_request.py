"""A request to start an execution, by the API or a delivery."""

from collections.abc import Mapping

import msgspec

from hookline.model import Scope, SourceRevision, Trigger


class StartRequest(msgspec.Struct, array_like=True, frozen=True):
    """A request to start an execution of a pipeline; the requester chooses `execution_id`.

    `variables` are those whose value is not the pipeline's default.
    """

    scope: Scope
    pipeline: str
    execution_id: str
    trigger: Trigger
    source_revisions: tuple[SourceRevision, ...] = ()
    client_request_token: str | None = None
    variables: Mapping[str, str] = {}
