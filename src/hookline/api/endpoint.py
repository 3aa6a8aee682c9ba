"""The endpoint of the AWS API: one short list of steps from a request to its answer."""

import functools
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from hookline.api import sigv4
from hookline.api.authentication import Authentication, head, receive
from hookline.api.aws_json import AWS_JSON
from hookline.api.cbor import CBOR
from hookline.api.constraints import check
from hookline.api.protocol import Protocol
from hookline.api.service import Operation, Service
from hookline.errors import (
    AccessDeniedException,
    ApiError,
    InternalFailure,
    NotImplementedException,
    ServiceUnavailableException,
    StoreUnavailableError,
    UnknownOperationException,
)
from hookline.model import Scope

Handler = Callable[[sigv4.Caller, dict[str, Any]], Mapping[str, Any] | None]
"""An operation: the scope and checked parameters (as in the model) to the output, or an ApiError.

Plain `def`, run in a thread. Timestamps come in as epoch seconds and may go out as those or as
datetimes with a time zone.
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A service: handlers of operations by name, and why the others have none.

    `asking` are the operations that wait for a third party's answer.
    """

    service: Service
    handlers: Mapping[str, Handler]
    not_built: Mapping[str, str]
    asking: frozenset[str] = frozenset()


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
_ASKING_THREADS = 8
_READING = ("BatchGet", "Describe", "Get", "List")
_log = structlog.get_logger()


@functools.cache
def allowed_errors(operation: Operation) -> frozenset[str]:
    """The error codes that clients of `operation` know: the model's and the common ones."""
    return COMMON_ERRORS | {shape.name for shape in operation.model.error_shapes}


def only_reads(name: str) -> bool:
    """Whether a read-only access key may call an operation: it changes nothing, shows no secret."""
    # GetJobDetails and its third-party twin tell a worker the secrets of its action.
    return name.startswith(_READING) and not name.endswith("JobDetails")


@dataclass(frozen=True, slots=True)
class _Target:
    """What a request is for; only after `_answer` is it known that the model has `name`."""

    served: Served
    name: str

    @property
    def is_known(self) -> bool:
        return self.name in self.served.handlers or self.name in self.served.not_built


class Endpoint:
    """Answers requests in AWS JSON 1.1 (`POST /`) and CBOR (`POST /service/…`).

    Its `__call__` is the endpoint of a Starlette route. `served` are the services that it answers
    for. `max_body` is in bytes.
    """

    def __init__(
        self,
        served: Iterable[Served],
        authentication: Authentication,
        *,
        max_body: int = 1_000_000,
    ) -> None:
        self._served = {item.service.target_prefix: item for item in served}
        self._authentication = authentication
        self._max_body = max_body
        self._asking_third_parties = CapacityLimiter(_ASKING_THREADS)

    async def __call__(self, request: Request) -> Response:
        """The answer to one request; an error of any kind becomes an answer as well."""
        request_id = str(uuid.uuid4())
        protocol = _protocol(request)
        target = None
        try:
            target = self._target(protocol, head(request))
            received = await receive(request, self._max_body)
            content = await to_thread.run_sync(
                self._answer, protocol, target, received, limiter=self._threads(target)
            )
        except Exception as error:  # noqa: BLE001 -- whatever goes wrong, the client gets AWS's form
            failure = _as_api_error(error)
            _log_failure(error, failure, request_id, target)
            return _response(protocol, failure.status, protocol.failure(failure), request_id)
        return _response(protocol, 200, content, request_id)

    def _threads(self, target: _Target) -> CapacityLimiter | None:
        """The threads for an operation: few, and their own, for those that wait for GitHub."""
        return self._asking_third_parties if target.name in target.served.asking else None

    def _target(self, protocol: Protocol, received: sigv4.Received) -> _Target:
        """What a request is for: its service, which the signature must be for, is certain."""
        prefix, name = protocol.target(received)
        served = self._served.get(prefix)
        if served is None:
            raise UnknownOperationException(_unknown(protocol, self._served.values()))
        return _Target(served, name)

    def _answer(self, protocol: Protocol, target: _Target, received: sigv4.Received) -> bytes:
        caller = self._authentication.caller(received, target.served.service.name)
        operation = target.served.service.operations.get(target.name)
        if operation is None:
            raise UnknownOperationException(_unknown(protocol, [target.served]))
        _authorize(caller, operation)
        handler = _handler(target)
        parameters = _with_account(caller.scope, protocol.parse(operation, received.body))
        check(operation, parameters)
        return protocol.render(operation, handler(caller, parameters))


def _handler(target: _Target) -> Handler:
    handler = target.served.handlers.get(target.name)
    if handler is None:
        why = target.served.not_built.get(target.name, "this endpoint has no handler for it")
        raise NotImplementedException(f"Hookline does not build {target.name} yet: {why}.")
    return handler


def _unknown(protocol: Protocol, served: Iterable[Served]) -> str:
    """The message for a request that names no operation of any of `served`."""
    services = [item.service for item in served]
    place, _, form = protocol.target_place.partition(", ")
    forms = " or ".join(form.format(service=service.target_prefix) for service in services)
    titles = " or ".join(service.title for service in services)
    return f"{place} names no operation of {titles}; use {forms}."


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


def _authorize(caller: sigv4.Caller, operation: Operation) -> None:
    credential = caller.credential
    if credential is not None and credential.read_only and not only_reads(operation.name):
        raise AccessDeniedException(
            f"User: {caller.arn} is not authorized to perform: {operation} "
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


def _log_failure(
    error: Exception, failure: ApiError, request_id: str, target: _Target | None
) -> None:
    """Log what an operator should look at; a client's own mistake is not."""
    # What a stranger sends as a name is not logged.
    known = target if target is not None and target.is_known else None
    log = _log.bind(
        request_id=request_id, operation=known.name if known else None, code=failure.code
    )
    if isinstance(failure, InternalFailure):
        # The exception's text and its locals may hold parameters and secrets; the frames don't.
        log.error(
            "unexpected exception",
            exception=type(error).__qualname__,
            stack="".join(traceback.format_tb(error.__traceback__)),
        )
    elif isinstance(failure, ServiceUnavailableException):
        log.warning("store unavailable", reason=str(error))
    elif known is not None and not _is_allowed(failure, known):
        log.error("an error that the model does not list for the operation")


def _is_allowed(failure: ApiError, target: _Target) -> bool:
    # Looked at first, since the model need not have been read yet.
    if failure.code in COMMON_ERRORS:
        return True
    return failure.code in allowed_errors(target.served.service.operations[target.name])


def _response(protocol: Protocol, status: int, content: bytes, request_id: str) -> Response:
    return Response(
        content,
        status,
        headers={"x-amzn-RequestId": request_id, **protocol.headers},
        media_type=protocol.content_type if content else None,
    )
