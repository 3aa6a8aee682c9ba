"""Every error Hookline raises on purpose: one tree, each class knows its wire code.

- `HooklineError`
    - `ApiError`: what an AWS client sees; `code` is AWS's name, `status` the HTTP status
        - `ValidationException` and others common to all operations
        - `PipelineNotFoundException` and others, raised only where the model lists them
    - `SettingsError`: a setting can't be used; says which and how to mend it
    - `StoreUnavailableError`: the store can't be read or written now; nothing was changed
    - `SchemaError`: the database belongs to another version of Hookline
    - `SealError`: a sealed secret can't be opened with the master keys at hand
    - `ActionError`: an action of a pipeline failed; becomes its error details
    - `BuildspecError`: a buildspec can't be used; names all of its errors, each with its line
    - `GitHubError`: GitHub refused a call, or did not answer
"""

from typing import ClassVar


class HooklineError(Exception):
    """The root of the tree. The class docstring is the default message."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or type(self).__name__).strip())

    @property
    def message(self) -> str:
        """The text, as a person reads it."""
        return str(self.args[0])


class SettingsError(HooklineError):
    """A setting can't be used."""


class StoreUnavailableError(HooklineError):
    """The store can't be reached now; nothing was changed. Try again."""


class SchemaError(HooklineError):
    """The database's schema is not one that this version knows."""


class SealError(HooklineError):
    """A stored secret can't be opened with the master key in use."""


class ActionError(HooklineError):
    """An action failed.

    `code` is AWS's error code of action executions (`JobFailed`, `ConfigurationError`, …).
    """

    def __init__(self, message: str, code: str = "JobFailed") -> None:
        super().__init__(message)
        self.code = code


class BuildspecError(HooklineError):
    """A buildspec can't be used; `problems` are all of its errors, each with its line."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class GitHubError(HooklineError):
    """GitHub refused a call, or did not answer: then `status` is None.

    The message has AWS's form of it; `body` is GitHub's answer, with secrets masked.
    """

    def __init__(self, cause: str, status: int | None = None, body: str = "") -> None:
        answer = "" if status is None else f" [StatusCode: {status}, Body: {body}]"
        super().__init__(f"Error cause: {cause}{answer}")
        self.status = status
        self.body = body


class ApiError(HooklineError):
    """An error of the API, named as AWS names it."""

    status: ClassVar[int] = 400

    @property
    def code(self) -> str:
        """AWS's name for it, the `__type` of the answer."""
        return type(self).__name__


class ValidationException(ApiError):
    """The validation was specified in an invalid format."""


class SerializationException(ApiError):
    """The request body can't be read."""


class UnknownOperationException(ApiError):
    """The operation is not one of the services that Hookline answers for."""


class NotImplementedException(ApiError):
    """Hookline does not build this operation yet."""

    status = 501


class UnrecognizedClientException(ApiError):
    """The security token included in the request is invalid."""


class ExpiredTokenException(ApiError):
    """The security token included in the request is expired."""


class InvalidSignatureException(ApiError):
    """The request signature we calculated does not match the signature you provided."""


class AccessDeniedException(ApiError):
    """The access key may only read."""


class MissingAuthenticationTokenException(ApiError):
    """Request is missing Authentication Token."""


class IncompleteSignatureException(ApiError):
    """The Authorization header is incomplete."""


class ThrottlingException(ApiError):
    """Rate exceeded."""


class ServiceUnavailableException(ApiError):
    """The store can't be reached now; nothing was changed. Try again."""

    status = 503


class InternalFailure(ApiError):
    """An error inside Hookline; its log has the details under the request id."""

    status = 500


class RequestEntityTooLargeException(ApiError):
    """The request body is larger than the API takes."""

    status = 413


class PipelineNotFoundException(ApiError):
    """The pipeline was specified in an invalid format or cannot be found."""


class PipelineVersionNotFoundException(ApiError):
    """The pipeline version was specified in an invalid format or cannot be found."""


class PipelineExecutionNotFoundException(ApiError):
    """The pipeline execution was specified in an invalid format or cannot be found."""


class PipelineExecutionNotStoppableException(ApiError):
    """Unable to stop the pipeline execution: it is no longer in progress."""


class DuplicatedStopRequestException(ApiError):
    """The pipeline execution is already in a Stopping state."""


class StageNotFoundException(ApiError):
    """The stage was specified in an invalid format or cannot be found."""


class ActionNotFoundException(ApiError):
    """The specified action cannot be found."""


class InvalidApprovalTokenException(ApiError):
    """The approval request already received a response or has expired."""


class ApprovalAlreadyCompletedException(ApiError):
    """The approval action has already been approved or rejected."""


class StageNotRetryableException(ApiError):
    """Unable to retry the stage."""


class ConditionNotOverridableException(ApiError):
    """Unable to override because the condition does not allow overrides."""


class NotLatestPipelineExecutionException(ApiError):
    """The stage has been entered by a later execution of the pipeline."""


class PipelineExecutionOutdatedException(ApiError):
    """The execution is outdated and cannot be the target of a rollback."""


class UnableToRollbackStageException(ApiError):
    """Unable to roll back the stage."""


class PipelineNameInUseException(ApiError):
    """The specified pipeline name is already in use."""


class InvalidStructureException(ApiError):
    """The structure was specified in an invalid format."""


class InvalidStageDeclarationException(ApiError):
    """The stage declaration was specified in an invalid format."""


class InvalidActionDeclarationException(ApiError):
    """The action declaration was specified in an invalid format."""


class InvalidBlockerDeclarationException(ApiError):
    """Reserved for future use."""


class LimitExceededException(ApiError):
    """The number of pipelines or webhooks exceeds the limit of this account."""


class ConcurrentPipelineExecutionsLimitExceededException(ApiError):
    """The pipeline has reached the limit for concurrent pipeline executions."""


class ConcurrentModificationException(ApiError):
    """Unable to modify the resource due to a simultaneous update request."""


class ConflictException(ApiError):
    """Your request cannot be handled because the pipeline is busy handling ongoing activities."""

    status = 409


class InvalidNextTokenException(ApiError):
    """The next token was specified in an invalid format."""


class InvalidWebhookFilterPatternException(ApiError):
    """The specified event filter rule is in an invalid format."""


class InvalidWebhookAuthenticationParametersException(ApiError):
    """The specified authentication type is in an invalid format."""


class ActionTypeNotFoundException(ApiError):
    """The specified action type cannot be found."""


class JobNotFoundException(ApiError):
    """The job was specified in an invalid format or cannot be found."""


class InvalidJobStateException(ApiError):
    """The job state was specified in an invalid format."""


class InvalidNonceException(ApiError):
    """The nonce was specified in an invalid format."""


class OutputVariablesSizeExceededException(ApiError):
    """Exceeded the total size limit for all variables in the pipeline."""


class WebhookNotFoundException(ApiError):
    """The specified webhook was entered in an invalid format or cannot be found."""


class TooManyTagsException(ApiError):
    """The tags limit for a resource has been exceeded."""


class InvalidTagsException(ApiError):
    """The specified resource tags are invalid."""


class InvalidArnException(ApiError):
    """The specified resource ARN is invalid."""


class ResourceNotFoundException(ApiError):
    """The resource was specified in an invalid format."""


class InvalidInputException(ApiError):
    """The input value that was provided is not valid."""


class ResourceAlreadyExistsException(ApiError):
    """The specified resource cannot be created, because one with the same settings exists."""


class AccountLimitExceededException(ApiError):
    """A limit of the account was exceeded."""
