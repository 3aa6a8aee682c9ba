"""`GET /logs/<action execution id>`: what an action that runs commands has written so far."""

from collections.abc import Iterator

from anyio import to_thread
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from hookline.actions import runs_commands
from hookline.api.authentication import Authentication, receive
from hookline.api.service import CODEPIPELINE
from hookline.api.sigv4 import Caller, Received
from hookline.errors import (
    ApiError,
    MissingAuthenticationTokenException,
    RequestEntityTooLargeException,
    ResourceNotFoundException,
    SerializationException,
    StoreUnavailableError,
    ValidationException,
)
from hookline.model import ActionType
from hookline.store import action_executions, pipelines
from hookline.store.action_executions import ActionExecution
from hookline.store.action_logs import open_log
from hookline.store.database import Database

PATH = "/logs/{id:uuid}"
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_UNSIGNED = (
    "Sign the request as a call of the API in the pipeline's region, such as by curl --aws-sigv4 "
    "aws:amz:us-east-1:codepipeline --user KEY_ID:SECRET, or run: hookline logs EXECUTION_ID"
)
# Of the errors that are raised here, all others are about who asks.
_STATUSES: dict[type[ApiError], int] = {
    ResourceNotFoundException: 404,
    RequestEntityTooLargeException: 413,
    SerializationException: 400,
    ValidationException: 400,
}
_LONGEST_OFFSET = 18


def log_url(address: str, execution: ActionExecution, kind: ActionType) -> str | None:
    """Where the log of an action or rule of the type `kind` is; None where there is no such page.

    `address` is the API's.
    """
    if not execution.has_begun or not runs_commands(kind):
        return None
    return log_page(address, execution.id)


def log_page(address: str, action_execution_id: str) -> str:
    """Where the log of an action execution is; `address` is the API's."""
    return f"{address}/logs/{action_execution_id}"


class ActionLogs:
    """Answers logs as plain text, to the keys of the account and region that the pipeline is in.

    Its `__call__` is the endpoint of a Starlette route with PATH. `?offset=` says how many bytes at
    the beginning to leave out.
    """

    def __init__(self, database: Database, authentication: Authentication) -> None:
        self._database = database
        self._authentication = authentication

    async def __call__(self, request: Request) -> Response:
        """The log as it is now, or one line that says why not."""
        try:
            received = await receive(request, 0)
            pieces = await to_thread.run_sync(
                self._open, received, str(request.path_params["id"]), request.query_params
            )
        except MissingAuthenticationTokenException:
            return _refusal(403, _UNSIGNED)
        except ApiError as error:
            return _refusal(_STATUSES.get(type(error), 403), error.message)
        except StoreUnavailableError as error:
            return _refusal(503, error.message)
        return StreamingResponse(pieces, media_type="text/plain", headers=_HEADERS)

    def _open(self, received: Received, identifier: str, query: QueryParams) -> Iterator[bytes]:
        caller = self._authentication.caller(received, CODEPIPELINE.name)
        offset = _offset(query.get("offset", "0"))
        self._check(caller, identifier)
        return open_log(self._database, identifier, offset)

    def _check(self, caller: Caller, identifier: str) -> None:
        with self._database.read() as connection:
            found = action_executions.find(connection, identifier)
            pipeline = None if found is None else pipelines.current(connection, found.pipeline_id)
        if pipeline is None or pipeline.scope != caller.scope:
            raise ResourceNotFoundException(
                f"There is no action execution {identifier} in this account and region"
            )


def _offset(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_OFFSET):
        raise ValidationException("offset must be a number of bytes, such as ?offset=1024")
    return int(text)


def _refusal(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status, headers=_HEADERS)
