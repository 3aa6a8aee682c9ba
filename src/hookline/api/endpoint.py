"""The endpoint of the AWS API: one short list of steps from a request to its answer."""

import functools
import re
import traceback
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from hookline.api import sigv4
from hookline.api.authentication import Authentication, receive
from hookline.api.aws_json import AWS_JSON
from hookline.api.cbor import CBOR
from hookline.api.constraints import check
from hookline.api.not_built import NOT_BUILT
from hookline.api.protocol import Protocol
from hookline.api.service import operation_model, service
from hookline.errors import (
    AccessDeniedException,
    ApiError,
    InternalFailure,
    NotImplementedException,
    ServiceUnavailableException,
    StoreUnavailableError,
)
from hookline.model import Scope

Handler = Callable[[sigv4.Caller, dict[str, Any]], Mapping[str, Any] | None]
"""An operation: the scope and checked parameters (as in the model) to the output, or an ApiError.

Plain `def`, run in a thread. Timestamps come in as epoch seconds and may go out as those or as
datetimes with a time zone.
"""

COMMON_ERRORS = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InternalFailure",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "NotImplementedException",
        "RequestEntityTooLargeException",
        "SerializationException",
        "ServiceUnavailableException",
        "ThrottlingException",
        "UnknownOperationException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
"""Codes that any operation may answer with, whatever the model lists for it (contract W4)."""

# A third party that answers slowly must not hold the threads of all other operations.
_ASKING = frozenset(
    {
        "DeleteWebhook",
        "DeregisterWebhookWithThirdParty",
        "PutWebhook",
        "RegisterWebhookWithThirdParty",
    }
)
_ASKING_THREADS = 8
_log = structlog.get_logger()


@functools.cache
def allowed_errors(operation: str) -> frozenset[str]:
    """The error codes that clients of `operation` know: the model's and the common ones."""
    return COMMON_ERRORS | {shape.name for shape in operation_model(operation).error_shapes}


@functools.cache
def only_reads(operation: str) -> bool:
    """Whether a read-only access key may call `operation`: it changes nothing, shows no secret."""
    # GetJobDetails and its third-party twin tell a worker the secrets of its action.
    return operation.startswith(("Get", "List")) and not operation.endswith("JobDetails")


class Endpoint:
    """Answers requests in AWS JSON 1.1 (`POST /`) and CBOR (`POST /service/…`).

    Its `__call__` is the endpoint of a Starlette route. `operations` maps names of the model to
    their handlers. `max_body` is in bytes.
    """

    def __init__(
        self,
        operations: Mapping[str, Handler],
        authentication: Authentication,
        *,
        max_body: int = 1_000_000,
    ) -> None:
        self._operations = operations
        self._authentication = authentication
        self._max_body = max_body
        self._asking_third_parties = CapacityLimiter(_ASKING_THREADS)

    async def __call__(self, request: Request) -> Response:
        """The answer to one request; an error of any kind becomes an answer as well."""
        request_id = str(uuid.uuid4())
        protocol = _protocol(request)
        try:
            received = await receive(request, self._max_body)
            content = await to_thread.run_sync(
                self._answer, protocol, received, limiter=self._threads(request)
            )
        except Exception as error:  # noqa: BLE001 -- whatever goes wrong, the client gets AWS's form
            failure = _as_api_error(error)
            _log_failure(error, failure, request_id, _claimed_operation(request))
            return _response(protocol, failure.status, protocol.failure(failure), request_id)
        return _response(protocol, 200, content, request_id)

    def _threads(self, request: Request) -> CapacityLimiter | None:
        """The threads for an operation: few, and their own, for those that wait for GitHub."""
        return self._asking_third_parties if _claimed_operation(request) in _ASKING else None

    def _answer(self, protocol: Protocol, received: sigv4.Received) -> bytes:
        caller = self._authentication.caller(received)
        operation = protocol.operation(received)
        _authorize(caller, operation)
        handler = self._handler(operation)
        parameters = _with_account(caller.scope, protocol.parse(operation, received.body))
        check(operation, parameters)
        return protocol.render(operation, handler(caller, parameters))

    def _handler(self, operation: str) -> Handler:
        handler = self._operations.get(operation)
        if handler is None:
            why = NOT_BUILT.get(operation, "this endpoint has no handler for it")
            raise NotImplementedException(f"Hookline does not build {operation} yet: {why}.")
        return handler


def _protocol(request: Request) -> Protocol:
    return AWS_JSON if request.scope["path"] == "/" else CBOR


def _with_account(scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters, with the caller's account where the ARN of a resource has none.

    Terraform's provider sends such an ARN when it is told not to ask for the account.
    """
    match str(parameters.get("resourceArn", "")).split(":", 5):
        case ["arn", partition, "codepipeline", region, "", resource]:
            arn = f"arn:{partition}:codepipeline:{region}:{scope.account}:{resource}"
            return {**parameters, "resourceArn": arn}
    return parameters


def _authorize(caller: sigv4.Caller, operation: str) -> None:
    credential = caller.credential
    if credential is not None and credential.read_only and not only_reads(operation):
        raise AccessDeniedException(
            f"User: {caller.arn} is not authorized to perform: codepipeline:{operation} "
            "because its access key is read-only"
        )


def _as_api_error(error: Exception) -> ApiError:
    match error:
        case ApiError():
            return error
        case StoreUnavailableError():
            return ServiceUnavailableException()
        case _:
            return InternalFailure()


def _claimed_operation(request: Request) -> str | None:
    """The operation that a request says it is for, where the model has it."""
    target = request.headers.get("x-amz-target") or request.scope["path"]
    name = re.split("[./]", target)[-1]
    return name if name in service().operation_names else None


def _log_failure(error: Exception, failure: ApiError, request_id: str, known: str | None) -> None:
    """Log what an operator should look at; a client's own mistake is not."""
    log = _log.bind(request_id=request_id, operation=known, code=failure.code)
    if isinstance(failure, InternalFailure):
        # The exception's text and its locals may hold parameters and secrets; the frames don't.
        log.error(
            "unexpected exception",
            exception=type(error).__qualname__,
            stack="".join(traceback.format_tb(error.__traceback__)),
        )
    elif isinstance(failure, ServiceUnavailableException):
        log.warning("store unavailable", reason=str(error))
    elif known is not None and failure.code not in allowed_errors(known):
        log.error("an error that the model does not list for the operation")


def _response(protocol: Protocol, status: int, content: bytes, request_id: str) -> Response:
    return Response(
        content,
        status,
        headers={"x-amzn-RequestId": request_id, **protocol.headers},
        media_type=protocol.content_type if content else None,
    )
